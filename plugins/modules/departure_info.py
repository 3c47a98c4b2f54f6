#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: departure_info
short_description: "Internal: read which data a leaving data node holds"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Reads the host's record of departures and the entries of the host's topology file. Changes nothing.
  - With O(content), also queries the liaison on the host for its groups and for the points that each data node holds.
options:
  path:
    description: File with the record of departures.
    type: path
    required: true
  topology:
    description: The topology file. The file may be missing.
    type: path
    required: true
  roots:
    description: Data directories of the local data node. The marker in each directory has the time since when the node stores data there.
    type: list
    elements: path
    default: []
  content:
    description: Whether to query the local liaison for groups and counts.
    type: bool
    default: false
  metrics_url:
    description:
      - Metrics URL of the local data node as C(http://host:port). The module counts properties only with this option. If O(service) runs, the module
        queries the metrics of its process.
    type: str
extends_documentation_fragment:
  - skywalking.banyandb.local_server
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
seealso:
  - module: skywalking.banyandb.departure_record
  - module: skywalking.banyandb.departure_plan
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Read the groups and the points of each data node
  skywalking.banyandb.departure_info:
    path: /etc/banyandb/departures.json
    topology: /etc/banyandb/topology.yml
    content: true
  register: departure_found
"""

RETURN = r"""
departures:
  description: The recorded departures.
  type: list
  elements: dict
  returned: success
  sample:
    - cluster: default
      host: data3
      node: 10.0.0.5:17912
      at: "2026-11-28T20:15:00Z"
      cause: removed
      groups: {sw_metrics: {end: "2026-11-29T00:00:00Z", life_seconds: 604800}}
entries:
  description: Entry name, then the address. Has all entries of the topology file.
  type: dict
  returned: success
  sample: {data3: "10.0.0.5:17912"}
since:
  description: Time in seconds since 1970 since when all O(roots) belong to the node. V(null) if a root has no marker, or without O(roots).
  type: int
  returned: success
groups:
  description: The user groups of the server. V(null) without O(content), or without an answer.
  type: list
  elements: dict
  returned: success
counts:
  description: Group, then node name, then a list for each segment. The list has start and end (seconds since 1970), points, and series documents.
  type: dict
  returned: success
properties:
  description: Group, then number of property documents. V(null) without O(metrics_url), or without an answer.
  type: dict
  returned: success
failure:
  description: Why the server gave no answer. Empty if the server answered.
  type: str
  returned: success
error_type:
  description: V(broken), V(unreadable) or V(permission_denied).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import departures_file, topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import LOCAL_SERVER, REQUIRED_TOGETHER
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.content_questions import content, properties
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_http_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import running_server
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "topology": {"type": "path", "required": True},
    "roots": {"type": "list", "elements": "path", "default": []},
    "content": {"type": "bool", "default": False},
    "metrics_url": {"type": "str"},
    **LOCAL_SERVER,
}
#: Seconds for one query. A liaison queries all data nodes before it answers (0.065 s for 9 groups and 4 nodes, measured).
TIMEOUT = 20.0


def look(params: dict[str, Any]) -> dict[str, Any]:
    """Return the result of the module. Raises HostStateError, ValueError and TopologyFileError."""
    listed = topology_file.read(params["topology"])
    result: dict[str, Any] = {
        "departures": [each.to_mapping() for each in departures_file.recorded(params["path"])],
        "entries": {node.name: node.grpc_address for node in listed[0].nodes} if listed else {},
        "since": departures_file.since(params["roots"]),
        "groups": None,
        "counts": {},
        "properties": None,
        "failure": "",
    }
    running = running_server(params["service"]) if params["service"] else None
    if params["content"]:
        answer = content(local_http_client(params, running.at.question if running else None, TIMEOUT, retries=2))
        if isinstance(answer, Failure):
            result["failure"] = answer.message
        else:
            result["groups"] = [group.to_mapping() for group in answer.groups]
            result["counts"] = {
                group: {node: [segment.to_list() for segment in segments] for node, segments in nodes.items()}
                for group, nodes in answer.counts.items()
            }
    if params["metrics_url"]:
        documents = properties(HttpClient(running.at.metrics_url if running else params["metrics_url"], timeout=TIMEOUT, retries=2))
        # departure_plan treats None as "the node holds properties".
        result["properties"] = None if isinstance(documents, Failure) else documents
    return result


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, required_together=REQUIRED_TOGETHER, supports_check_mode=True)
    try:
        result = look(module.params)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    except (ValueError, topology_file.TopologyFileError) as error:
        module.fail_json(msg=message(error), error_type="unreadable")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
