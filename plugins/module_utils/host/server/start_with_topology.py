# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of this host started with a topology file that lists the nodes that answer by then.

Standard library only, Python 3.9+. The file is decided before the server is stopped and written after: what is refused leaves it running.
A server that ran lists again, once it listens, what it listed when it was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import ownership_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import TopologyFileError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import push, running_process, service_start, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.restart_topology import after_start
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology

# For how long a server that listens is given to watch its file. A healthy one needs far less than a second. One whose discovery is off never does;
# what is asked next, its view, tells that better.
WATCH_PATIENCE = 10.0


@dataclass(frozen=True)
class Server:
    """The server to start: its systemd unit, where its own process has to listen, and within how many seconds."""

    unit: str
    ports: Sequence[int]
    timeout: float


def start(request: push.Request, server: Server) -> tuple[push.Outcome, dict[str, str], service_start.Readiness | None]:
    """Stop the server if it runs, write the file of a request to ``admit`` those that respond at a start, start it, and wait until it listens
    and watches the file: it listens before it does, and what is written between would be read at its next poll only (section 1 of the contract).
    A server that ran is then given all that it listed before, in a second write; one that does not come up leaves the file as it stood.

    Returns also the difference for the service, as Ansible shows it; in check mode nothing is done and there is no readiness.
    Raises TopologyError and TopologyFileError (nothing changed), service_start.NotReady (it does not listen, or was stopped and its file could not be
    written), PushFailed (its file may not outlast a power cut), and HostStateError.
    """
    if request.check:
        found = systemd_services.services([server.unit])[server.unit]
        standing = _standing(request) if found.main_pid else None
        outcome = push.push(request)
        if standing:
            outcome.after = after_start(standing[0], outcome.plan.final, request.silent).render()
        return outcome, _difference(found), None
    found = service_start.known(server.unit)
    stopped = False
    standing = None

    def stop() -> None:
        nonlocal stopped, standing
        standing = _standing(request) if found.main_pid else None
        stopped = service_start.stop(server.unit)

    try:
        outcome = push.push(replace(request, before_writing=stop))
    except (TopologyFileError, push.PushFailed) as error:
        if not stopped:
            raise
        raise service_start.NotReady(f"{error}. {server.unit} is stopped: repair this, then run deploy") from error
    try:
        ready = service_start.come_up(server.unit, False, server.ports, server.timeout)
    except service_start.NotReady:
        if standing:
            _write(request, standing[1])
        raise
    deadline = time.monotonic() + WATCH_PATIENCE
    while not running_process.watches(ready.service.main_pid, request.path) and time.monotonic() < deadline:
        time.sleep(push.POLL_SECONDS)
    if standing:
        whole = after_start(standing[0], outcome.plan.final, request.silent)
        outcome.after = whole.render()
        if whole != outcome.plan.final:
            _write(request, outcome.after)
    return outcome, _difference(found), ready


def _standing(request: push.Request) -> tuple[Topology, str] | None:
    """Return what the file lists now, and its text; None where the server has not read it."""
    return None if request.unread else topology_file.read(request.path)


def _write(request: push.Request, text: str) -> None:
    """Replace the file by ``text``. Raises service_start.NotReady, since the server was stopped for it."""
    try:
        with topology_file.locked(request.path, request.lock_timeout):
            topology_file.write(request.path, text, ownership_of(request.path))
    except TopologyFileError as error:
        raise service_start.NotReady(f"{error}. The server lists only the nodes that responded at its start: run topology") from error


def _difference(found: systemd_services.Service) -> dict[str, str]:
    _changed, difference = service_start.foreseen(found, restart=found.main_pid != 0)
    return difference
