# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``still_running``. The code is in model/."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.running_departures import problem

DOCUMENTATION = r"""
name: still_running
short_description: "Internal: return why nodes may not be dropped from the views yet"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - A node listed in C(banyandb_remove) may not be dropped while its server runs, or while its unit is enabled.
options:
  _input:
    description: Results of a loop over hosts with M(skywalking.banyandb.host_info).
    type: list
    elements: dict
    required: true
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Refuse
  ansible.builtin.fail:
    msg: "{{ __banyandb_listed_for_removal.results | skywalking.banyandb.still_running }}"
"""

RETURN = r"""
_value:
  description: The message. Empty if all nodes may be dropped.
  type: str
"""


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"still_running": problem}
