# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``deployment_steps``. The code is in model/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import steps
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

DOCUMENTATION = r"""
name: deployment_steps
short_description: "Internal: return the deployment steps of each host"
version_added: 0.9.0
description:
  - Internal to the playbook C(skywalking.banyandb.deploy).
positional: _input, hostvars, clusters, certified
options:
  _input:
    description: Names of the hosts with a result of M(skywalking.banyandb.probe). Refused hosts (C(__banyandb_refusal)) have no step.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars). Each host has registered C(__banyandb_host).
    type: dict
    required: true
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Add each host to the groups of its steps
  ansible.builtin.add_host:
    name: "{{ item.key }}"
    groups: "{{ item.value }}"
  loop: "{{ ansible_play_hosts | skywalking.banyandb.deployment_steps(hostvars, __banyandb_clusters) | dict2items }}"
"""

RETURN = r"""
_value:
  description: Host name, then the names of its groups.
  type: dict
"""


def deployment_steps(
    hosts: Sequence[str], hostvars: Mapping[str, Any], clusters: Mapping[str, Any], certified: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> dict[str, list[str]]:
    try:
        found = {host: hostvars[host]["__banyandb_host"] for host in hosts if "__banyandb_refusal" not in hostvars[host]}
        return steps(clusters, found, certified)
    except (KeyError, TypeError) as error:
        what = f"skywalking.banyandb.deployment_steps: a host has no __banyandb_host ({error!r}). Run the probe first."
        raise AnsibleFilterError(message(what)) from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"deployment_steps": deployment_steps}
