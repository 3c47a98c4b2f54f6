# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make garbage collection rare in every Python of a scenario on the controller, and exclude inherited objects after a fork.

Ansible forks a process for each task and host. A garbage collection in the fork would touch, and so copy, all memory of the parent.
"""

import gc
import os

gc.set_threshold(100_000, 50, 100)
os.register_at_fork(before=gc.freeze)
