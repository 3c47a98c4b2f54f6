# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build and read the result of an action plugin that refuses: the first problem is the message, the others are a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message


def refused(problems: Sequence[str]) -> dict[str, Any]:
    """Return the result of a task that refuses. Ansible prints a failed result completely, so the user sees each problem."""
    if len(problems) == 1:
        return {"failed": True, "msg": message(problems[0])}
    others = f"{len(problems) - 1} other problem{'' if len(problems) == 2 else 's'}"
    return {"failed": True, "msg": message(problems[0], f" ({others} in more_problems)"), "more_problems": list(map(message, problems[1:]))}


def problems_of(result: Mapping[str, Any]) -> list[str]:
    """Return all problems of a failed result. refused() puts the first one into the message."""
    others = list(result.get("more_problems") or ())
    return [re.sub(r" \(\d+ other problems? in more_problems\)\Z", "", result["msg"]) if others else result["msg"], *others]
