# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``deployment_steps``: thin over model/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.deployment import steps

DOCUMENTATION = r"""
name: deployment_steps
short_description: Which step of a deployment each host takes part in
version_added: 0.9.0
description:
  - Internal to the playbook C(skywalking.banyandb.deploy).
positional: _input, hostvars, clusters
options:
  _input:
    description: Names of the hosts that were looked at; those that were refused (C(__banyandb_refusal)) take part in nothing.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars), where each host has registered C(__banyandb_host).
    type: dict
    required: true
  clusters:
    description: What P(skywalking.banyandb.clusters#filter) gave.
    type: dict
    required: true
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Sort the hosts by what they need
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


def deployment_steps(hosts: Sequence[str], hostvars: Mapping[str, Any], clusters: Mapping[str, Any]) -> dict[str, list[str]]:
    try:
        found = {host: hostvars[host]["__banyandb_host"] for host in hosts if "__banyandb_refusal" not in hostvars[host]}
        return steps(clusters, found)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"skywalking.banyandb.deployment_steps: a host was not looked at ({error!r})") from error


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"deployment_steps": deployment_steps}
