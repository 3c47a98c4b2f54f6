# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knot DNS (Debian's package) with the zones of a test. Signed dynamic updates change the zones, as in production."""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from tests.lab.tools import install_missing

KEY = "tests"
SECRET = base64.b64encode(b"a secret of the tests, of 32 byte").decode()

CONFIGURATION = """\
server:
    rundir: "{directory}"
    user: root
    listen: {address}@{port}
database:
    storage: "{directory}"
key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: tests
    key: {key}
    action: [update, transfer]
template:
  - id: default
    storage: "{directory}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    acl: tests
zone:
"""

HEAD = """\
$TTL {ttl}
@ SOA ns.{zone} hostmaster.{zone} 1 3600 600 86400 {ttl}
@ NS ns
ns A {address}
"""


class Knot:
    """A running knotd. ``zones``: zone name with the trailing dot -> its records in master file form, without SOA and NS."""

    def __init__(self, directory: Path, zones: dict[str, str], address: str = "127.0.0.1", port: int = 0, ttl: int = 30) -> None:
        install_missing({"knotd": "knot"})
        self.directory = directory
        self.address = address
        self.port = port or free_port(address)
        directory.mkdir(parents=True, exist_ok=True)
        configuration = CONFIGURATION.format(directory=directory, address=address, port=self.port, key=KEY, secret=SECRET)
        for zone, records in zones.items():
            file = directory / f"{zone}zone"
            file.write_text(HEAD.format(zone=zone, ttl=ttl, address=address) + records, encoding="utf-8")
            configuration += f"  - domain: {zone}\n    file: {file}\n"
        (directory / "knot.conf").write_text(configuration, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._zones = sorted(zones)

    def __enter__(self) -> Knot:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start knotd and wait until it serves every zone."""
        command = shutil.which("knotd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "knotd"
        with (self.directory / "knotd.log").open("ab") as log:
            self._process = subprocess.Popen([command, "-c", str(self.directory / "knot.conf")], stdout=log, stderr=log)
        for zone in self._zones:
            self._await(zone)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def update(self, zone: str, *changes: tuple[str, ...]) -> None:
        """Send one dynamic update; see update()."""
        update((self.address, self.port), zone, *changes)

    def _await(self, zone: str) -> None:
        question = dns.message.make_query(zone, "SOA")
        while True:
            assert self._process is not None and self._process.poll() is None, (self.directory / "knotd.log").read_text(encoding="utf-8")
            with contextlib.suppress(dns.exception.DNSException, OSError):
                if dns.query.udp(question, self.address, port=self.port, timeout=0.2).answer:
                    return


def update(server: tuple[str, int], zone: str, *changes: tuple[str, ...]) -> None:
    """Send one signed dynamic update (RFC 2136) with all ``changes`` to a Knot of these tests.

    A change is ``("add", name, "300", "SRV", "0 0 17912 node1")``, ``("delete", name)``, ``("delete", name, "SRV")`` or
    ``("delete", name, "SRV", data)``. Names are relative to the zone.
    """
    message = dns.update.UpdateMessage(zone, keyring=dns.tsigkeyring.from_text({KEY: SECRET}), keyalgorithm=dns.tsig.HMAC_SHA256)
    for action, *rest in changes:
        if action == "add":
            name, ttl, kind, data = rest
            message.add(name, int(ttl), kind, data)
        else:
            message.delete(*rest)
    answer = dns.query.tcp(message, server[0], port=server[1], timeout=10)
    assert answer.rcode() == dns.rcode.NOERROR, f"update of {zone}: {dns.rcode.to_text(answer.rcode())}"


def free_port(address: str) -> int:
    """Return a port that is free for both UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            udp.bind((address, 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind((address, port))
            except OSError:
                continue
            return port
