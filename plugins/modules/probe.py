# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin probe. The action plugin runs the module host_info on the host.

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: "Internal: compare a host with the variables of the roles install and node"
version_added: 0.9.0
description:
  - Internal to the roles of this collection. Checks the variables on the controller. Then runs M(skywalking.banyandb.host_info) with the state that
    the roles want.
extends_documentation_fragment:
  - skywalking.banyandb.host_variables
options:
  versions_dir:
    description: Directory of the installed versions.
    type: path
  refuse:
    description: Whether to fail if the host has problems. Use V(false) to remove a node from a host with problems.
    type: bool
    default: true
  push:
    description: Whether to also look if a push of C(topology.yml) has anything to do.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
seealso:
  - module: skywalking.banyandb.host_info
  - plugin: skywalking.banyandb.host_setup
    plugin_type: filter
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Compare the host with its expected state
  skywalking.banyandb.probe:
    variables: __banyandb_variables
  register: __banyandb_host
"""

RETURN = r"""
more_problems:
  description: All problems except the first. The message of the failure has the first problem.
  returned: failure with several problems
  type: list
  elements: str
install_needed:
  description: Whether the role C(install) must change the host.
  type: bool
  returned: success
  sample: false
push:
  description: As RV(skywalking.banyandb.host_info#module:push). Without the key, the host has no push, or the push depends on DNS.
  type: dict
  returned: success
node_needed:
  description: Whether the role C(node) must change the host.
  type: bool
  returned: success
  sample: false
"""
