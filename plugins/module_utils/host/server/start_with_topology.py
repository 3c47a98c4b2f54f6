# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a server of this host with a topology file that lists only the nodes that respond.

Standard library only, Python 3.9+. The push decides before it stops the server, so a refused push leaves the server running. It writes the file after
the stop. After the restart of a server, a second write adds the entries that the file had at the stop.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import ownership_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import TopologyFileError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, service_start, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push import push
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import Outcome, PushFailed, Request
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_writes import POLL_SECONDS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.restart_topology import after_start
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology

# Seconds to wait until a server that listens also watches its file. A healthy server needs far less than 1 s. A server without discovery never
# watches the file; then the check of its view fails with a better message.
WATCH_PATIENCE = 10.0


@dataclass(frozen=True)
class Server:
    """The server to start. ``ports``: ports on which its main process must listen. ``timeout``: seconds to wait for the ports."""

    unit: str
    ports: Sequence[int]
    timeout: float


def start(request: Request, server: Server) -> tuple[Outcome, dict[str, str], service_start.Readiness | None]:
    """Stop the server if it runs, write its file, start it, and wait until it listens and watches the file.

    ``request``: a push with ``admit`` of ADMIT_START. A server listens before it watches its file, and would read a write between only at its next
    poll (section 1 of the contract). For a server that ran before, a second write adds its former entries. If the start fails, the push restores the
    former file.

    Return the outcome, the difference of the service in Ansible's diff format, and the readiness. Check mode changes nothing and has no readiness.
    Raises TopologyError and TopologyFileError; nothing has changed then. Raises service_start.NotReady if the server does not listen, or is stopped
    without its file. Raises PushFailed if the file may not outlast a power cut. Raises HostStateError.
    """
    if request.check:
        found = systemd_services.services([server.unit])[server.unit]
        standing = _standing(request) if found.main_pid else None
        outcome = push(request)
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
        outcome = push(request._replace(before_writing=stop))
    except (TopologyFileError, PushFailed) as error:
        if not stopped:
            raise
        problem = error.problem if isinstance(error, TopologyFileError) else str(error).rstrip(".")
        raise service_start.NotReady(f"{problem}. {server.unit} is stopped: repair this, then run deploy") from error
    try:
        ready = service_start.come_up(server.unit, False, server.ports, server.timeout)
    except service_start.NotReady:
        if standing:
            _write(request, standing[1])
        raise
    deadline = time.monotonic() + WATCH_PATIENCE
    while not running_process.watches(ready.service.main_pid, request.path) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if standing:
        whole = after_start(standing[0], outcome.plan.final, request.silent)
        outcome.after = whole.render()
        if whole != outcome.plan.final:
            _write(request, outcome.after)
    return outcome, _difference(found), ready


def _standing(request: Request) -> tuple[Topology, str] | None:
    """Return the topology and the text of the file, or None if the server has not read the file."""
    return None if request.unread else topology_file.read(request.path)


def _write(request: Request, text: str) -> None:
    """Replace the file by ``text``. Raises service_start.NotReady, because the push has already stopped the server."""
    try:
        with topology_file.locked(request.path, request.lock_timeout):
            topology_file.write(request.path, text, ownership_of(request.path))
    except TopologyFileError as error:
        message = f"{error.problem}. The server lists only the nodes that responded at its start: run topology"
        raise service_start.NotReady(message) from error


def _difference(found: systemd_services.Service) -> dict[str, str]:
    _changed, difference = service_start.foreseen(found, restart=found.main_pid != 0)
    return difference
