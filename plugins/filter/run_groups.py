# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``run_groups``. The code is in model/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.play_groups import play_groups

DOCUMENTATION = r"""
name: run_groups
short_description: "Internal: return the groups that the playbooks make of the hosts of a run"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - A play for such a group replaces a task that most hosts skip.
positional: _input, clusters, pushes, changes_firewall
options:
  _input:
    description: Names of the hosts of the play.
    type: list
    elements: str
    required: true
  clusters:
    description: Result of the filter P(skywalking.banyandb.clusters#filter).
    type: dict
    required: true
  pushes:
    description: Whether the run pushes C(topology.yml) to every host.
    type: bool
    default: false
  changes_firewall:
    description: Whether the run changes the firewall of every host.
    type: bool
    default: false
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Add each host to its groups
  ansible.builtin.add_host:
    name: "{{ item.key }}"
    groups: "{{ item.value }}"
  loop: "{{ ansible_play_hosts | skywalking.banyandb.run_groups(__banyandb_clusters) | dict2items }}"
"""

RETURN = r"""
_value:
  description: Host name, then the names of its groups. A host without a group is not there.
  type: dict
"""


def run_groups(
    hosts: Sequence[str], clusters: Mapping[str, Any], pushes: bool = False, changes_firewall: bool = False
) -> dict[str, list[str]]:
    return play_groups(clusters, hosts, pushes, changes_firewall)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"run_groups": run_groups}
