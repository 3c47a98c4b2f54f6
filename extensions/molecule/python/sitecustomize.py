# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every Python of a scenario on the controller, at its start: its garbage is collected seldom, and never in what a fork inherited.

Ansible forks a process for each task and host, and a collection there touches, and so copies, all that it has of its parent.
"""

import gc
import os

gc.set_threshold(100_000, 50, 100)
os.register_at_fork(before=gc.freeze)
