# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``listed``. The code is in model/."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, NAMES, listed

DOCUMENTATION = r"""
name: listed
short_description: "Internal: return names as a text for a message"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Returns the first names and the number of the other names.
positional: _input, most, room
options:
  _input:
    description: The names.
    type: list
    elements: str
    required: true
  most:
    description: Number of names in the text.
    type: int
    default: 5
  room:
    description: Number of characters for the text. A text that would be longer has fewer names, but at least one.
    type: int
    default: 200
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Show the first three hosts
  ansible.builtin.debug:
    msg: "{{ groups.all | skywalking.banyandb.listed(3) }}"
"""

RETURN = r"""
_value:
  description: The text, such as C(a, b, c and 12 more).
  type: str
"""


def listed_names(names: list[str], most: int = NAMES, room: int = MOST) -> str:
    return listed(list(names), most, room)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"listed": listed_names}
