#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: topology
short_description: Push a topology file to a BanyanDB host and prove that its server loaded it
version_added: 0.9.0
description:
  - Writes the topology file, from which a BanyanDB server reads its nodes (C(--node-discovery-mode=file)), and waits until the server has
    loaded the file. Then reads the server's cluster state and checks that the view shows every listed node that responds.
  - One execution on the host does all of that.
  - A BanyanDB server accepts a bad file without an error and then drops nodes. The module refuses such a file before it writes anything.
  - An entry leaves the file only when O(remove) names the entry. The module refuses a shorter list, and its message names the missing entries.
  - When an entry gets another address, the module writes the file twice, first without the entry and then with it. A server that reads such
    a change in one write loses the node for good.
  - Entries that do not respond come last in the file, because each of them delays the entries behind it by 5 s. A new entry that does
    not respond becomes a comment, until a later push finds that it responds.
  - A liaison uses a new data node at once, and loses points while the node does not know the schema. So on a liaison the push waits until a new data
    node has loaded the measures, streams and traces of the cluster. After O(prove.timeout) seconds, the push holds back a node without them (see
    O(unready)). With V(start) in O(admit), a liaison starts without new data nodes. V(all) in O(admit) does not wait.
  - The module replaces a file as a whole, by a rename in the same directory. Pushes to one file wait for each other.
