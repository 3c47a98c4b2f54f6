# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin node_settings.

from __future__ import annotations

DOCUMENTATION = r"""
module: node_settings
short_description: "Internal: make and write the configuration files of a server"
version_added: 0.9.0
description:
  - Internal to the roles of this collection.
  - Makes the environment file and the unit on the controller, and writes them on the host with M(skywalking.banyandb.node_files).
extends_documentation_fragment:
  - skywalking.banyandb.host_variables
attributes:
  check_mode:
    support: full
    description: Predicts the changes.
  diff_mode:
    support: full
    description: Shows all differences, except the text of the environment file.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Write the configuration of the server
  skywalking.banyandb.node_settings:
    variables: __banyandb_variables
  become: true
"""

RETURN = r"""
paths:
  description: As RV(skywalking.banyandb.node_files#module:paths).
  type: list
  elements: str
  returned: success
  sample: [/etc/banyandb/data.env]
"""
