# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes a topology to this host: plans, writes, waits for the server's reload, and proves the server's cluster view.

Standard library only, Python 3.9+.
"""

from __future__ import annotations

import os

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import (
    Outcome,
    PushFailed,
    Request,
    decide,
    foresee,
    kept_ownership,
    require_ca_files,
    require_own_tls,
    shows_it_already,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, listed
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT_ANSWERING
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError

# Characters for the names of the nodes that a message refuses. A reason has 150 characters at most.
NAMES_LENGTH = 48


def push(request: Request) -> Outcome:
    """Carry out a push.

    Raises TopologyFileError and TopologyError if nothing has changed. Raises PushFailed if the view is not right in time, or if a write failed; the
    outcome of PushFailed describes the file.
    """
    if not request.check:  # in check mode, an earlier task may only have predicted the restart with the other value
        require_own_tls(request)
    require_ca_files(request.nodes, request.check)
    outcome = Outcome()
    if request.check and not os.path.lexists(os.path.dirname(request.path)):
        # A deployment makes the directory before it starts a server.
        if request.admit == ADMIT_ANSWERING:
            outcome.warnings.append(f"{os.path.dirname(request.path)}: not there yet. The role skywalking.banyandb.node makes the directory.")
        return foresee(request, outcome)
    with topology_file.locked(request.path, request.lock_timeout):
        if request.check:
            return foresee(request, outcome)
        topology_file.remove_leftovers(request.path)
        steps, found = decide(request, outcome)
        if request.before_writing:
            request.before_writing()
        ownership = request.ownership if found.topology is None else kept_ownership(request)
        if not steps and outcome.changed:
            topology_file.own(request.path, ownership)
        if steps or (request.proof and not shows_it_already(request, request.proof, found, outcome)):
            # Imported for a push with something to do. Every host compiles and imports a module at each execution.
            from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_writes import carry_out

            if steps and request.backup and outcome.before:
                outcome.backup_file = topology_file.back_up(request.path)
            carry_out(request, steps, found, ownership, outcome)
    if outcome.unready:
        message = f"{cut(listed([*outcome.unready], 1), NAMES_LENGTH)}: {next(iter(outcome.unready.values()))}"
        if not request.hold_back_unready:
            raise PushFailed(message, outcome)
        outcome.warnings.append(message)
    return outcome


def proved_already(request: Request) -> Outcome | None:
    """Return the outcome of a push when the file and the view are already right; None when the host needs a push. Changes nothing.

    ``request``: in check mode, with a proof. The result is None also when a push would refuse the request. That push reports the reason.
    """
    outcome = Outcome()
    try:
        require_own_tls(request)
        require_ca_files(request.nodes, request.check)
        if topology_file.leftovers(request.path):
            return None
        _steps, found = decide(request, outcome)
    except (TopologyError, topology_file.TopologyFileError, OSError):
        return None
    if outcome.changed or request.proof is None or not shows_it_already(request, request.proof, found, outcome):
        return None
    return outcome
