# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``wave_summary``. The code is in model/."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.failed_wave import wave_summary

DOCUMENTATION = r"""
name: wave_summary
short_description: "Internal: return the last message of a run whose wave failed"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
positional: _input, wave, rolled_back, left, predicted
options:
  _input:
    description: Result of M(skywalking.banyandb.rollout_gate) with a closed gate.
    type: dict
    required: true
  wave:
    description: The wave from the result of M(skywalking.banyandb.rollout_plan).
    type: dict
    required: true
  rolled_back:
    description: Whether the cluster is healthy after the rollback. Leave out this option if the wave did not start.
    type: bool
  left:
    description: Hosts whose waves did not start.
    type: list
    elements: str
    default: []
  predicted:
    description: Whether the wave failed in check mode, without a gate and a rollback.
    type: bool
    default: false
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Stop
  ansible.builtin.fail:
    msg: "{{ __banyandb_gate_result | skywalking.banyandb.wave_summary(__banyandb_wave) }}"
  when: not __banyandb_gate_result.open
"""

RETURN = r"""
_value:
  description: The message in one line of at most 200 characters.
  type: str
"""


def summary(
    gate: Mapping[str, Any], wave: Mapping[str, Any], rolled_back: bool | None = None, left: Sequence[str] = (), predicted: bool = False
) -> str:
    return wave_summary(wave, gate["reasons"], gate["failures"], rolled_back, left, predicted)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"wave_summary": summary}
