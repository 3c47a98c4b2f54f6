# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of filters that read the whole inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message


def require_inventory(name: str, hostvars: Any, groups: Any) -> None:
    """Raise AnsibleFilterError unless ``hostvars`` and ``groups`` are mappings. ``name``: name of the filter."""
    if not isinstance(hostvars, Mapping) or not isinstance(groups, Mapping):
        raise AnsibleFilterError(message(f"skywalking.banyandb.{name}: expected hostvars | skywalking.banyandb.{name}(groups)"))
