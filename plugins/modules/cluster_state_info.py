#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_state_info
short_description: Read the cluster views of BanyanDB servers and judge the cluster
version_added: 0.9.0
description:
  - Queries any number of running servers for their cluster state in parallel. Returns the route tables or the error of each server.
  - With O(nodes), compares all cluster views with the expected nodes. Returns a verdict, the evidence with a remedy for each finding, and the
    matrix of cluster views.
  - The module does not fail if an endpoint is not responding. The verdict is then C(unknown) at best.
options:
  endpoints:
    description: The servers to query.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Unique name of the endpoint in the results. With O(nodes), the name of the endpoint's node.
        type: str
        required: true
      address:
        description:
          - Address of the server as C(host:port). The port is the gRPC port (17912 of data nodes and liaisons), or with C(http) the HTTP port
            (17913). An IPv6 host stands in brackets.
          - Do not use the internal port of a liaison (18912). This port answers without tables.
        type: str
        required: true
      service:
        description:
          - Name of the server's unit, such as V(banyandb-data.service), for a server on the machine where the module runs. The module then queries
            the host and port on which the running process listens.
          - The module uses O(endpoints[].address) if the unit does not run, or if the account may not read the environment of the process.
        type: str
      protocol:
        description: Protocol of this endpoint. The default is O(protocol).
        type: str
        choices: [grpc, http]
      tls:
        description:
          - Whether the server of O(endpoints[].service) uses TLS. If the account may not read the environment of its process, the endpoint then
            fails with C(auth), and the module sends no query.
        type: bool
        default: false
  protocol:
    description:
      - Protocol of the queries. V(grpc) needs the required Python libraries on the machine where the module runs. Run the module there on the
        controller or in an execution environment.
      - V(http) needs only Python, so the module runs on every managed host. A data node with TLS answers over V(grpc) only.
    type: str
    choices: [grpc, http]
    default: grpc
  nodes:
    description:
      - All expected nodes of the cluster. Without O(nodes) the module judges nothing.
      - A node that is not in O(endpoints) counts as not responding.
    type: list
    elements: dict
    suboptions:
      name:
        description: Unique entry name. The playbooks use the inventory name.
        type: str
        required: true
      node_name:
        description: Node name that the server reports, C(<node host>:<port>). The port is 17912 for data nodes and 18912 for liaisons.
        type: str
        required: true
      role:
        description: Kind of node.
        type: str
        choices: [data, liaison, standalone]
        required: true
      roles:
        description: Roles that every cluster view must show for the node, such as C(ROLE_DATA). Without a value the module does not compare roles.
        type: list
        elements: str
      labels:
        description: Labels that every cluster view must show for the node. Without a value the module does not compare labels.
        type: dict
      grpc_address:
        description: Address at which other nodes reach the node, as C(host:port). Assigns the results of O(reach) and O(reached) to the node.
        type: str
      tls_enabled:
        description: Whether O(nodes[].grpc_address) speaks TLS. The test of O(reach) then checks its certificate.
        type: bool
        default: false
      ca_cert_path:
        description: Path of the CA that signed the certificate, on the machine that runs this module. Required with O(nodes[].tls_enabled).
        type: path
  wait:
    description:
      - Seconds to repeat the queries until the condition of O(until) is true. The last round may end later by up to O(deadline).
      - Set more than 30 to find C(drift) or C(stuck). A difference that lasts less than 30 seconds can be a change in progress.
    type: float
    default: 0
  until:
    description:
      - Condition that ends the wait. V(converged) means that all cluster views are as expected.
      - V(settled) means that no difference is left that can still disappear by itself. Use V(settled) when each host queries only its own
        server. The verdict is then C(unknown) at best.
    type: str
    choices: [converged, settled]
    default: converged
  settle:
    description:
      - Seconds after which a difference no longer disappears by itself. The default is for servers that read a topology file.
      - For servers that query DNS, set more than the interval of their queries.
    type: float
    default: 30
  discovery:
    description: How the servers find the other nodes. The remedy for a difference depends on this option.
    type: str
    choices: [file, dns]
    default: file
  tables:
    description: Whether to return the tables of each endpoint. Use V(false) to keep the result of a large cluster small.
    type: bool
    default: true
  reach:
    description: Addresses (C(host:port)) to connect to from the machine where the module runs. The limit for each is O(timeout) seconds.
    type: list
    elements: str
    default: []
  observer:
    description: Name of the node on the host where the module runs. The module uses the result of O(reach) as the result of this node.
    type: str
  reached:
    description:
      - Results of earlier runs with O(reach) on other hosts. Node name, then address, then whether the address answered.
      - If node A misses node B and cannot reach node B, but other nodes reach node B, the two nodes are partitioned.
    type: dict
    default: {}
  firewall:
    description: Whether to return RV(firewall).
    type: bool
    default: false
