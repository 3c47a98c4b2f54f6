# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name resolution as gRPC does it in the real server: addresses, and then a TXT record of every host name.

The TXT query is the trap of section 1 of the contract: under a nameserver that does not answer, no host name is ever
resolved in time, and a data node waits for ever for its own schema server. `GRPC_ENABLE_TXT_SERVICE_CONFIG=false`
leaves the query out. IP literals are never looked up. Nameservers, time-outs and search list are those of
/etc/resolv.conf, by the rules of Go's resolver.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct

RESOLV_CONF = "/etc/resolv.conf"
_TXT = 16
_NXDOMAIN = 3


def split_address(address):
    """(host, port) of `host:port`; brackets of IPv6 are taken off. An empty host means this machine. Raises ValueError."""
    if address.startswith("dns:///"):
        address = address[len("dns:///") :]
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]") or "localhost", int(port)


def is_literal(host):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return True
        except OSError:
            pass
    return False


async def resolve(host, port):
    """Socket addresses of a host as getaddrinfo gives them. Raises OSError when the name does not resolve."""
    if is_literal(host):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [(family, (host, port))]
    loop = asyncio.get_running_loop()
    # As bytes: a text would load the codec for international names first, which takes longer than the rest of the start.
    found = await loop.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    if os.environ.get("GRPC_ENABLE_TXT_SERVICE_CONFIG", "").lower() != "false":
        await lookup_txt("_grpc_config." + host)
    return [(family, address[:2]) for family, _, _, _, address in found]


def _configuration():
    servers, search, options = [], [], {"ndots": 1, "timeout": 5, "attempts": 2}
    try:
        with open(RESOLV_CONF, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    for line in lines:
        words = line.split()
        if len(words) < 2 or line[0] in "#;":
            continue
        if words[0] == "nameserver" and len(servers) < 3:
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = words[1:] if words[0] == "search" else words[1:2]
        elif words[0] == "options":
            for option in words[1:]:
                name, _, number = option.partition(":")
                if name in options and number.isdigit():
                    options[name] = max(1, int(number)) if name != "ndots" else min(15, int(number))
    return servers or ["127.0.0.1", "::1"], search, options


async def lookup_txt(name):
    """Ask for a TXT record and wait as long as the real server would. The answer does not matter, the waiting does."""
    servers, search, options = _configuration()
    if name.endswith("."):
        candidates = [name]
    else:
        candidates = [f"{name}.{suffix.strip('.')}." for suffix in search if suffix.strip(".")]
        candidates.insert(0 if name.count(".") >= options["ndots"] else len(candidates), name + ".")
    for candidate in candidates:
        if await _ask_all(candidate, servers, options):
            return


async def _ask_all(name, servers, options):
    for _ in range(options["attempts"]):
        for server in servers:
            code = await _ask(name, server, options["timeout"])
            if code == 0:
                return True
            if code == _NXDOMAIN:
                return False
    return False


class _Query(asyncio.DatagramProtocol):
    def __init__(self, identity):
        self.identity = identity
        self.code = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        if len(data) >= 12 and struct.unpack_from(">H", data)[0] == self.identity and not self.code.done():
            self.code.set_result(data[3] & 15)

    def error_received(self, exc):
        if not self.code.done():
            self.code.set_result(None)


async def _ask(name, server, timeout):
    """The response code of one query, or None when there was no answer."""
    identity = random.randrange(1 << 16)
    labels = b"".join(bytes([len(label)]) + label for label in name.rstrip(".").encode().split(b".") if label)
    packet = struct.pack(">6H", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", _TXT, 1)
    loop = asyncio.get_running_loop()
    try:
        transport, query = await loop.create_datagram_endpoint(lambda: _Query(identity), remote_addr=(server, 53))
    except OSError:
        return None
    try:
        transport.sendto(packet)
        return await asyncio.wait_for(query.code, timeout)
    except asyncio.TimeoutError:
        return None
    finally:
        transport.close()
