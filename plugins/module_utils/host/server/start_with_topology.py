# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of this host started with a topology file that lists the nodes that answer by then.

Standard library only, Python 3.9+. The file is decided before the server is stopped and written after: what is refused leaves it running.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import TopologyFileError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import push, running_process, service_start, systemd_services

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
    """Stop the server if it runs, write the file of a request to ``admit`` those that answer at a start, start it, and wait until it listens
    and watches the file: it listens before it does, and what is written between would be read at its next poll only (section 1 of the contract).

    Returns also the difference for the service, as Ansible shows it; in check mode nothing is done and there is no readiness.
    Raises TopologyError and TopologyFileError (nothing changed), service_start.NotReady (it does not listen, or was stopped and its file could not be
    written), PushFailed (its file may not outlast a power cut), and HostStateError.
    """
    if request.check:
        found = systemd_services.services([server.unit])[server.unit]
        return push.push(request), _difference(found), None
    found = service_start.known(server.unit)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = service_start.stop(server.unit)

    try:
        outcome = push.push(replace(request, before_writing=stop))
    except (TopologyFileError, push.PushFailed) as error:
        if not stopped:
            raise
        raise service_start.NotReady(f"{error}. {server.unit} is stopped: repair this, then run deploy") from error
    ready = service_start.come_up(server.unit, False, server.ports, server.timeout)
    deadline = time.monotonic() + WATCH_PATIENCE
    while not running_process.watches(ready.service.main_pid, request.path) and time.monotonic() < deadline:
        time.sleep(push.POLL_SECONDS)
    return outcome, _difference(found), ready


def _difference(found: systemd_services.Service) -> dict[str, str]:
    _changed, difference = service_start.foreseen(found, restart=found.main_pid != 0)
    return difference
