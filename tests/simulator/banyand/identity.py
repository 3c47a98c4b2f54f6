# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of this process: the Node in the answer of GetCurrentNode (contract, section 3)."""

from __future__ import annotations

import fcntl
import socket
import struct
import time

from . import messages

_SIOCGIFADDR = 0x8915


def node_host(flags):
    """Return the host part of the node name, by --node-host-provider."""
    provider = flags["node-host-provider"]
    if provider == "flag":
        return flags["node-host"]
    if provider == "hostname":
        return socket.gethostname()
    return _first_address() or "127.0.0.1"


def _first_address():
    """Return the IPv4 address of the first interface other than the loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:
                continue  # no IPv4 address
            address = socket.inet_ntoa(found[20:24])
            if not address.startswith("127."):
                return address
    return None


def join(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def labels(flags):
    """Return --node-labels as a mapping. Ignore items that are not key=value, as the real server does."""
    pairs = (label.split("=") for label in flags["node-labels"])
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def make_node(flags, roles, grpc_port, http_port=None, gossip_port=None, schema_port=None):
    """Return the Node of this process, created now."""
    host = node_host(flags)
    node = messages.Node(roles=roles, grpc_address=join(host, grpc_port), labels=labels(flags))
    node.metadata.name = node.grpc_address
    node.created_at.FromNanoseconds(time.time_ns())
    if http_port is not None:
        node.http_address = join(host, http_port)
    if gossip_port is not None:
        node.property_repair_gossip_grpc_address = join(host, gossip_port)
    if schema_port is not None:
        node.property_schema_grpc_address = join(host, schema_port)
    return node
