#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_state_info
short_description: Ask BanyanDB servers whom they see, and judge whether the cluster is as it should be
version_added: 0.9.0
description:
  - Asks any number of running servers for their cluster state, all at once, and returns the route tables of each, or why it gave none.
  - Given the nodes that the cluster should have, holds all views against them and returns a verdict, the pairs of nodes that it rests on
    with what to do about each, and the matrix of who sees whom.
  - An endpoint that does not answer is a result and not a failure of the module. A node that could not be asked makes the verdict
    C(unknown) at best.
options:
  endpoints:
    description: The servers to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the endpoint in the results, unique. The name of its node where O(nodes) is given.
        type: str
        required: true
      address:
        description:
          - C(host:port) to ask. The gRPC port (17912 of data nodes and liaisons), or with C(http) the HTTP port (17913).
          - The internal port of a liaison (18912) answers too, but with no tables. An IPv6 host stands in brackets.
        type: str
        required: true
      protocol:
        description: How to ask this endpoint, when otherwise than O(protocol).
        type: str
        choices: [grpc, http]
  protocol:
    description:
      - How to ask. V(grpc) needs the Python libraries of the requirements where the module runs, which should be the controller or an
        execution environment. V(http) needs Python alone, so it runs on every managed host.
      - A data node with TLS answers over V(grpc) only.
    type: str
    choices: [grpc, http]
    default: grpc
  nodes:
    description:
      - All nodes that the cluster should have. Without it nothing is judged.
      - A node that is not among the O(endpoints) counts as one that could not be asked.
    type: list
    elements: dict
    suboptions:
      name:
        description: Entry name, unique; the inventory name in the playbooks.
        type: str
        required: true
      node_name:
        description: What the node says of itself, C(<node host>:<port>), with port 17912 for data nodes and 18912 for liaisons.
        type: str
        required: true
      role:
        description: Kind of node.
        type: str
        choices: [data, liaison, standalone]
        required: true
      roles:
        description: Roles that every view must show of it, such as C(ROLE_DATA). Not compared by default.
        type: list
        elements: str
      labels:
        description: Labels that every view must show of it. Not compared by default.
        type: dict
      grpc_address:
        description: C(host:port) where the other nodes reach it. Ties what O(reach) and O(reached) find to this node.
        type: str
  wait:
    description:
      - Seconds to go on asking until what O(until) says. The last round may end later by up to O(deadline).
      - Drift and a stuck entry are told from a change under way only by a difference that has stood for 30 seconds, so give more than
        30 to have them named.
    type: float
    default: 0
  until:
    description:
      - What ends the waiting. V(converged), when all views are as they should be.
      - V(settled), when no difference is left that may still heal by itself; for asking on each host for its own server alone, where
        the others cannot be asked and the verdict is C(unknown) at best.
    type: str
    choices: [converged, settled]
    default: converged
  settle:
    description:
      - Seconds after which a difference no longer heals by itself. The default is that of servers which read a file. Of servers that ask DNS it
        is more than the interval at which they ask.
    type: float
    default: 30
  discovery:
    description: How the servers find their nodes; what to do about a difference depends on it.
    type: str
    choices: [file, dns]
    default: file
  tables:
    description: Whether to return the tables of each endpoint. Without them the result of a large cluster stays small.
    type: bool
    default: true
  reach:
    description: Addresses (C(host:port)) to try from the machine where the module runs, each for O(timeout) seconds.
    type: list
    elements: str
    default: []
  observer:
    description: Name of the node on whose host the module runs. What O(reach) finds is then held to be what this node can reach.
    type: str
  reached:
    description:
      - What earlier runs with O(reach) found on other hosts. Name of the node there, then address, then whether it answered.
      - A node that answers, but not to one that misses it, is partitioned from it.
    type: dict
    default: {}
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
- name: Ask every node from the controller, and wait up to a minute for a whole cluster
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

- name: Stop here unless all see all
  ansible.builtin.assert:
    that: state.verdict == 'converged'
    fail_msg: "{{ state.pairs | map(attribute='remedy') | join(' ') }}"

- name: Ask the server of this host over HTTP, and try its peers from here
  skywalking.banyandb.cluster_state_info:
    protocol: http
    endpoints:
      - name: "{{ inventory_hostname }}"
        address: 127.0.0.1:17913
    reach:
      - data1.example.org:17912
      - data2.example.org:17912

- name: Ask a liaison with TLS and authentication
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
  description: What each endpoint answered, by name.
  type: dict
  returned: always
  contains:
    address:
      description: Where it was asked.
      type: str
    protocol:
      description: How it was asked.
      type: str
    tables:
      description:
        - The route tables by name. Data nodes have C(property), liaisons C(tire1) (liaisons) and C(tire2) (data nodes), standalone
          servers none. V(null) when there was no answer, or with O(tables=false).
      type: dict
    error:
      description:
        - Why there was no answer, or V(null). C(kind) is C(refused), C(timeout), C(unresolved), C(tls), C(auth), C(unimplemented),
          C(not_banyandb) or C(unavailable); C(message) says what was seen and what to do.
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
    - C(converged), C(converging), C(unknown) (a node could not be asked), C(drift) (a view differs from what should be), C(stuck) (a
      node answers, yet stays unused in a view) or C(partitioned). V(null) without O(nodes).
  type: str
  returned: always
  sample: unknown
pairs:
  description: What the verdict rests on. What C(observer) shows of C(subject), what was expected, and the remedy.
  type: list
  elements: dict
  returned: always
  sample:
    - observer: data2
      subject: data2
      table: ""
      expected: a view
      seen: "refused: node4:17912: connection refused, nothing listens there; start the server, or correct the port"
      verdict: unknown
      remedy: "Find out why data2 could not be asked (refused): its service, its host, the way to it."