extends_documentation_fragment:
  - skywalking.banyandb.connection
  - skywalking.banyandb.cluster_state
requirements:
  - grpcio >= 1.62 and protobuf >= 4.25, for O(protocol=grpc)
seealso:
  - module: skywalking.banyandb.node_info
  - module: skywalking.banyandb.topology
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Query every node from the controller, and wait up to 60 s for convergence
  skywalking.banyandb.cluster_state_info:
    endpoints:
      - name: liaison1
        address: liaison1.example.org:17912
      - name: data1
        address: data1.example.org:17912
    nodes:
      - name: liaison1
        node_name: liaison1.example.org:18912
        role: liaison
      - name: data1
        node_name: data1.example.org:17912
        role: data
        labels:
          type: hot
    wait: 60
  delegate_to: localhost
  run_once: true
  register: state

- name: Stop unless the cluster has converged
  ansible.builtin.assert:
    that: state.verdict == 'converged'
    fail_msg: "{{ state.pairs | map(attribute='remedy') | join(' ') }}"

- name: Query the server of this host over HTTP, and connect to other nodes
  skywalking.banyandb.cluster_state_info:
    protocol: http
    endpoints:
      - name: "{{ inventory_hostname }}"
        address: 127.0.0.1:17913
    reach:
      - data1.example.org:17912
      - data2.example.org:17912

- name: Query a liaison with TLS and authentication
  skywalking.banyandb.cluster_state_info:
    endpoints:
      - name: liaison1
        address: liaison1.example.org:17912
    tls: true
    ca_path: /etc/ssl/certs/banyandb-ca.pem
    username: admin
    password: "{{ banyandb_password }}"
  delegate_to: localhost
"""

RETURN = r"""
endpoints:
  description: Endpoint name, then the answer of the endpoint.
  type: dict
  returned: always
  contains:
    address:
      description: Address of the query.
      type: str
    protocol:
      description: Protocol of the query.
      type: str
    tables:
      description:
        - Table name, then the route table. Data nodes have C(property). Liaisons have C(tire1) (liaisons) and C(tire2) (data nodes). Standalone
          servers have no table. V(null) without an answer, or with O(tables=false).
      type: dict
    error:
      description:
        - Why the endpoint gave no answer, or V(null). C(kind) is C(refused), C(timeout), C(unresolved), C(tls), C(auth), C(unimplemented),
          C(not_banyandb), C(unavailable), or C(disabled) for a stopped and disabled unit. C(message) has the details and the remedy.
      type: dict
    certificates:
      description:
        - Only for a running server of O(endpoints[].service) with TLS. Address of each TLS port, with the C(serial) number and the end
          (C(not_after), in UTC) of the certificate that the port serves.
      type: dict
  sample:
    data1:
      address: node3:17912
      protocol: grpc
      error: null
      tables:
        property:
          registered:
            - node_name: node3:17912
              grpc_address: node3:17912
              roles: [ROLE_META, ROLE_DATA]
              labels: {type: hot}
              created_at: "2026-11-21T07:37:34.993444051Z"
            - node_name: node4:17912
              grpc_address: node4:17912
              roles: [ROLE_META, ROLE_DATA]
              labels: {type: hot}
              created_at: "2026-11-21T07:37:54.297809110Z"
          active: []
          evictable: []
    data2:
      address: node4:17912
      protocol: grpc
      error:
        kind: refused
        message: "node4:17912: connection refused, nothing listens there; start the server, or correct the port"
      tables: null
verdict:
  description:
    - C(converged), C(converging), C(unknown), C(drift), C(stuck) or C(partitioned). V(null) without O(nodes).
    - C(unknown) means that a node is not responding. C(drift) means that a cluster view is not as expected. C(stuck) means that a node responds,
      but another node does not use that node.
  type: str
  returned: always
  sample: unknown
pairs:
  description: Evidence of the verdict. Each pair has the state that C(observer) shows for C(subject), the expected state and the remedy.
  type: list
  elements: dict
  returned: always
  sample:
    - observer: data2
      subject: data2
      table: ""
      expected: a view
      seen: "refused: node4:17912: connection refused, nothing listens there"
      verdict: unknown
      remedy: "Run skywalking.banyandb.deploy, which starts the server of data2."