options:
  path:
    description:
      - Absolute path of the topology file. The directory must exist.
      - The module refuses a symbolic link, because the server does not notice a change of the link.
    type: path
    default: /etc/banyandb/topology.yml
  nodes:
    description:
      - All nodes of the cluster. You can give every host the same full list. Each server uses the entries that it needs.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the entry, unique. The roles use the inventory name.
        type: str
        required: true
      grpc_address:
        description:
          - Address for the other nodes, as C(host:port). The port is 17912 for a data node, 18912 for a liaison. Write an IPv6 host in brackets.
        type: str
        required: true
      tls_enabled:
        description: Whether the port speaks TLS.
        type: bool
        default: false
      ca_cert_path:
        description: Absolute path, on this host, of the CA that signed the node's certificate. Required with O(nodes[].tls_enabled).
        type: path
      role:
        description: Kind of node. The default is C(liaison) for port 18912 and C(data) for all other ports.
        type: str
        choices: [data, liaison]
      node_name:
        description: Name that the node reports, C(<node host>:<port>), unique. The default is the address.
        type: str
      roles:
        description: Roles that the view must show for the node, such as C(ROLE_DATA). Without this option the view may show any roles.
        type: list
        elements: str
      labels:
        description: Labels that the view must show for the node. Without this option the view may show any labels.
        type: dict
  remove:
    description: Names of the entries that the push may remove.
    type: list
    elements: str
    default: []
  readdress:
    description:
      - What to do when a known entry gets another address. V(refuse) fails. V(stage) writes the file twice and checks the view after each write.
      - If the new address does not respond, the file keeps the old address.
    type: str
    choices: [refuse, stage]
    default: refuse
  refresh:
    description:
      - Names of the entries to remove and add again, in two writes. A server keeps the labels and roles that it saw first, until the entry
        leaves the file.
    type: list
    elements: str
    default: []
  refresh_stale:
    description: Also refresh each entry for which the view shows another name, other labels or other roles than O(nodes).
    type: bool
    default: false
  admit:
    description:
      - Which entries of O(nodes) the server gets.
      - V(answering) lists known entries, and new entries that respond. A new entry that does not respond becomes a comment in the file.
      - V(all) lists every entry.
      - V(start) lists only the entries that respond now, because each other entry delays the start of the server by 5 s. V(start) needs O(start).
    type: str
    choices: [answering, all, start]
    default: answering
  as_listed:
    description:
      - Names of entries that keep their line in the file, although O(nodes) has a new one. Use this option for servers that still run with
        their previous address or TLS setting.
      - An entry that the file does not list comes from O(nodes).
    type: list
    elements: str
    default: []
  unready:
    description:
      - What to do on a liaison with a new data node that lacks the schema after O(prove.timeout) seconds. Both values hold the node back and do all
        other changes. V(fail) then fails. V(hold_back) warns.
    type: str
    choices: [fail, hold_back]
    default: fail
  unread:
    description:
      - Whether the server has never read the file, because the server ran in another discovery mode. The module then replaces the file without
        a comparison with its entries.
      - Use with V(start) in O(admit). In check mode you can also use this option for the push that follows such a start.
    type: bool
    default: false
  batch:
    description: Largest number of entries with a new address, or refreshed entries, that are missing from the view at one time.
    type: int
    default: 1
  start:
    description:
      - The local server to start, with V(start) in O(admit).
      - The module decides what to write, stops the server if it runs, writes the file and starts the server. The module ends when the server's
        own process listens on O(start.ports) and watches the file. After the ports, the watch gets up to 10 s more.
      - A process that ends during its start is an error at once. The error shows the decisive message of the journal.
    type: dict
    suboptions:
      name:
        description: Name of the local node's entry. The module treats this entry as not responding, because the server is down until it starts.
        type: str
        required: true
      service:
        description: Name of the systemd unit, such as V(banyandb-data.service).
        type: str
        required: true
      ports:
        description: TCP ports on which the server's own process must listen. Another process that listens on the port does not count.
        type: list
        elements: int
        default: []
      timeout:
        description: Seconds to wait for the ports, after systemd has started the unit.
        type: float
        default: 60
      needs:
        description:
          - Names of entries of which at least one must respond. If none responds, the module fails and does not stop, write or start anything.
          - A liaison, and a data node without the META role, serve only if a data node with the META role responds at their start.
        type: list
        elements: str
        default: []
      report_failure:
        description:
          - Return RV(failure) and succeed when the server does not start.
          - Use this option in a play that judges all hosts of a wave together and prints the reason once.
        type: bool
        default: false
  prove:
    description:
      - How to prove the push on the local server. Without this option the module writes the file, and RV(proved) is false.
    type: dict
    suboptions:
      name:
        description: Name of the local node's entry.
        type: str
        required: true
      role:
        description: Kind of the local node.
        type: str
        choices: [data, liaison, standalone]
        required: true
      service:
        description:
          - Name of the server's unit, such as V(banyandb-data.service). The module then queries the host and port on which the running process
            listens.
          - The module refuses the push if this process serves the other nodes with TLS and its entry does not, or the reverse. Check mode permits it.
        type: str
      url:
        description:
          - URL of the local server's HTTP port, C(http://host:port) or C(https://host:port). A data node with TLS has no working HTTP port.
          - The module uses the host and port of the URL without O(prove.service), and if O(prove.service) does not run.
        type: str
        default: http://127.0.0.1:17913
      timeout:
        description:
          - Seconds to wait for the view after each write. On a liaison also the seconds to wait for the schema of new data nodes, before the first
            write.
          - A server that no longer watches the file reads it by a poll, which the roles set to 30 s. Use more seconds than that poll.
        type: float
        default: 60
      ca_path:
        description: CA that signed the certificate of an C(https) O(prove.url). Required with such an URL.
        type: path
      username:
        description: User for a server with authentication.
        type: str
      password:
        description: Password of O(prove.username).
        type: str
  reach_timeout:
    description: Seconds to wait for the response of each address.
    type: float
    default: 2
  lock_timeout:
    description: Seconds to wait for the end of another push to the same file. A push that waits for a schema takes O(prove.timeout) longer.
    type: float
    default: 150
  backup:
    description: Keep a copy of the replaced file, in the same directory.
    type: bool
    default: false
  owner:
    description: Owner of the file. By default, an existing file keeps its owner, and a new file belongs to root.
    type: str
  group:
    description: Group of the file. By default, an existing file keeps its group, and a new file belongs to root.
    type: str
  mode:
    description: Permission bits of the file, as text of octal digits. A number works too, because YAML reads an unquoted V(0644) as a number.
    type: raw
    default: "0644"
attributes:
  check_mode:
    support: full
    description:
      - Predicts exactly what a push writes. The module writes nothing, so there is no new view to prove.
      - The module does not check O(start.needs), because check mode may also only have predicted the start of these nodes.
  diff_mode:
    support: full
    description: Shows the file before and after the push.
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

- name: Remove the node data2
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

- name: Start a data node with the nodes that respond
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
  description: Entries that the file lists now and did not list before.
  type: list
  elements: str
  returned: always
  sample: [data3]
removed:
  description: Entries that the push removed.
  type: list
  elements: str
  returned: always
  sample: []
