# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute where a server listens, for clients on the same host, and under which name the other nodes list it. Pure.

Only this module decides the address of a local server. No playbook, role or other module contains one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.given_environment import given_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.named_files import GOSSIP_CERTIFICATE, GOSSIP_TLS, is_on
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import USERS_VARIABLE, WITH_USERS
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.tls_settings import security_environment
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import GRPC_PORT, HTTP_PORT, LIAISON_PORT
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.server_question import GRPC, HTTP, Question

METRICS_PORT = 2121
PPROF_PORT = 6060
LIAISON_HTTP_PORT = 18913
SCHEMA_PORT = 17916
GOSSIP_PORT = 17932
LOOPBACK = "127.0.0.1"
# For each of these hosts Go listens on every address of the machine.
WILDCARDS = ("", "0.0.0.0", "::", "[::]")


class LocalServer(NamedTuple):
    """The addresses of a server, as ``host:port`` with IPv6 hosts in brackets.

    ``internal_address``: where it serves the other nodes. ``question``: how a host asks it. ``tls_addresses``: where it speaks TLS, and loads a new
    certificate without a restart. ``tls_at_start``: address -> certificate file, where it loads the file only at its start.
    ``logins``: how a host asks each port where the server asks for a user.
    """

    url: str
    http_address: str
    grpc_address: str
    internal_address: str
    metrics_url: str
    client_ports: tuple[int, int]
    question: Question
    tls_addresses: tuple[str, ...] = ()
    tls_at_start: Mapping[str, str] = MappingProxyType({})
    logins: tuple[Question, ...] = ()


def local_server(role: str, variables: Mapping[str, Any]) -> LocalServer:
    """Return where the server of a host listens with the settings of the inventory. A running server may still have other settings.

    ``role``: kind of the node. ``variables``: public variables; a missing variable means its default.
    Raises GivenEnvironmentError, and ValueError for a port that is no number.
    """
    return server_of(role, listening_environment(role, variables))


