# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name resolution as gRPC does it in the real server: addresses, and then a TXT record of every host name.

The TXT query is the trap of section 1 of the contract: with a nameserver that is not responding, no host name resolves
in time, and a data node waits for ever for its own schema server. `GRPC_ENABLE_TXT_SERVICE_CONFIG=false` turns the query off.
IP literals need no query. /etc/hosts comes before the nameservers of /etc/resolv.conf.
"""

from __future__ import annotations

import contextlib
import os
import socket

from .dns_client import TXT, LookupFailed, is_literal, lookup, lookup_addresses

HOSTS = "/etc/hosts"


def split_address(address):
    """Return (host, port) of `host:port`, without the brackets of IPv6. An empty host means this machine. Raises ValueError."""
    if address.startswith("dns:///"):
        address = address[len("dns:///") :]
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]") or "localhost", int(port)


async def resolve(host):
    """Return the IP addresses of a host in the order of their use. Raises OSError when the name does not resolve."""
    if is_literal(host):
        return [host]
    found = _in_hosts_file(host) or await lookup_addresses(host)
    if os.environ.get("GRPC_ENABLE_TXT_SERVICE_CONFIG", "").lower() != "false":
        await _wait_for_txt("_grpc_config." + host)
    return sorted(found, key=_reluctance)


def _in_hosts_file(host):
    """Return the addresses of a name in /etc/hosts. A trailing dot does not matter for a name with other dots."""
    try:
        with open(HOSTS, encoding="utf-8", errors="replace") as file:
            lines = [line.partition("#")[0].split() for line in file]
    except OSError:
        return []
    wanted = _absolute(host)
    return [line[0] for line in lines if line and is_literal(line[0]) and wanted in map(_absolute, line[1:])]


def _absolute(name):
    name = name.lower()
    return name + "." if "." in name and not name.endswith(".") else name


def _reluctance(address):
    """Return the sort key of an address: addresses without a route last, IPv6 before IPv4 (RFC 6724)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # UDP: looks for a route, sends nothing
    except OSError:
        return 2
    return 0 if family == socket.AF_INET6 else 1


async def _wait_for_txt(name):
    """Ask for a TXT record and wait as long as the real server does. The answer does not matter."""
    with contextlib.suppress(LookupFailed):
        await lookup(name, TXT)