matrix:
  description:
    - Observer, then subject, then the state that the observer shows for the subject.
    - C(active), C(registered), C(connecting), C(evictable) and C(missing) are states of the observer's tables. C(stale) means unexpected labels,
      roles or name.
    - C(unreached) means that the view is right, but the observer's host cannot reach the subject.
    - C(-) means that the observer does not list this kind of node. C(?) means that the observer is not responding.
  type: dict
  returned: always
  sample:
    data1: {data1: registered, data2: registered}
    data2: {data1: "?", data2: "?"}
reach:
  description: Whether each address of O(reach) answered.
  type: dict
  returned: always
  sample: {"node4:17912": false}
blocked:
  description:
    - Name of a node that a drain of this collection blocks on this host, then the seconds until the drain ends. Empty if O(observer) is not a
      liaison, or if the account is not root.
  type: dict
  returned: always
  sample: {}
stood:
  description: Seconds for which the matrix and the pairs have not changed.
  type: float
  returned: always
  sample: 0.0
rounds:
  description: How often the module queried the endpoints.
  type: int
  returned: always
  sample: 1
firewall:
  description:
    - Whether the firewall of this collection is loaded on the machine where the module runs. V(null) if the account of the module cannot know,
      because only root may read the loaded rules.
  type: bool
  returned: when O(firewall=true)
  sample: false