def listening_environment(role: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a server's environment that decides where the server listens, and how it speaks there.

    Arguments and errors as of local_server().
    """
    return {
        "BYDB_GRPC_PORT": variables.get("banyandb_grpc_port"),
        "BYDB_HTTP_PORT": variables.get("banyandb_http_port"),
        "BYDB_OBSERVABILITY_LISTENER_ADDR": f":{_port(variables.get('banyandb_metrics_port'), METRICS_PORT)}",
        # Profiles show the memory of the server, so only the host itself may read them.
        "BYDB_PPROF_LISTENER_ADDR": f"{LOOPBACK}:{_port(variables.get('banyandb_pprof_port'), PPROF_PORT)}",
        "BYDB_NODE_HOST": variables.get("banyandb_node_host"),
        **security_environment(role, variables),
        **given_environment(variables),
    }


def server_of(role: str, environment: Mapping[str, Any]) -> LocalServer:
    """Return where a server with this environment listens.

    A data node has one host for gRPC and HTTP (``grpc-host``, read in the server's banyand/queue/sub/server.go). A liaison and a standalone server
    have one host for each.

    ``role``: kind of the node. A missing variable means the default of the server (section 5 of the contract).
    Raises ValueError for a port that is no number.
    """
    grpc_host = reachable(environment.get("BYDB_GRPC_HOST"))
    http_host = grpc_host if role == DATA else reachable(environment.get("BYDB_HTTP_HOST"))
    grpc_port = _port(environment.get("BYDB_GRPC_PORT"), GRPC_PORT)
    http_port = _port(environment.get("BYDB_HTTP_PORT"), HTTP_PORT)
    internal_host, internal_port = grpc_host, grpc_port
    if role == LIAISON:
        internal_host = reachable(environment.get("BYDB_LIAISON_SERVER_GRPC_HOST"))
        internal_port = _port(environment.get("BYDB_LIAISON_SERVER_GRPC_PORT"), LIAISON_PORT)
    schema_host = reachable(environment.get("BYDB_SCHEMA_SERVER_GRPC_HOST"))
    schema_port = _port(environment.get("BYDB_SCHEMA_SERVER_GRPC_PORT"), SCHEMA_PORT)
    gossip_host = reachable(environment.get("BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_HOST"))
    gossip_port = _port(environment.get("BYDB_PROPERTY_REPAIR_GOSSIP_GRPC_PORT"), GOSSIP_PORT)
    has_meta = str(environment.get("BYDB_HAS_META_ROLE")).lower() != "false"
    metrics_host, _colon, metrics_port = str(environment.get("BYDB_OBSERVABILITY_LISTENER_ADDR") or f":{METRICS_PORT}").rpartition(":")
    # The certificate of an IPv6 host is compared with the address of the question.
    name = str(environment.get("BYDB_NODE_HOST") or "").rstrip(".")
    name = "" if ":" in name else name
    users = str(environment.get(USERS_VARIABLE) or "") if role in WITH_USERS else ""
    over_grpc = Question(GRPC, f"{grpc_host}:{grpc_port}", users_path=users)
    if is_on(environment, "BYDB_TLS"):
        ca = environment.get("BYDB_SCHEMA_PROPERTY_CLIENT_CA_CERT" if role == DATA else "BYDB_HTTP_GRPC_CERT_FILE")
        over_grpc = over_grpc._replace(ca_path=str(ca or ""), server_name=name)
    if role == DATA and is_on(environment, "BYDB_TLS"):
        question = over_grpc
    elif role != DATA and is_on(environment, "BYDB_HTTP_TLS"):
        question = Question(HTTP, f"{http_host}:{http_port}", str(environment.get("BYDB_HTTP_GRPC_CERT_FILE") or ""), name, users)
    else:
        question = Question(HTTP, f"{http_host}:{http_port}", users_path=users)
    return LocalServer(
        # Used only without a process that this account can read. Then there is no certificate to compare with.
        url=f"http://{http_host}:{http_port}",
        http_address=f"{http_host}:{http_port}",
        grpc_address=f"{grpc_host}:{grpc_port}",
        internal_address=f"{internal_host}:{internal_port}",
        metrics_url=f"http://{reachable(metrics_host)}:{metrics_port}",
        client_ports=(grpc_port, http_port),
        question=question,
        logins=(question, over_grpc) if users else (),
        tls_addresses=tuple(
            address
            for switch, address in (
                ("BYDB_TLS", f"{grpc_host}:{grpc_port}"),
                # A data node has no TLS on its HTTP port.
                ("BYDB_HTTP_TLS" if role != DATA else "", f"{http_host}:{http_port}"),
                ("BYDB_LIAISON_SERVER_TLS" if role == LIAISON else "", f"{internal_host}:{internal_port}"),
                ("BYDB_SCHEMA_SERVER_TLS" if role == DATA and has_meta else "", f"{schema_host}:{schema_port}"),
            )
            if switch and is_on(environment, switch)
        ),
        tls_at_start={f"{gossip_host}:{gossip_port}": str(environment.get(GOSSIP_CERTIFICATE) or "")}
        if role == DATA and is_on(environment, GOSSIP_TLS)
        else {},
    )


class Listener(NamedTuple):
    """An address on which a server listens.

    ``host``: empty for every address of the machine. ``host_variable``: variable with the host. ``port_variable``: variable of the roles with the
    port; empty for a port that must not change.
    """

    host: str
    port: int
    host_variable: str
    port_variable: str = ""


def listeners(role: str, environment: Mapping[str, str]) -> list[Listener]:
    """Return the addresses without which a server with this environment does not start. A value that is no port is left out.

    The server also starts without its ports for metrics and profiles (read in the server's banyand/observability).
    """
    http_host = "BYDB_GRPC_HOST" if role == DATA else "BYDB_HTTP_HOST"
    wanted = [
        ("BYDB_GRPC_HOST", "BYDB_GRPC_PORT", GRPC_PORT, "banyandb_grpc_port"),
        (http_host, "BYDB_HTTP_PORT", HTTP_PORT, "banyandb_http_port"),
    ]
    if role == LIAISON:
        wanted.append(("BYDB_LIAISON_SERVER_GRPC_HOST", "BYDB_LIAISON_SERVER_GRPC_PORT", LIAISON_PORT, ""))
        wanted.append(("BYDB_LIAISON_SERVER_GRPC_HOST", "BYDB_LIAISON_SERVER_HTTP_PORT", LIAISON_HTTP_PORT, ""))
    if role == DATA and environment.get("BYDB_HAS_META_ROLE") != "false":
        wanted.append(("BYDB_SCHEMA_SERVER_GRPC_HOST", "BYDB_SCHEMA_SERVER_GRPC_PORT", SCHEMA_PORT, ""))
    return [
        Listener("" if host in WILDCARDS else host.strip("[]"), int(port), host_variable, port_variable)
        for host_variable, variable, default, port_variable in wanted
        for host, port in [(environment.get(host_variable, "").strip(), environment.get(variable) or str(default))]
        if port.isascii() and port.isdigit() and int(port) < 65536
    ]


def node_name(role: str, environment: Mapping[str, str]) -> str:
    """Return the name that a server with this environment reports, ``<node host>:<port>`` (section 3 of the contract).

    The result is empty for a server without BYDB_NODE_HOST, because only the server knows the name of its machine. The roles set BYDB_NODE_HOST.
    """
    host = environment.get("BYDB_NODE_HOST", "")
    if not host or environment.get("BYDB_NODE_HOST_PROVIDER") != "flag":
        return ""
    if role == LIAISON:
        return f"{_bracketed(host)}:{_port(environment.get('BYDB_LIAISON_SERVER_GRPC_PORT'), LIAISON_PORT)}"
    return f"{_bracketed(host)}:{_port(environment.get('BYDB_GRPC_PORT'), GRPC_PORT)}"


def reachable(host: Any) -> str:
    """Return the host that reaches a listener on ``host`` from the same machine, IPv6 in brackets."""
    text = str(host or "").strip()
    return LOOPBACK if text in WILDCARDS else _bracketed(text)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _port(value: Any, default: int) -> int:
    return default if value in (None, "") else int(value)
