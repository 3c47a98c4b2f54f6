# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of a push as the module ``topology`` returns it. Standard library only, Python 3.9+."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import Outcome


def result_of(outcome: Outcome, changed: bool) -> dict[str, Any]:
    """Return the module's result. A value that the push does not have is left out, such as ``view`` of a server that was not asked."""
    plan = outcome.plan
    result: dict[str, Any] = dict(
        changed=changed,
        added=list(plan.added),
        removed=list(plan.removed),
        readdressed=[move._asdict() for move in plan.readdressed],
        renamed=[move._asdict() for move in plan.renamed],
        refreshed=list(plan.refreshed),
        held_back=list(plan.held_back),
        away=list(plan.away),
        unready=dict(outcome.unready),
        writes=outcome.writes,
        proved=outcome.proved,
        verdict=outcome.verdict,
        pairs=[pair.to_mapping() for pair in outcome.pairs],
    )
    if outcome.after:
        result["sha256"] = hashlib.sha256(outcome.after.encode()).hexdigest()
    if outcome.reload_seconds is not None:
        result["reload_seconds"] = outcome.reload_seconds
    if outcome.view is not None:
        result["view"] = outcome.view.to_mapping()
    if outcome.backup_file:
        result["backup_file"] = outcome.backup_file
    return result


def difference_of(outcome: Outcome, path: str) -> dict[str, str]:
    """Return the file at ``path`` before and after the push, as Ansible shows a difference."""
    return {"before_header": path, "after_header": path, "before": outcome.before, "after": outcome.after}
