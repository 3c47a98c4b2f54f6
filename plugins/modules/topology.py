#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: topology
short_description: Push a topology file to a BanyanDB host and prove that its server took it
version_added: 0.9.0
description:
  - Writes the file that a BanyanDB server reads its nodes from (C(--node-discovery-mode=file)), waits until the server has reloaded it,
    and proves with the server's own cluster state that every listed node that answers is in its view. All of it in one execution on the
    host.
  - The server takes a bad file without complaint and then drops nodes. What would make it do so is refused before anything is written.
  - A node leaves only when it is named in O(remove). A list that merely became shorter is refused, with the names that would have vanished.
  - A known node that gets another address is written in two steps, without it and then with it, because a server loses a node for good
    when its address changes in one write.
  - Entries that do not answer are listed last, because each of them holds up all behind it for 5 seconds. New ones are held back as
    comments until a later push finds them answering.
  - Files are replaced as a whole by a rename in the same directory. Pushes to one file wait for each other.
options:
  path:
    description:
      - The topology file, an absolute path. Its directory must exist. A symbolic link is refused, the server does not notice when one
        is swapped.
    type: path
    default: /etc/banyandb/topology.yml
  nodes:
    description:
      - All nodes of the cluster. Every host may be given the same full list, each server keeps what concerns it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Entry name, unique. In the roles it is the inventory name.
        type: str
        required: true
      grpc_address:
        description: C(host:port) where the other nodes reach it; 17912 of a data node, 18912 of a liaison. An IPv6 host stands in brackets.
        type: str
        required: true
      tls_enabled:
        description: Whether that port speaks TLS.
        type: bool
        default: false
      ca_cert_path:
        description: Absolute path, on this host, of the CA that signed its certificate. Required with O(nodes[].tls_enabled).
        type: path
      role:
        description: Kind of node. By default C(liaison) for port 18912 and C(data) otherwise.
        type: str
        choices: [data, liaison]
      node_name:
        description: What the node says of itself, C(<node host>:<port>), unique. By default the address.
        type: str
      roles:
        description: Roles that the view must show of it, such as C(ROLE_DATA). Not compared by default.
        type: list
        elements: str
      labels:
        description: Labels that the view must show of it. Not compared by default.
        type: dict
  remove:
    description: Names of the entries that may leave.
    type: list
    elements: str
    default: []
  readdress:
    description:
      - What to do when a known entry gets another address. V(refuse) it, or V(stage) it in two writes with the view proved after each.
      - An entry whose new address does not answer stays listed under its old one.
    type: str
    choices: [refuse, stage]
    default: refuse
  refresh:
    description: Names of entries to drop and admit again, because the server keeps the labels and roles it first saw.
    type: list
    elements: str
    default: []
  refresh_stale:
    description: Also refresh each entry of which the view shows other labels, roles or another name than O(nodes) says.
    type: bool
    default: false
  admit:
    description:
      - Which entries to give to the server. V(answering) holds new ones back until they answer. V(all) lists every one.
      - V(start) lists only those that answer now, since each other one would hold up a server that starts by 5 seconds; it needs O(start).
    type: str
    choices: [answering, all, start]
    default: answering
  as_listed:
    description:
      - Names of entries to leave as the file lists them, whatever O(nodes) says of them, since their servers still are what they were. One that the
        file does not list is taken from O(nodes).
    type: list
    elements: str
    default: []
  unread:
    description:
      - The server has not read the file that is there, because it ran in another discovery mode. What it lists says nothing of what the
        server knows, so it is replaced whatever it lists.
      - For V(start) in O(admit). In check mode also for the push after such a start, which then finds the file that the start has left.
    type: bool
    default: false
  batch:
    description: How many re-addressed or refreshed entries may be out of the view at one time.
    type: int
    default: 1
  start:
    description:
      - The local server, for O(admit=start). It is stopped if it runs, when it is decided what to write; then it is started with the file, and the
        module ends when its own process listens and watches the file, for which it is given up to 10 s more. A process that ends while it starts
        is an error at once, with the decisive message of its journal.
    type: dict
    suboptions:
      name:
        description: Entry name of the local node. Where O(nodes) lists it, it counts as not answering, as it will while its server starts.
        type: str
        required: true
      service:
        description: Name of its systemd unit, such as V(banyandb-data.service).
        type: str
        required: true
      ports:
        description: TCP ports on which the process itself must listen. A stranger on the port does not count.
        type: list
        elements: int
        default: []
      timeout:
        description: How long to wait for the ports, in seconds, after systemd has done its own part.
        type: float
        default: 60
      needs:
        description:
          - Names of entries of which one has to answer, or nothing is stopped, written or started. A liaison, and a data node without the META
            role, serve only when a data node with it has answered at their start.
        type: list
        elements: str
        default: []
      report_failure:
        description:
          - Return RV(failure) and succeed when the server does not start.
          - For a play that judges all hosts of a wave together, and prints the reason once.
        type: bool
        default: false
  prove:
    description:
      - How to prove the push on the local server. Without it the file is written and RV(proved) is false.
    type: dict
    suboptions:
      name:
        description: Entry name of the local node.
        type: str
        required: true
      role:
        description: Kind of the local node.
        type: str
        choices: [data, liaison, standalone]
        required: true
      url:
        description: C(http://host:port) or C(https://host:port) of the local server's HTTP. A data node with TLS has no working HTTP.
        type: str
        default: http://127.0.0.1:17913
      timeout:
        description:
          - Seconds to wait for the view after each write. The default outlasts the 30 s poll that the roles set, which heals a lost file
            watch.
        type: float
        default: 60
      ca_path:
        description: CA that signed the certificate; required with an C(https) O(prove.url).
        type: path
      username:
        description: User for a server with authentication.
        type: str
      password:
        description: Password for a server with authentication.
        type: str
  reach_timeout:
    description: Seconds that each address gets to answer.
    type: float
    default: 2
  lock_timeout:
    description: Seconds to wait for another push to the same file to end.
    type: float
    default: 60
  backup:
    description: Keep a copy of the file that was there, beside it.
    type: bool
    default: false
  owner:
    description: Owner of the file. Unchanged by default, root for a new file.
    type: str
  group:
    description: Group of the file. Unchanged by default, root for a new file.
    type: str
  mode:
    description: Permission bits, as a string of octal digits, or as a number, which YAML also makes of an unquoted V(0644).
    type: raw
    default: "0644"
attributes:
  check_mode:
    support: full
    description:
      - Predicts exactly what a push would write; nothing is written, so the new view cannot be proved. Whether any of O(start.needs) answers is not
        asked, what starts them may have been predicted as well.
  diff_mode:
    support: full
    description: Shows the file before and after.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Push the topology of three nodes and prove it
  skywalking.banyandb.topology:
    nodes:
      - name: liaison1
        grpc_address: liaison1.example.org:18912
      - name: data1
        grpc_address: data1.example.org:17912
      - name: data2
        grpc_address: data2.example.org:17912
        labels:
          type: hot
    prove:
      name: data1
      role: data

- name: Take one node out, by name
  skywalking.banyandb.topology:
    nodes:
      - name: liaison1
        grpc_address: liaison1.example.org:18912
      - name: data1
        grpc_address: data1.example.org:17912
    remove:
      - data2
    prove:
      name: data1
      role: data

- name: Start a data node with the nodes that answer
  skywalking.banyandb.topology:
    nodes:
      - name: liaison1
        grpc_address: liaison1.example.org:18912
      - name: data1
        grpc_address: data1.example.org:17912
    admit: start
    start:
      name: data1
      service: banyandb-data.service
      ports: [17912, 17913]
"""

RETURN = r"""
added:
  description: Entries that the server is given now and was not given before.
  type: list
  elements: str
  returned: always
  sample: [data3]
removed:
  description: Entries that left.
  type: list
  elements: str
  returned: always
  sample: []
readdressed:
  description: Entries under another address.
  type: list
  elements: dict
  returned: always
  sample: [{"name": "data2", "before": "192.0.2.2:17912", "after": "192.0.2.22:17912"}]
renamed:
  description: Entries under another entry name at the same address; the server sees no change.
  type: list
  elements: dict
  returned: always
  sample: []
refreshed:
  description: Entries that were dropped and admitted again.
  type: list
  elements: str
  returned: always
  sample: []
held_back:
  description: Wanted entries that the server is not given because they do not answer.
  type: list
  elements: str
  returned: always
  sample: []
away:
  description: Listed entries that do not answer.
  type: list
  elements: str
  returned: always
  sample: []
writes:
  description: How many times the file was written, in check mode would be.
  type: int
  returned: always
  sample: 1
sha256:
  description: Of the file as it should be.
  type: str
  returned: when the push got as far as a plan
  sample: 6c1ddaf2f8a4b8f1a3b0c7d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718
proved:
  description: Whether the server's own view was seen to be right after the last write.
  type: bool
  returned: always
  sample: true
reload_seconds:
  description: Seconds from the last write to the right view.
  type: float
  returned: when the file was written and the view proved
  sample: 1.06
view:
  description: The local server's last view, table by table.
  type: dict
  returned: when O(prove) is given and the server answered
  sample: {"property": {"registered": [{"node_name": "data1:17912"}], "active": [], "evictable": []}}
started:
  description:
    - The start, with the C(seconds) from the order to it until the last port listened, and the C(main_pid), C(started_at) (UTC) and C(started_us)
      (on the monotonic clock of the host, in microseconds) of the process.
  type: dict
  returned: with O(start), not in check mode
  sample: {"seconds": 0.412, "main_pid": 4711, "started_at": "2026-08-21T10:14:26Z", "started_us": 86400000000}
failure:
  description: Why the server did not start (C(reason)), and the command that shows the rest of its journal (C(log)), or nothing.
  returned: with O(start.report_failure), when the server did not start
  type: dict
  sample:
    reason: 'banyandb-data did not start: "mkdir /proc/nowhere: no such file or directory"'
    log: journalctl -u banyandb-data
journal:
  description: The last lines of the journal of this start, without debug messages and stacks.
  returned: with O(start), when the server did not start; if the task fails, with C(-v) only
  type: list
  elements: str
  sample: ["banyandb-data.service: Main process exited, code=exited, status=1/FAILURE"]
verdict:
  description: Of this view, C(converged), C(converging), C(drift), C(stuck), C(partitioned) or C(unknown) (one of O(nodes) does not answer).
  type: str
  returned: always
  sample: converged
pairs:
  description: Where the view differs, what was expected, and what to do.
  type: list
  elements: dict
  returned: always
  sample: []
entries:
  description: All entries that a refusal is about, where its message has only the first.
  type: list
  elements: str
  returned: with C(-v), when the push is refused
  sample: ["node6 (10.0.0.16:17912)"]
backup_file:
  description: The copy of the file that was there.
  type: str
  returned: when O(backup) and a file was replaced
  sample: /etc/banyandb/topology.yml.2026-01-31T12:00:00.123456Z.bak
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import TopologyFileError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import push
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import LOCAL_SERVER, REQUIRED_TOGETHER
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_report import difference_of, result_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_request import read_request
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, ROLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT, ADMIT_START, READDRESS

ARGUMENTS = dict(
    path=dict(type="path", default="/etc/banyandb/topology.yml"),
    nodes=dict(
        type="list",
        elements="dict",
        required=True,
        options=dict(
            name=dict(type="str", required=True),
            grpc_address=dict(type="str", required=True),
            tls_enabled=dict(type="bool", default=False),
            ca_cert_path=dict(type="path"),
            role=dict(type="str", choices=[DATA, LIAISON]),
            node_name=dict(type="str"),
            roles=dict(type="list", elements="str"),
            labels=dict(type="dict"),
        ),
    ),
    remove=dict(type="list", elements="str", default=[]),
    readdress=dict(type="str", choices=list(READDRESS), default="refuse"),
    refresh=dict(type="list", elements="str", default=[]),
    refresh_stale=dict(type="bool", default=False),
    admit=dict(type="str", choices=list(ADMIT), default="answering"),
    as_listed=dict(type="list", elements="str", default=[]),
    unread=dict(type="bool", default=False),
    batch=dict(type="int", default=1),
    start=dict(
        type="dict",
        options=dict(
            name=dict(type="str", required=True),
            service=dict(type="str", required=True),
            ports=dict(type="list", elements="int", default=[]),
            timeout=dict(type="float", default=60),
            needs=dict(type="list", elements="str", default=[]),
            report_failure=dict(type="bool", default=False),
        ),
    ),
    prove=dict(
        type="dict",
        options=dict(
            name=dict(type="str", required=True),
            role=dict(type="str", choices=list(ROLES), required=True),
            timeout=dict(type="float", default=60),
            **LOCAL_SERVER,
        ),
        required_together=REQUIRED_TOGETHER,
    ),
    reach_timeout=dict(type="float", default=2),
    lock_timeout=dict(type="float", default=60),
    backup=dict(type="bool", default=False),
    owner=dict(type="str"),
    group=dict(type="str"),
    mode=dict(type="raw", default="0644"),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("admit", ADMIT_START, ["start"])],
        mutually_exclusive=[("start", "prove")],
    )
    if module.params["start"]:
        return start(module)
    try:
        outcome = push.push(read_request(module.params, module.check_mode))
    except (TopologyFileError, ValueError) as error:
        entries = getattr(error, "entries", ()) if module._verbosity else ()
        module.fail_json(msg=str(error), changed=False, **({"entries": entries} if entries else {}))
    except push.PushFailed as error:
        warn(module, error.outcome)
        module.fail_json(msg=str(error), **result_of(error.outcome, changed=error.outcome.writes > 0))
    warn(module, outcome)
    result = result_of(outcome, outcome.changed)
    if module._diff:
        result["diff"] = difference_of(outcome, module.params["path"])
    module.exit_json(**result)