readdressed:
  description: Entries with a new address.
  type: list
  elements: dict
  returned: always
  sample: [{"name": "data2", "before": "192.0.2.2:17912", "after": "192.0.2.22:17912"}]
renamed:
  description: Entries with a new entry name at the same address. The server sees no change.
  type: list
  elements: dict
  returned: always
  sample: []
refreshed:
  description: Entries that the push removed and added again.
  type: list
  elements: str
  returned: always
  sample: []
held_back:
  description: Entries of O(nodes) that do not respond or that lack the schema (RV(unready)), and that the file does not list yet.
  type: list
  elements: str
  returned: always
  sample: []
away:
  description: Listed entries that do not respond.
  type: list
  elements: str
  returned: always
  sample: []
unready:
  description: Data nodes that respond and that the liaison must not use yet, with the reason. Always empty on other servers and in check mode.
  type: dict
  returned: always
  sample: {"data3": "data3: not added, it lacks measure sw_metric/service_cpm_minute after 60 s. ..."}
writes:
  description: Number of writes of the file. In check mode, number of writes that a push makes.
  type: int
  returned: always
  sample: 1
sha256:
  description: SHA-256 sum of the file after the push.
  type: str
  returned: when the push has a plan
  sample: 6c1ddaf2f8a4b8f1a3b0c7d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718
proved:
  description: Whether the server's own view was right after the last write.
  type: bool
  returned: always
  sample: true
reload_seconds:
  description: Seconds from the last write to the right view.
  type: float
  returned: when the module wrote the file and proved the view
  sample: 1.06
view:
  description: The local server's last view, table by table.
  type: dict
  returned: when O(prove) is given and the server responded
  sample: {"property": {"registered": [{"node_name": "data1:17912"}], "active": [], "evictable": []}}
started:
  description:
    - The start of the server. C(seconds) is the time from the start order until the last port listened. C(main_pid), C(started_at) (UTC) and
      C(started_us) (monotonic clock of the host, in microseconds) describe the process.
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
  description: Verdict of the view, C(converged), C(converging), C(drift), C(stuck), C(partitioned) or C(unknown) (one of O(nodes) does not respond).
  type: str
  returned: always
  sample: converged
pairs:
  description: The differences in the view, each with the expected state and what to do.
  type: list
  elements: dict
  returned: always
  sample: []
entries:
  description: All entries that the module refuses. The message names only the first ones.
  type: list
  elements: str
  returned: with C(-v), when the module refuses the push
  sample: ["node6 (10.0.0.16:17912)"]
backup_file:
  description: Path of the copy of the replaced file.
  type: str
  returned: when O(backup) is set and the module replaced a file
  sample: /etc/banyandb/topology.yml.2026-01-31T12:00:00.123456Z.bak
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import TopologyFileError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push import push
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import Outcome, PushFailed
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_options import ARGUMENTS
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_report import difference_of, result_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_request import read_request
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT_START


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
        outcome = push(read_request(module.params, module.check_mode))
    except (TopologyFileError, ValueError) as error:
        entries = getattr(error, "entries", ()) if module._verbosity else ()
        module.fail_json(msg=message(error), changed=False, **({"entries": entries} if entries else {}))
    except PushFailed as error:
        warn(module, error.outcome)
        module.fail_json(msg=message(error), **result_of(error.outcome, changed=error.outcome.writes > 0))
    warn(module, outcome)
    result = result_of(outcome, outcome.changed)
    if module._diff:
        result["diff"] = difference_of(outcome, module.params["path"])
    module.exit_json(**result)


def start(module: AnsibleModule) -> None:
    """Start the local server with its file, instead of a push to a server that runs."""
    # Imported for a start alone: every host compiles and imports a module at each execution, so a push would pay for these imports too.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
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
    except PushFailed as error:
        return end(service_start.NotReady(str(error)), changed=True)
    warn(module, outcome)
    result = result_of(outcome, changed=True)
    if started:
        result["started"] = started.to_mapping()
    if module._diff:
        result["diff"] = [difference_of(outcome, module.params["path"]), difference]
    module.exit_json(**result)


def warn(module: AnsibleModule, outcome: Outcome) -> None:
    for warning in outcome.warnings:
        module.warn(message(warning))


if __name__ == "__main__":
    main()
