# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``host_push``. The code is in model/."""

from __future__ import annotations

from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.expected_push import expected_push

DOCUMENTATION = r"""
name: host_push
short_description: "Internal: return the push that a host must not need"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
positional: _input, server, clusters
options:
  _input:
    description: Name of the host.
    type: str
    required: true
  server:
    description: The host in the result of the filter P(skywalking.banyandb.local_servers#filter).
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
- name: Look if a push has anything to do
  skywalking.banyandb.host_info:
    push: "{{ inventory_hostname | skywalking.banyandb.host_push(__banyandb_local_servers[inventory_hostname], __banyandb_clusters) or omit }}"
"""

RETURN = r"""
_value:
  description: Option C(push) of M(skywalking.banyandb.host_info), or V(null) if only a push itself can prove the view.
  type: dict
"""


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"host_push": expected_push}
