# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers of the contract suite: ``banyand-server`` processes on the hosts of ``network``, and their topology files."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

from . import asking
from .network import Host
from .waiting import until

GRPC, INTERNAL, HTTP, SCHEMA, GOSSIP, METRICS = 17912, 18912, 17913, 17916, 17932, 2121

ENTRY_PORT = {"data": GRPC, "liaison": INTERNAL}
"""The port in a node's entry and in its node name."""

ROOTS = ("measure", "stream", "trace", "property", "schema-server")
COUNT = re.compile(r"^banyandb_metadata_(?:file|dns)_discovery_(\w+) (\S+)$", re.MULTILINE)


def listing(entries: dict[str, str]) -> str:
    """Return a topology file: entry name -> address, one node a line, in this order."""
    lines = [f"- {json.dumps({'name': name, 'grpc_address': address})}\n" for name, address in entries.items()]
    return "nodes:\n" + "".join(lines) if entries else "nodes: []\n"


class Server:
    """One server of a ``kind`` (data, liaison, standalone) on ``host``. Its files are under ``folder``.

    ``name`` is its node name, ``entry`` its line in a topology: {entry name: address}.
    ``settings`` are flags without their dashes, as environment: {"node-labels": "type=hot"}.
    """

    def __init__(self, binary: str, kind: str, host: Host, folder: pathlib.Path, settings: dict[str, str]) -> None:
        self.binary, self.kind, self.host, self.folder, self.settings = binary, kind, host, folder, settings
        self.name = f"{host.name}:{ENTRY_PORT.get(kind, GRPC)}"
        self.entry = {host.name: self.name}
        self.topology = folder / "topology.yml"
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.host.name}, log {self.log}>"

    # The process

    def start(self, *flags: str, without: tuple[str, ...] = (), **environment: str) -> None:
        """Start the process without waiting. ``environment`` overrides other values; names in ``without`` are left out."""
        settings = {
            "node-host-provider": "flag",
            "node-host": self.host.name,
            "node-discovery-mode": "file",
            "node-discovery-file-path": str(self.topology),
            **{f"{root}-root-path": str(self.folder / "store") for root in ROOTS},
            **self.settings,
        }
        variables = {f"BYDB_{flag.upper().replace('-', '_')}": value for flag, value in settings.items()}
        # Nothing from the environment of the tests: servers would use its proxies.
        variables |= {"PATH": os.environ["PATH"], "GRPC_ENABLE_TXT_SERVICE_CONFIG": "false", **environment}
        variables = {name: value for name, value in variables.items() if name not in without}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.host.command(self.binary, self.kind, *flags),
                env=variables,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self} was never started")
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exited(self, within: float) -> float:
        """Wait until the process has ended and return the seconds. Raises NotInTime."""
        return until(lambda: not self.running, within, f"{self} exits")

    def kill(self) -> None:
        """Kill the process at once, like a crash."""
        if self.running:
            self.process.kill()
            self.process.wait()

    def stop(self) -> float:
        """Send SIGTERM, wait, and return the seconds."""
        self.signal(signal.SIGTERM)
        return self.exited(within=20)

    # Its topology file

    def rename(self, text: str) -> None:
        """Replace the topology by a new file, as the collection does."""
        new = self.topology.with_suffix(".new")
        new.write_text(text)
        new.replace(self.topology)

    def in_place(self, text: str) -> None:
        """Overwrite the topology with one write, which the server sees as one change. Blanks cover the rest of the old text."""
        with self.topology.open("r+b", buffering=0) as file:
            if text:
                file.write(text.encode().ljust(self.topology.stat().st_size, b"\n"))
            else:
                file.truncate()

    @property
    def watches(self) -> bool:
        """Return whether the server's inotify watch is on the present topology file (proc(5), fdinfo). The server sets the watch after it has
        loaded its first file, and after its first answers. Only the poll sees a rename before that. Raises OSError when the answer is unknown.
        """
        return self.watches_of(self.topology) > 0

    def watches_of(self, path: pathlib.Path) -> int:
        """Return how many inotify watches of the server are on the present file of ``path`` (proc(5), fdinfo)."""
        mark, found = f"ino:{path.stat().st_ino:x} ", 0
        for descriptor in pathlib.Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):  # the file descriptor was closed
                found += sum(line.startswith("inotify ") and mark in line for line in descriptor.read_text().splitlines())
        return found

    # Its answers

    def listens(self, port: int) -> bool:
        """Return whether a process accepts connections there."""
        try:
            socket.create_connection((self.host.address, port), timeout=1).close()
        except OSError:
            return False
        return True

    def tables(self) -> dict[str, asking.Table]:
        """Return the server's view. Raises OSError while the server does not serve."""
        return asking.tables(asking.state(self.host.address))

    def sees(self, table: str = "") -> set[str]:
        """Return the names registered in a table, or in all tables without a table name."""
        return {name for key, rows in self.tables().items() if table in ("", key) for name in rows.registered}

    def counts(self) -> dict[str, float]:
        """Return the counts of discovery (``file_load_count``, ``dns_query_count`` ...) without their common prefix."""
        text = asking.page(self.host.address, METRICS, "/metrics")
        return {name: float(value) for name, value in COUNT.findall(text)}

    @property
    def loads(self) -> float:
        """Return how often the server has processed its file, with rejected files and the first load."""
        return self.counts()["file_load_count"]