def start(module: AnsibleModule) -> None:
    """Start the local server with its file, instead of a push to a server that runs."""
    # Imported for a start alone: every host compiles and imports a module at each execution, so a push would pay for these imports too.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import service_start, start_with_topology

    local = module.params["start"]

    def end(error: service_start.NotReady, changed: bool) -> None:
        if local["report_failure"]:
            module.exit_json(changed=changed, **error.to_mapping())
        module.fail_json(changed=changed, **error.to_failure(module._verbosity))

    server = start_with_topology.Server(local["service"], local["ports"], local["timeout"])
    try:
        outcome, difference, started = start_with_topology.start(read_request(module.params, module.check_mode), server)
    except (TopologyFileError, ValueError, HostStateError) as error:
        return end(service_start.NotReady(str(error)), changed=False)
    except service_start.NotReady as error:
        return end(error, changed=True)
    except push.PushFailed as error:
        return end(service_start.NotReady(str(error)), changed=True)
    warn(module, outcome)
    result = result_of(outcome, changed=True)
    if started:
        result["started"] = started.to_mapping()
    if module._diff:
        result["diff"] = [difference_of(outcome, module.params["path"]), difference]
    module.exit_json(**result)


def warn(module: AnsibleModule, outcome: push.Outcome) -> None:
    for warning in outcome.warnings:
        module.warn(warning)


if __name__ == "__main__":
    main()
