# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds where the running server of this host listens, and under which name the other nodes list it. Standard library only, Python 3.9+.

The inventory has the settings of the next start. The process still listens with the settings of its own start.
"""

from __future__ import annotations

import os.path
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import LocalServer, node_name, server_of


class RunningServer(NamedTuple):
    """A running server. ``at``: where it listens. ``node_name``: the name that it reports; empty if its environment does not set the name.

    ``pid``: its process. ``tls_directory``: directory of the certificate that it loads; empty without TLS.
    """

    at: LocalServer
    node_name: str
    pid: int
    tls_directory: str


def server_of_process(pid: int) -> RunningServer | None:
    """Return the server of this process, or None if the process has ended. Raises HostStateError, and ValueError for a port that is no number."""
    environment = running_process.environment_of(pid)
    if not environment:
        return None
    kind = running_process.kind_of(pid)
    directory = os.path.dirname(environment.get("BYDB_CERT_FILE", ""))
    return RunningServer(server_of(kind, environment), node_name(kind, environment), pid, directory)


def running_server(service: str) -> RunningServer | None:
    """Return the server of a unit; None if the unit does not run, or if this account may not read the environment of its process.

    Raises HostStateError (``no_systemd``), and ValueError for a port that is no number.
    """
    pid = systemd_services.services([service])[service].main_pid
    try:
        return server_of_process(pid) if pid else None
    except HostStateError as error:
        if error.kind != "permission_denied":
            raise
        return None
