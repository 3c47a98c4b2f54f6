# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``host_setup``. The code is in controller/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller import setup_variables

DOCUMENTATION = r"""
name: host_setup
short_description: "Internal: return the expected state of a host from the variables of the roles install and node"
version_added: 0.9.0
description:
  - Internal to the roles of this collection.
positional: _input
options:
  _input:
    description: Name, then value, of the variables of the roles C(install) and C(node).
    type: dict
    required: true
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Show the unit of a host
  ansible.builtin.debug:
    msg: "{{ (__banyandb_variables | skywalking.banyandb.host_setup).unit }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems) has the problems of the variables. Each is a sentence with the remedy. The other keys are only there without problems.
    - C(release), C(node) and C(storage) are options of M(skywalking.banyandb.host_info). C(storage) may be V(null).
    - C(config_dir) is the directory of the host's configuration.
    - C(topology) is the path of the topology file whose entries the role needs, or V(null).
    - C(users_file) is an option of M(skywalking.banyandb.host_info), or V(null).
    - A host with a node also has C(environment), C(environment_text), C(unit), C(drop_in), C(ports), C(flush_seconds), C(paths), C(users_text)
      and C(made).
  type: dict
"""


def setup(variables: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError("skywalking.banyandb.host_setup: expected a mapping of the variables of the roles install and node")
    return setup_variables.setup(variables)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"host_setup": setup}