"""

import os.path
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import method
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.libraries import require_grpc
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.interrupted_drain import blocked
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.reach import answering
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import connection_options, http_client, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import RunningServer, running_server
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, message, naming, shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import LIAISON, ROLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, canonical_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure, Terms, TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import Verdict, judge
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.server_question import GRPC, HTTP, Question
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import CONVERGED, CONVERGING, SETTLE_SECONDS

if TYPE_CHECKING:
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.view_client import ViewClient

PROTOCOLS = [GRPC, HTTP]
SETTLED = "settled"
LONGEST_PAUSE = 4.0
# Seconds for the handshake with one port of this machine.
CERTIFICATE_SECONDS = 2.0

ARGUMENTS = dict(
    connection_options.CONNECTION,
    endpoints=dict(
        type="list",
        elements="dict",
        required=True,
        options=dict(
            connection_options.ENDPOINT,
            service=dict(type="str"),
            protocol=dict(type="str", choices=PROTOCOLS),
            tls=dict(type="bool", default=False),
        ),
    ),
    protocol=dict(type="str", choices=PROTOCOLS, default=GRPC),
    nodes=dict(
        type="list",
        elements="dict",
        options=dict(
            name=dict(type="str", required=True),
            node_name=dict(type="str", required=True),
            role=dict(type="str", choices=list(ROLES), required=True),
            roles=dict(type="list", elements="str"),
            labels=dict(type="dict"),
            grpc_address=dict(type="str"),
            tls_enabled=dict(type="bool", default=False),
            ca_cert_path=dict(type="path"),
        ),
    ),
    wait=dict(type="float", default=0),
    until=dict(type="str", choices=[CONVERGED, SETTLED], default=CONVERGED),
    settle=dict(type="float", default=SETTLE_SECONDS),
    discovery=dict(type="str", choices=[FILE, DNS], default=FILE),
    tables=dict(type="bool", default=True),
    reach=dict(type="list", elements="str", default=[]),
    observer=dict(type="str"),
    reached=dict(type="dict", default={}),
    firewall=dict(type="bool", default=False),
)

Views = dict[str, "View | Failure"]


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=connection_options.REQUIRED_IF,
        required_together=connection_options.REQUIRED_TOGETHER,
        supports_check_mode=True,
    )
    params = module.params
    try:
        terms = connection_options.terms(params)
        addresses = connection_options.addresses(params["endpoints"])
        protocols = {endpoint["name"]: endpoint["protocol"] or params["protocol"] for endpoint in params["endpoints"]}
        servers, closed = running_servers(params["endpoints"])
        questions = {name: server.at.question for name, server in servers.items()}
        addresses.update({name: question.address for name, question in questions.items()})
        protocols.update({name: question.protocol for name, question in questions.items()})
        clients = {name: client_or_failure(params, question) for name, question in questions.items()}
        clients.update(closed)
        nodes = expected_nodes(params["nodes"])
        # A topology entry needs an absolute path.
        ca_path = os.path.abspath(params["ca_path"]) if params["ca_path"] else ""
        tried = [node_to_reach(address, params["nodes"] or [], terms.tls, ca_path) for address in params["reach"]]
        check_reached(params["reached"], params["observer"], nodes)
        require_seconds(params, {"wait": 0, "settle": 0})
        firewall = {"firewall": is_protected()} if params["firewall"] else {}
    except (ValueError, HostStateError) as error:
        module.fail_json(msg=message(error))
    if any(protocol == GRPC and name not in clients for name, protocol in protocols.items()):
        require_grpc(module)
    warning = connection_options.cleartext_warning(params)
    if warning:
        module.warn(message(warning))

    ask = asker(addresses, protocols, terms, clients)
    reach: dict[str, bool] = {}

    def once() -> tuple[Views, dict[tuple[str, str], bool]]:
        views = ask()
        found = answering(tried, terms.timeout)
        reach.update((node.grpc_address, node.grpc_address in found) for node in tried)
        here = {params["observer"]: reach} if params["observer"] else {}
        return views, by_node(params["nodes"] or [], {**params["reached"], **here})

    verdict_of = partial(judge, settle=params["settle"], discovery=params["discovery"])
    certificates = certificates_of(servers)
    views, verdict, stood, rounds = look(once, nodes, params["wait"], params["until"], verdict_of)
    # Only a liaison has a drain and cuts.
    drained = blocked([node.name for node in nodes or ()], params["observer"]) if role_of(params["observer"], nodes) == LIAISON else {}
    verdict = verdict.with_drains(drained) if verdict else None
    module.exit_json(
        changed=False,
        endpoints={
            name: {
                **report(view, addresses[name], protocols[name], params["tables"]),
                **({"certificates": certificates[name]} if name in certificates else {}),
            }
            for name, view in views.items()
        },
        reach=reach,
        blocked=drained,
        stood=round(stood, 3),
        rounds=rounds,
        **firewall,
        **(verdict.to_mapping() if verdict else {"verdict": None, "pairs": [], "matrix": {}}),
    )


def is_protected() -> bool | None:
    """Return whether the loaded firewall of this collection protects this host; None if this account cannot know."""
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_table

    return firewall_table.protects()


def running_servers(endpoints: list[dict[str, Any]]) -> tuple[dict[str, RunningServer], dict[str, Failure]]:
    """Return the servers whose unit runs on this machine, by endpoint name, and why the other units are not asked. Raises HostStateError."""
    found, closed = {}, {}
    for endpoint in endpoints:
        unit = endpoint["service"]
        server = running_server(unit) if unit else None
        if server:
            found[endpoint["name"]] = server
        elif unit:
            state = systemd_services.services([unit])[unit]
            if state.main_pid and endpoint["tls"]:
                text = f"{unit}: only root may read how this server with TLS listens. Run this with become: true."
                closed[endpoint["name"]] = Failure(ErrorKind.AUTH, text)
            elif not state.main_pid and state.enabled == "disabled":
                closed[endpoint["name"]] = Failure.at(endpoint["address"], ErrorKind.DISABLED, f"{unit} is stopped and disabled")
    return found, closed


def certificates_of(servers: Mapping[str, RunningServer]) -> dict[str, dict[str, Any]]:
    """Return endpoint name -> address of a TLS port -> serial number and end of the certificate that the port serves. Silent ports are left out."""
    found: dict[str, dict[str, Any]] = {}
    for name, server in servers.items():
        addresses = [*server.at.tls_addresses, *server.at.tls_at_start]
        if addresses:
            # Imported only here: a server without TLS needs no handshake.
            from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.served_certificate import ends_of

            found[name] = ends_of(addresses, CERTIFICATE_SECONDS)
    return found


def client_or_failure(params: Mapping[str, Any], question: Question) -> ViewClient | Failure:
    """Return a client for a server on this machine, or a failure when its CA or its users cannot be read."""
    try:
        return local_client({**params, "url": ""}, question, params["timeout"], params["retries"])
    except TermsError as error:
        return Failure.at(question.address, ErrorKind.TLS, f"{error} Run deploy")


def node_to_reach(address: str, nodes: list[dict[str, Any]], tls: bool, ca_path: str) -> Node:
    """Return the node to test at ``address``. A node of ``nodes`` brings its own TLS; ``tls`` and ``ca_path`` are for every other address."""
    own = next((node for node in nodes if node["grpc_address"] == address and node["tls_enabled"]), None)
    return Node(address, address, True, own["ca_cert_path"] or "") if own else Node(address, address, tls, ca_path)


def asker(
    addresses: Mapping[str, str], protocols: Mapping[str, str], terms: Terms, clients: Mapping[str, ViewClient | Failure] = MappingProxyType({})
) -> Callable[[], Views]:
    """Return a function that queries every endpoint once and returns the views by endpoint name.

    ``addresses``: endpoint name -> ``host:port``. ``protocols``: endpoint name -> ``grpc`` or ``http``. ``clients``: endpoint name -> client of a
    server on this machine. One call ends within ``terms.deadline`` seconds, and within the retries of ``clients``.
    """
    grpc = {name: address for name, address in addresses.items() if protocols[name] == GRPC and name not in clients}
    http = {name: address for name, address in addresses.items() if protocols[name] == HTTP and name not in clients}
    methods = [method("banyandb.database.v1.ClusterStateService/GetClusterState", view_decoder())] if grpc else []

    def ask() -> Views:
        ends = time.monotonic() + terms.deadline
        views: Views = {name: answers[0] for name, answers in ask_all(grpc, methods, terms).items()} if grpc else {}
        if http:
            views.update(http_client.states(http, replace(terms, deadline=max(ends - time.monotonic(), 0.001))))
        views.update({name: client if isinstance(client, Failure) else client.cluster_state() for name, client in clients.items()})
        return {name: views[name] for name in addresses}

    return ask


def look(
    ask: Callable[[], tuple[Views, dict[tuple[str, str], bool]]],
    nodes: list[ExpectedNode] | None,
    wait: float,
    until: str,
    verdict_of: Callable[..., Verdict] = judge,
) -> tuple[Views, Verdict | None, float, int]:
    """Query until the condition of ``until`` is true, or for ``wait`` seconds.

    Return the last views, their verdict (None without ``nodes``), the seconds for which the verdict has not changed, and the number of rounds.
    """
    ends = time.monotonic() + wait
    rounds, pause, since, picture = 0, 0.25, 0.0, None
    while True:
        views, reach = ask()
        rounds += 1
        now = time.monotonic()
        if nodes is None:
            return views, None, 0.0, rounds
        verdict = verdict_of(nodes, views, reach)
        seen = (verdict.matrix, [(pair.observer, pair.subject, pair.table, pair.seen) for pair in verdict.pairs])
        if seen != picture:
            picture, since = seen, now
        else:
            verdict = verdict_of(nodes, views, reach, stood=now - since)
        settled = until == SETTLED and not any(pair.verdict == CONVERGING for pair in verdict.pairs)
        if verdict.verdict == CONVERGED or settled or now >= ends:
            return views, verdict, now - since, rounds
        pause = min(2 * pause, LONGEST_PAUSE, ends - now)
        time.sleep(pause)


def expected_nodes(entries: list[dict[str, Any]] | None) -> list[ExpectedNode] | None:
    """Return the expected nodes of the option ``nodes``. Raises ValueError for a duplicate name."""
    if entries is None:
        return None
    for key in ("name", "node_name"):
        values = [entry[key] for entry in entries]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"nodes: {key} {listed(list(map(repr, twice)), 2)} is listed twice. Delete one.")
    return [ExpectedNode.of_option(entry) for entry in entries]


def check_reached(reached: Mapping[str, Any], observer: str | None, nodes: list[ExpectedNode] | None) -> None:
    """Raise ValueError unless ``reached`` has the right shape and all observers are nodes."""
    for name, found in reached.items():
        if not isinstance(found, dict) or not all(isinstance(answered, bool) for answered in found.values()):
            raise ValueError(f"reached.{name}: expected a mapping from address to true or false, got {shown(found)}")
    unknown = {*reached, observer or ""} - {"", *(node.name for node in nodes or ())}
    if unknown:
        raise ValueError(naming("observer or reached names ", sorted(unknown), ", which nodes does not list. Correct the name."))


def role_of(name: str | None, nodes: list[ExpectedNode] | None) -> str:
    """Return the role of the node ``name``; empty for a node that ``nodes`` does not list."""
    return next((node.role for node in nodes or () if node.name == name), "")


def by_node(entries: list[dict[str, Any]], reached: Mapping[str, Mapping[str, bool]]) -> dict[tuple[str, str], bool]:
    """Return (observer, subject) -> whether the observer reached the subject.

    ``entries``: the option ``nodes``. ``reached``: observer -> address -> whether the address answered.
    """
    names = defaultdict(list)
    for entry in entries:
        if entry["grpc_address"]:
            names[canonical_address(entry["grpc_address"])].append(entry["name"])
    return {
        (observer, name): answered
        for observer, found in reached.items()
        for address, answered in found.items()
        for name in names.get(canonical_address(address), ())
    }


def report(view: View | Failure, address: str, protocol: str, tables: bool) -> dict[str, Any]:
    """Return the module's result for one endpoint."""
    failed = isinstance(view, Failure)
    return {
        "address": address,
        "protocol": protocol,
        "tables": None if failed or not tables else view.to_mapping(),
        "error": view.to_mapping() if failed else None,
    }


if __name__ == "__main__":
    main()
