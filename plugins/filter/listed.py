# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``listed``: thin over model/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed

DOCUMENTATION = r"""
name: listed
short_description: The first names of a list, and how many more there are
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
positional: _input, most
options:
  _input:
    description: Names.
    type: list
    elements: str
    required: true
  most:
    description: How many names to list before the rest is counted.
    type: int
    default: 5
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Say which hosts are not fit
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts | skywalking.banyandb.listed }}"
"""

RETURN = r"""
_value:
  description: Text such as V(node1, node2, node3, node4, node5 and 12 more).
  type: str
"""


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"listed": listed}