matrix:
  description:
    - Observer, then subject, then what the observer shows of it. C(active), C(registered), C(connecting), C(evictable), C(stale) (other
      labels, roles or name), C(missing), C(unreached) (as it should be, but it does not answer from the observer's host), C(-) (not its
      concern) or C(?) (could not be asked).
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
stood:
  description: Seconds for which the last picture has been the same.
  type: float
  returned: always
  sample: 0.0
rounds:
  description: How often the endpoints were asked.
  type: int
  returned: always
  sample: 1
"""

import os.path
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import method
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import view_decoder
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.libraries import require_grpc
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.reach import answering
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import connection_options, http_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import DNS, FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import ROLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, canonical_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure, Terms
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import Verdict, judge
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import CONVERGED, CONVERGING, SETTLE_SECONDS

GRPC = "grpc"
HTTP = "http"
PROTOCOLS = [GRPC, HTTP]
SETTLED = "settled"
LONGEST_PAUSE = 4.0

ARGUMENTS = dict(
    connection_options.CONNECTION,
    endpoints=dict(
        type="list",
        elements="dict",
        required=True,
        options=dict(connection_options.ENDPOINT, protocol=dict(type="str", choices=PROTOCOLS)),
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
        nodes = expected_nodes(params["nodes"])
        # A relative ca_path is one of this process; an entry of a topology must have an absolute one.
        ca_path = os.path.abspath(params["ca_path"]) if params["ca_path"] else ""
        tried = [Node(address, address, terms.tls, ca_path) for address in params["reach"]]
        check_reached(params["reached"], params["observer"], nodes)
        require_seconds(params, {"wait": 0, "settle": 0})
    except ValueError as error:
        module.fail_json(msg=str(error))
    protocols = {endpoint["name"]: endpoint["protocol"] or params["protocol"] for endpoint in params["endpoints"]}
    if GRPC in protocols.values():
        require_grpc(module)
    warning = connection_options.cleartext_warning(params)
    if warning:
        module.warn(warning)

    ask = asker(addresses, protocols, terms)
    reach: dict[str, bool] = {}

    def once() -> tuple[Views, dict[tuple[str, str], bool]]:
        views = ask()
        found = answering(tried, terms.timeout)
        reach.update((node.grpc_address, node.grpc_address in found) for node in tried)
        here = {params["observer"]: reach} if params["observer"] else {}
        return views, by_node(params["nodes"] or [], {**params["reached"], **here})

    verdict_of = partial(judge, settle=params["settle"], discovery=params["discovery"])
    views, verdict, stood, rounds = look(once, nodes, params["wait"], params["until"], verdict_of)
    module.exit_json(
        changed=False,
        endpoints={name: report(view, addresses[name], protocols[name], params["tables"]) for name, view in views.items()},
        reach=reach,
        stood=round(stood, 3),
        rounds=rounds,
        **(verdict.to_mapping() if verdict else {"verdict": None, "pairs": [], "matrix": {}}),
    )


def asker(addresses: Mapping[str, str], protocols: Mapping[str, str], terms: Terms) -> Callable[[], Views]:
    """A function that asks every endpoint once, within the terms' deadline for all."""
    grpc = {name: address for name, address in addresses.items() if protocols[name] == GRPC}
    http = {name: address for name, address in addresses.items() if protocols[name] == HTTP}
    methods = [method("banyandb.database.v1.ClusterStateService/GetClusterState", view_decoder())] if grpc else []

    def ask() -> Views:
        ends = time.monotonic() + terms.deadline
        views: Views = {name: answers[0] for name, answers in ask_all(grpc, methods, terms).items()} if grpc else {}
        if http:
            views.update(http_client.states(http, replace(terms, deadline=max(ends - time.monotonic(), 0.001))))
        return {name: views[name] for name in addresses}

    return ask


def look(
    ask: Callable[[], tuple[Views, dict[tuple[str, str], bool]]],
    nodes: list[ExpectedNode] | None,
    wait: float,
    until: str,
    verdict_of: Callable[..., Verdict] = judge,
) -> tuple[Views, Verdict | None, float, int]:
    """Ask until what ``until`` says or for ``wait`` seconds: the last views, their verdict, the seconds for which
    that picture has stood, the rounds."""
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
    """The option ``nodes`` as the model has it. Raises ValueError for a name that stands twice."""
    if entries is None:
        return None
    for key in ("name", "node_name"):
        values = [entry[key] for entry in entries]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"nodes: {key} {', '.join(map(repr, twice))} stands more than once: each node has one entry")
    return [ExpectedNode.of_option(entry) for entry in entries]


def check_reached(reached: Mapping[str, Any], observer: str | None, nodes: list[ExpectedNode] | None) -> None:
    """Raises ValueError unless ``reached`` has its shape and all observers are nodes."""
    for name, found in reached.items():
        if not isinstance(found, dict) or not all(isinstance(answered, bool) for answered in found.values()):
            raise ValueError(f"reached.{name}: expected a mapping from address to true or false, got {found!r}")
    unknown = {*reached, observer or ""} - {"", *(node.name for node in nodes or ())}
    if unknown:
        raise ValueError(f"observer or reached names {', '.join(sorted(unknown))}: expected names of nodes only")


def by_node(entries: list[dict[str, Any]], reached: Mapping[str, Mapping[str, bool]]) -> dict[tuple[str, str], bool]:
    """(observer, subject) -> whether the subject answered there, from observer -> address -> whether it answered."""
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
    """One endpoint's part of the result."""
    failed = isinstance(view, Failure)
    return {
        "address": address,
        "protocol": protocol,
        "tables": None if failed or not tables else view.to_mapping(),
        "error": view.to_mapping() if failed else None,
    }


if __name__ == "__main__":
    main()
