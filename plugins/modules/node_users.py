# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin node_users.

from __future__ import annotations

DOCUMENTATION = r"""
module: node_users
short_description: "Internal: give a server its users"
version_added: 0.9.0
description:
  - Internal to the roles of this collection.
  - Makes the file with the users on the controller, and sends the file to the host with M(skywalking.banyandb.users_file).
extends_documentation_fragment:
  - skywalking.banyandb.host_variables
options:
  service:
    description: Unit of the server.
    type: str
    required: true
  state:
    description: With V(absent) the host gets no file, and its file is removed.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Predicts the change.
  diff_mode:
    support: none
    description: A difference would show passwords.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Give the server its users
  skywalking.banyandb.node_users:
    variables: __banyandb_variables
    service: banyandb-liaison.service
  become: true
"""

RETURN = r"""
proved:
  description: As RV(skywalking.banyandb.users_file#module:proved).
  type: bool
  returned: success
  sample: true
"""
