# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option of actions that compute the setup of a host on the controller."""

    DOCUMENTATION = r"""
options:
  variables:
    description:
      - Name of a variable with the variables of the roles C(install) and C(node), name, then value.
      - A name, because Ansible shows the arguments of a task to callbacks, and these variables hold secrets.
    type: str
    required: true
"""
