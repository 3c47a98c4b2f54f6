# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Documentation of the action plugin of the same name; on the host it runs the module host_info.

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Compare a host with what the roles install and node want of it
version_added: 0.9.0
description:
  - Internal to the roles of this collection. Refuses variables that no host could fulfil, and runs M(skywalking.banyandb.host_info) with the rest.
options:
  variables:
    description: The variables of the roles C(install) and C(node), with their names.
    type: dict
    required: true
  versions_dir:
    description: Directory of the installed versions.
    type: path
  refuse:
    description: Fail for what the host's state forbids. A node that is removed needs no fit host.
    type: bool
    default: true
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
- name: Compare the host with what it should be
  skywalking.banyandb.probe:
    variables: "{{ __banyandb_variables }}"
  register: __banyandb_host
"""

RETURN = r"""
more_problems:
  description: All problems but the first, which is the message.
  returned: when there are several problems
  type: list
  elements: str
install_needed:
  description: Whether the role C(install) has anything to do.
  type: bool
  returned: success
  sample: false
node_needed:
  description: Whether the role C(node) has anything to do.
  type: bool
  returned: success
  sample: false
"""
