# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the parameters of the module ``topology`` into the request of a push. Standard library only, Python 3.9+."""

from __future__ import annotations

import grp
import os.path
import pwd
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_client, local_http_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import Proof, Request
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import LocalServer
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, naming, shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT_START
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    LIAISON_PORT,
    Node,
    TopologyError,
    from_entries,
    split_address,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode

# Seconds for one look at the local server's view. A look takes 3 ms (section 3 of the contract).
LOOK_SECONDS = 5.0
# Seconds for the liaison to report the content of one group.
CONTENT_SECONDS = 20.0
# The server may refuse one connection. Before anything is written, one refusal is no reason to give up.
RETRIES = 2
# The values of the option unready.
FAIL = "fail"
HOLD_BACK = "hold_back"
# The shortest time that a parameter may set. A socket treats 0 as non-blocking mode.
SHORTEST_SECONDS = 0.001


def read_request(params: Mapping[str, Any], check: bool, at: LocalServer | None = None) -> Request:
    """Return the request that the module's parameters make. Raises TopologyError or ValueError that names the parameter.

    ``check``: in check mode. ``at``: where the running server listens, when the caller knows it; None looks at ``prove.service``.
    """
    path = params["path"]
    _require(os.path.isabs(path) and path.isprintable(), f"path {shown(path)}: expected an absolute path")
    nodes = from_entries(params["nodes"], "nodes")
    expected = [_expected_node(entry) for entry in params["nodes"]]
    node_names = [node.node_name for node in expected]
    twice = sorted({name for name in node_names if node_names.count(name) > 1})
    _require(not twice, f"nodes: node_name {listed(list(map(repr, twice)), 2)} is listed twice. Give each node its own name.")
    require_seconds(params, {"reach_timeout": SHORTEST_SECONDS, "lock_timeout": SHORTEST_SECONDS})
    _require(params["batch"] >= 1, f"batch {params['batch']}: expected 1 or more")
    starts = params["start"] or {}
    _require(not starts or params["admit"] == ADMIT_START, "start is for admit: start. Set admit: start, or leave out start.")
    if starts:
        require_seconds({"start.timeout": starts["timeout"]}, {"start.timeout": SHORTEST_SECONDS})
        unknown = sorted(set(starts["needs"]) - {node.name for node in nodes})
        _require(not unknown, naming("start.needs names ", unknown, ", which nodes does not list. Correct start.needs."))
    rereads = params["unread"] and params["admit"] != ADMIT_START and not check
    _require(not rereads, "unread is for admit: start, because a server that runs loses the nodes that its file no longer lists. Leave it out.")
    return Request(
        path=path,
        nodes=nodes,
        expected={node.name: node for node in expected},
        ownership=_ownership(params),
        remove=params["remove"],
        readdress=params["readdress"],
        refresh=params["refresh"],
        refresh_stale=params["refresh_stale"],
        admit=params["admit"],
        silent=[starts["name"]] if starts else [],
        needs=starts["needs"] if starts else [],
        as_listed=params["as_listed"],
        unread=params["unread"],
        batch=params["batch"],
        backup=params["backup"],
        proof=_proof(params["prove"], params["reach_timeout"], at),
        check=check,
        hold_back_unready=params["unready"] == HOLD_BACK,
        lock_timeout=params["lock_timeout"],
        reach_timeout=params["reach_timeout"],
    )


def _expected_node(entry: Mapping[str, Any]) -> ExpectedNode:
    """Return what views should show of one entry of ``nodes``. Raises TopologyError."""
    node = ExpectedNode.of_option(entry)
    if node.role == LIAISON and split_address(entry["grpc_address"])[1] != LIAISON_PORT:
        raise TopologyError(
            f"node {shown(node.name)}: grpc_address {shown(entry['grpc_address'])}: a liaison is listed on its internal port {LIAISON_PORT}. "
            "Correct the port, or the server loses the node at its next change of address."
        )
    return node


def _proof(prove: Mapping[str, Any] | None, reach_timeout: float, at: LocalServer | None) -> Proof | None:
    """Return what proves the push; None without the option ``prove``. Raises ValueError.

    ``reach_timeout``: seconds for one question to another node. ``at``: as of read_request().
    """
    if prove is None:
        return None
    require_seconds({"prove.timeout": prove["timeout"]}, {"prove.timeout": SHORTEST_SECONDS})
    try:
        at = _running(prove["service"]) if prove["service"] else at
        question = at.question if at else None
        client = local_client(prove, question, min(LOOK_SECONDS, prove["timeout"]), RETRIES)
    except HostStateError as error:
        raise ValueError(f"prove.service: {error}") from None
    except TermsError as error:
        # Without a question the options are wrong. With one, the files of the host are, and a deployment writes them.
        raise (TermsError if at else ValueError)(f"prove.{error}") from None
    except ValueError as error:
        raise ValueError(f"prove.{error}") from None

    def without_schema(nodes: Sequence[Node]) -> dict[str, str]:
        # Imported for a push that adds a data node to a liaison. Every other push would pay for the import on every host.
        from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.schema_questions import nodes_without_schema

        # The liaison asks every data node for its content, which takes longer than a look at the view.
        patient = local_http_client(prove, question, CONTENT_SECONDS, RETRIES)
        return nodes_without_schema(patient, nodes, prove["timeout"], reach_timeout)

    observer = ExpectedNode.observer(prove["name"], prove["role"])
    serves_tls = at.internal_address in at.tls_addresses if at else None
    return Proof(observer, client.cluster_state, prove["timeout"], without_schema if prove["role"] == LIAISON else None, serves_tls)


def _running(service: str) -> LocalServer | None:
    """Return where the running server of a unit listens; None without a process. Raises HostStateError, and ValueError for a wrong port."""
    # Imported for a push that names the unit.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import running_server

    running = running_server(service)
    return running.at if running else None


def _ownership(params: Mapping[str, Any]) -> Ownership:
    """Return the owner, group and permissions of the file. Raises ValueError."""
    mode = params["mode"]
    if isinstance(mode, str):
        try:
            mode = int(mode, 8)
        except ValueError:
            mode = -1
    right = isinstance(mode, int) and not isinstance(mode, bool) and 0 <= mode <= 0o777
    _require(right, f'mode {params["mode"]!r}: expected octal permission bits such as "0644"')
    try:
        uid = None if params["owner"] is None else pwd.getpwnam(params["owner"]).pw_uid
    except KeyError:
        raise ValueError(f"owner {shown(params['owner'])}: no such user on this host. Correct owner, or add the user.") from None
    try:
        gid = None if params["group"] is None else grp.getgrnam(params["group"]).gr_gid
    except KeyError:
        raise ValueError(f"group {shown(params['group'])}: no such group on this host. Correct group, or add the group.") from None
    return Ownership(uid, gid, mode)


def _require(condition: bool, message: str) -> None:
    """Raise ValueError with ``message`` unless ``condition`` is true."""
    if not condition:
        raise ValueError(message)
