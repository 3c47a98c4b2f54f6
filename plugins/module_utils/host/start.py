# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of this host started with a topology file that lists the nodes that answer by then.

Standard library only, Python 3.9+. The file is decided before the server is stopped and written after: what is refused leaves it running.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ansible_collections.skywalking.banyandb.plugins.module_utils.host import push, service
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.topology_file import TopologyFileError


@dataclass(frozen=True)
class Server:
    """The server to start: its systemd unit, where its own process has to listen, and within how many seconds."""

    unit: str
    ports: Sequence[int]
    timeout: float


def start(request: push.Request, server: Server) -> tuple[push.Outcome, dict[str, str], service.Readiness | None]:
    """Stop the server if it runs, write the file of a request to ``admit`` those that answer at a start, start it, and wait until it listens.

    Returns also the difference for the service, as Ansible shows it; in check mode nothing is done and there is no readiness.
    Raises TopologyError and TopologyFileError (nothing changed), service.NotReady (it does not listen, or was stopped and its file could not be
    written), PushFailed (its file may not outlast a power cut), and HostStateError.
    """
    if request.check:
        found = service.services([server.unit])[server.unit]
        return push.push(request), _difference(found), None
    found = service.known(server.unit)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = service.stop(server.unit)

    try:
        outcome = push.push(replace(request, before_writing=stop))
    except (TopologyFileError, push.PushFailed) as error:
        if not stopped:
            raise
        raise service.NotReady(
            f"{error}. {server.unit} was stopped to be given this file, and is not started: mend that, then run this again"
        ) from error
    return outcome, _difference(found), service.come_up(server.unit, False, server.ports, server.timeout)


def _difference(found: service.Service) -> dict[str, str]:
    _changed, difference = service.foreseen(found, restart=found.main_pid != 0)
    return difference
