#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Read the identity and the health of BanyanDB servers
version_added: 0.9.0
description:
  - Queries any number of running servers in parallel over gRPC for their identity, API version, schema revision and health.
  - A value that a port does not offer is V(null), with the reason in C(errors). A liaison's client port (17912) offers all values. A liaison's
    internal port (18912) and a data node's port (17912) offer all values except the API version.
  - The module does not fail if an endpoint is not responding.
options:
  endpoints:
    description: The servers to query.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Unique name of the endpoint in the results.
        type: str
        required: true
      address:
        description: Address of the server's gRPC port, as C(host:port). An IPv6 host stands in brackets.
        type: str
        required: true
extends_documentation_fragment:
  - skywalking.banyandb.connection
  - skywalking.banyandb.cluster_state
requirements:
  - grpcio >= 1.62 and protobuf >= 4.25, on the machine where the module runs (the controller or an execution environment)
seealso:
  - module: skywalking.banyandb.cluster_state_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Read the identity of two nodes
  skywalking.banyandb.node_info:
    endpoints:
      - name: liaison1
        address: liaison1.example.org:17912
      - name: data1
        address: data1.example.org:17912
  delegate_to: localhost
  run_once: true
  register: info

- name: Show the node name of data1
  ansible.builtin.debug:
    var: info.endpoints.data1.node.node_name
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
    node:
      description: Identity that the node reports, or V(null).
      type: dict
    api_version:
      description: Version and revision of the API, or V(null).
      type: dict
    schema_revision:
      description: Highest schema revision that the node reports, or V(null).
      type: int
    health:
      description: Health that the server reports, or V(null). A healthy server reports C(SERVING).
      type: str
    errors:
      description:
        - Name of each value that is V(null), then the reason. C(kind) is C(refused), C(timeout), C(unresolved), C(tls), C(auth),
          C(unimplemented), C(not_banyandb) or C(unavailable). C(message) has the details and the remedy.
      type: dict
  sample:
    data1:
      address: node3:17912
      node:
        node_name: node3:17912
        roles: [ROLE_META, ROLE_DATA]
        labels: {type: hot}
        created_at: "2026-11-21T07:37:34.993444051Z"
        grpc_address: node3:17912
        http_address: ""
        property_repair_gossip_grpc_address: node3:17932
        property_schema_grpc_address: node3:17916
        property_schema_gossip_grpc_address: ""
      api_version: null
      schema_revision: 1795246683876570828
      health: SERVING
      errors:
        api_version:
          kind: unimplemented
          message: "node3:17912: no method /banyandb.common.v1.Service/GetAPIVersion here (unknown service banyandb.common.v1.Service);
            ask a port that offers it (a liaison's gRPC 17912 offers all), or a newer server"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import ask_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import method, parse
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.libraries import require_grpc
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import connection_options
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure

ARGUMENTS = dict(
    connection_options.CONNECTION,
    endpoints=dict(type="list", elements="dict", required=True, options=connection_options.ENDPOINT),
)


def node(data: bytes) -> dict[str, Any]:
    said = parse("banyandb.database.v1.GetCurrentNodeResponse", data).node
    rest = (
        "http_address",
        "property_repair_gossip_grpc_address",
        "property_schema_grpc_address",
        "property_schema_gossip_grpc_address",
    )
    return {**identity(said).to_mapping(), **{name: getattr(said, name) for name in rest}}


def api_version(data: bytes) -> dict[str, str]:
    said = parse("banyandb.common.v1.GetAPIVersionResponse", data).version
    return {"version": said.version, "revision": said.revision}


def schema_revision(data: bytes) -> int:
    return int(parse("banyandb.cluster.v1.GetMaxRevisionResponse", data).max_mod_revision)


def health(data: bytes) -> str:
    said = parse("grpc.health.v1.HealthCheckResponse", data)
    names = said.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number
    return str(names[said.status].name if said.status in names else said.status)


# Key of the result -> the gRPC method, and the function that decodes the answer.
QUESTIONS = {
    "node": ("banyandb.database.v1.NodeQueryService/GetCurrentNode", node),
    "api_version": ("banyandb.common.v1.Service/GetAPIVersion", api_version),
    "schema_revision": ("banyandb.cluster.v1.NodeSchemaStatusService/GetMaxRevision", schema_revision),
    "health": ("grpc.health.v1.Health/Check", health),
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=connection_options.REQUIRED_IF,
        required_together=connection_options.REQUIRED_TOGETHER,
        supports_check_mode=True,
    )
    try:
        terms = connection_options.terms(module.params)
        addresses = connection_options.addresses(module.params["endpoints"])
    except ValueError as error:
        module.fail_json(msg=message(error))
    require_grpc(module)
    warning = connection_options.cleartext_warning(module.params)
    if warning:
        module.warn(message(warning))
    methods = [method(path, decode) for path, decode in QUESTIONS.values()]
    answers = ask_all(addresses, methods, terms)
    module.exit_json(changed=False, endpoints={name: report(addresses[name], answers[name]) for name in addresses})


def report(address: str, answers: tuple[Any, ...]) -> dict[str, Any]:
    """Return the module's result for one endpoint."""
    answered = dict(zip(QUESTIONS, answers))
    return {
        "address": address,
        **{key: None if isinstance(answer, Failure) else answer for key, answer in answered.items()},
        "errors": {key: answer.to_mapping() for key, answer in answered.items() if isinstance(answer, Failure)},
    }


if __name__ == "__main__":
    main()
