#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Compare a host with what should be there, all at once
version_added: 0.9.0
description:
  - Internal to the roles of this collection.
  - Looks at files, links, directories, users and services of a host in one execution, and tells what differs from
    what is wanted. Roles run their changing tasks only for that, so that a run that changes nothing costs one
    execution.
  - What a running server was started with is read from C(/proc) (its program and its environment), not guessed from
    the times of files.
  - Nothing is changed.
extends_documentation_fragment:
  - skywalking.banyandb.storage_option
options:
  files:
    description: Regular files that should exist. A link in the place of one counts as a difference.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: Name of the user that should own it. Not compared when left out.
        type: str
      group:
        description: Name of the group that should own it. Not compared when left out.
        type: str
      mode:
        description: Permission bits as an octal number in quotes, such as V("0640"). Not compared when left out.
        type: str
      sha256:
        description: SHA-256 of the content, in hexadecimal. Not compared when left out.
        type: str
      mark:
        description: How the content of a file begins that this collection wrote. Not compared when left out.
        type: str
  links:
    description: Symbolic links that should exist.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      target:
        description: What the link should say, letter by letter.
        type: str
        required: true
  directories:
    description: Directories that should exist. A link to one counts as one.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: Name of the user that should own it. Not compared when left out.
        type: str
      group:
        description: Name of the group that should own it. Not compared when left out.
        type: str
      mode:
        description: Permission bits as an octal number in quotes, such as V("0755"). Not compared when left out.
        type: str
  users:
    description: Users that should exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      named:
        description: Whether the operator has named it. An account of somebody else is a problem without that.
        type: bool
        default: false
  services:
    description: systemd services to look at.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the unit, such as V(banyandb-data.service).
        type: str
        required: true
      ports:
        description: TCP ports on which the process itself should listen.
        type: list
        elements: int
        default: []
      environment:
        description:
          - Variables that the process should have been started with, each with the SHA-256 of its value. The filter
            P(skywalking.banyandb.systemd_env_digests#filter) makes them.
          - Not compared when left out.
        type: dict
      program:
        description: Path of the program in the unit's C(ExecStart=). Not compared when left out.
        type: path
      program_target:
        description: The file that O(services[].program) should lead to.
        type: path
  beside:
    description: Names of units to tell of that are not compared with anything.
    type: list
    elements: str
    default: []
  versions_dir:
    description: Directory with the installed versions, side by side.
    type: path
  storage:
    description:
      - The node and its data directories. The module compares each directory with what the directory should be.
      - A directory is a problem if it has other content, has the marker of another node, or lacks data that the node stored before.
  topology:
    description: A topology file, of which to tell the entries and which of them answer. It need not exist.
    type: path
  names:
    description: Host names to resolve, side by side. An IP address needs none of that.
    type: list
    elements: str
    default: []
  root:
    description: Fail unless this runs as root, which what differs is going to be changed by. Without, it fails only for what it may not read.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
  diff_mode:
    description: Shows what changed, as a difference.
    support: none
  platform:
    description: Operating systems that it runs on.
    support: full
    platforms: linux
notes:
  - Reading the environment and the sockets of another user's process needs C(become).
seealso:
  - module: skywalking.banyandb.service_ready
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Compare the host with what it should be
  skywalking.banyandb.host_info:
    directories:
      - {path: /var/lib/banyandb, owner: banyandb, group: banyandb, mode: "0700"}
    files:
      - {path: /etc/banyandb/data.env, mode: "0640", sha256: "{{ environment_text | hash('sha256') }}"}
    services:
      - name: banyandb-data.service
        ports: [17912, 17913]
        environment: "{{ environment_wanted | skywalking.banyandb.systemd_env_digests }}"
  register: host

- name: Say why the server has to be restarted
  ansible.builtin.debug:
    var: host.services['banyandb-data.service'].needs_restart
"""

RETURN = r"""
differs:
  description: Everything that is not as it should be; empty when the host needs nothing.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: V(file), V(link), V(directory) or V(user).
      type: str
    path:
      description: Its path; the name of a user.
      type: str
    expected:
      description: The attributes that differ, as they should be.
      type: dict
    found:
      description: The same attributes as they are. C(what) is V(absent) when there is nothing.
      type: dict
  sample:
    - what: file
      path: /etc/banyandb/data.env
      expected: {mode: "0640"}
      found: {mode: "0644"}
services:
  description:
    - What was asked about each service, by its name.
    - C(needs_restart) has a mapping for each reason. C(reason) is V(environment_changed) or V(environment_left_over), with the names of the
      C(variables), V(program_changed), with the paths C(running) and C(wanted), or V(program_replaced), of a script whose link changed after its
      start.
  returned: success
  type: dict
  sample:
    banyandb-data.service:
      exists: true
      load_state: loaded
      fragment_path: /etc/systemd/system/banyandb-data.service
      drop_ins:
        - path: /etc/systemd/system/banyandb-data.service.d/local.conf
          settings:
            - {section: Service, option: Nice, reset: false, variables: []}
      active_state: active
      sub_state: running
      enabled: enabled
      main_pid: 4711
      started_at: "2026-08-21T10:14:26Z"
      started_us: 86400000000
      restarts: 0
      need_daemon_reload: false
      ports: [17912, 17913]
      silent_ports: []
      ready: true
      needs_restart:
        - reason: environment_changed
          variables: [BYDB_GRPC_PORT]
beside:
  description: Of each unit in O(beside), its C(main_pid), 0 when it does not run, and C(enabled), as systemd has it.
  returned: success
  type: dict
  sample: {banyandb-liaison.service: {main_pid: 0, enabled: ""}}
versions:
  description: Names of the versions in O(versions_dir).
  returned: success
  type: list
  elements: str
  sample: ["0.10.3", "0.11.0"]
architecture:
  description: V(amd64) or V(arm64), as releases are named; the machine's own name when it is neither.
  returned: success
  type: str
  sample: amd64
python_version:
  description: Version of the Python that ran this.
  returned: success
  type: str
  sample: 3.11.2
problems:
  description: Why the host must not be changed or its server started, sentences with what to do.
  returned: success
  type: list
  elements: str
  sample: ["/srv has other content (git, www). Set an empty directory in its place."]
storage:
  description:
    - Of each directory its real path, its stores, V(new), V(emptied), V(ours) or V(adopted) in C(state) or else the C(reason) of a problem, and the
      bytes that are free and in total on its file system. C(differs) tells whether any of them is not as it should be.
  returned: when O(storage) is given
  type: dict
  sample:
    differs: false
    roots:
      - {path: /var/lib/banyandb, real_path: /var/lib/banyandb, stores: [measure], state: ours, reason: null, free: 21474836480, total: 42949672960}
nft:
  description: Path of the program C(nft), empty when the host has none.
  returned: success
  type: str
  sample: /usr/sbin/nft
machine:
  description: What tells the machine from all others. Each is empty where the host does not have it.
  returned: success
  type: dict
  sample:
    machine_id: 0f9d1f2c7ad94f6ab61a37a1b2c3d4e5
    boot_id: 0c2f8c0e-6c1b-4e1c-9d55-3d9f6a1c2b7e
    pid_namespace: "pid:[4026531836]"
    product_uuid: 4c4c4544-0042-3510-8051-b4c04f4d4e32
unresolved:
  description: Of O(names), those without an address on this host, each with V(no_such_name), V(no_answer) or V(no_name), which is not a host name.
  returned: success
  type: dict
  sample: {"d5.example.org": "no_such_name"}
topology:
  description:
    - The entries that O(topology) lists and those that it holds back, and the names of those that answer, tried from this host. V(null) when
      there is no such file.
  returned: when O(topology) is given
  type: dict
  sample:
    listed: [{"name": "data1", "grpc_address": "192.0.2.1:17912"}]
    held_back: []
    answering: [data1]
error_type:
  description: V(permission_denied), V(unreadable), V(no_systemd) or V(invalid_argument).
  returned: failure
  type: str
  sample: permission_denied
"""

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import data_directory, host_state
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.machine_identity import machine_identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services, unit_overrides

# That each address of a topology gets to answer, as the module topology gives it.
REACH_SECONDS = 2.0

ARGUMENTS: dict[str, Any] = {
    "files": {"type": "list", "elements": "dict", "default": [], "options": {**host_state.OWNED_OPTIONS, "sha256": {}, "mark": {}}},
    "links": {"type": "list", "elements": "dict", "default": [], "options": host_state.LINK_OPTIONS},
    "directories": {"type": "list", "elements": "dict", "default": [], "options": host_state.OWNED_OPTIONS},
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"required": True}, "named": {"type": "bool", "default": False}},
    },
    "services": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"required": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            # digests of weak secrets are guessable: keep them out of logs as well
            "environment": {"type": "dict", "no_log": True},
            "program": {"type": "path"},
            "program_target": {"type": "path"},
        },
    },
    "beside": {"type": "list", "elements": "str", "default": []},
    "versions_dir": {"type": "path"},
    "storage": {"type": "dict", "options": data_directory.STORAGE_OPTIONS},
    "topology": {"type": "path"},
    "names": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "bool", "default": False},
}


def look(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that this module returns. Raises host_state.InvalidArgument and HostStateError."""
    if parameters["root"]:
        host_state.require_root()
    differs = host_state.user_differences(user["name"] for user in parameters["users"])
    differs += host_state.differences(host_state.wanted(parameters))
    problems = [problem for user in parameters["users"] for problem in [host_state.user_problem(user["name"], user["named"])] if problem]
    storage: dict[str, Any] = {}
    if parameters["storage"]:
        found = data_directory.look(data_directory.Storage.of(parameters["storage"]))
        problems += found.problems
        of_storage = found.differences()
        differs += of_storage
        storage = {"storage": {"differs": bool(of_storage), "roots": [{**root, **_space(root["real_path"])} for root in found.facts()]}}
    result: dict[str, Any] = {
        "differs": [asdict(difference) for difference in differs],
        "problems": problems,
        **storage,
        **_services(parameters["services"], parameters["beside"]),
        "versions": host_state.versions_in(parameters["versions_dir"]) if parameters["versions_dir"] else [],
        "architecture": host_state.architecture(),
        "python_version": platform.python_version(),
        "machine": machine_identity(),
        "unresolved": unresolved_here(parameters["names"]),
        "nft": shutil.which("nft", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin") or "",
    }
    if parameters["topology"]:
        result["topology"] = topology_now(parameters["topology"])
    return result


def unresolved_here(names: Sequence[str]) -> dict[str, str]:
    """Return which of ``names`` have no address on this host, and why."""
    if not names:
        return {}
    # Imported where it is asked for: every probe of every host compiles what stands above.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.name_resolution import unresolved

    return unresolved(names)


def _space(path: str) -> dict[str, int]:
    _directory, free, total = host_state.free_space(path)
    return {"free": free, "total": total}


def topology_now(path: str) -> dict[str, Any] | None:
    """What the file says, and who of it answers. Raises HostStateError."""
    # Imported where it is asked for: every probe of every host compiles what stands above.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import reach
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError

    try:
        found = topology_file.read(path)
    except (topology_file.TopologyFileError, TopologyError) as error:
        raise host_state.HostStateError("unreadable", str(error)) from None
    if found is None:
        return None
    answering = reach.answering(found[0].nodes, REACH_SECONDS)
    return {
        "listed": [node.to_mapping() for node in found[0].listed],
        "held_back": [node.to_mapping() for node in found[0].held_back],
        "answering": sorted(node.name for node in found[0].nodes if node.grpc_address in answering),
    }


def _services(asked: Sequence[Mapping[str, Any]], beside: Sequence[str]) -> dict[str, Any]:
    names = [item["name"] for item in asked]
    found = systemd_services.services([*names, *(name for name in beside if name not in names)])
    return {
        "services": {item["name"]: _facts(found[item["name"]], item) for item in asked},
        "beside": {name: {"main_pid": found[name].main_pid, "enabled": found[name].enabled} for name in beside},
    }


def _facts(unit: systemd_services.Service, item: Mapping[str, Any]) -> dict[str, Any]:
    silent = running_process.silent_ports(unit.main_pid, item["ports"]) if unit.main_pid else sorted(item["ports"])
    return {
        "exists": unit.exists,
        "load_state": unit.load_state,
        "fragment_path": unit.fragment_path,
        "drop_ins": unit_overrides.drop_ins(unit.name, unit.drop_in_paths),
        "active_state": unit.active_state,
        "sub_state": unit.sub_state,
        "enabled": unit.enabled,
        "main_pid": unit.main_pid,
        "started_at": unit.started_at,
        "started_us": unit.started_us,
        "restarts": unit.restarts,
        "need_daemon_reload": unit.need_daemon_reload,
        "ports": item["ports"],
        "silent_ports": silent,
        "ready": unit.active_state == "active" and bool(unit.main_pid) and not silent,
        "needs_restart": [
            reason.to_mapping() for reason in running_process.restart_reasons(unit, item["environment"], item["program"], item["program_target"])
        ],
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = look(module.params)
    except host_state.InvalidArgument as error:
        module.fail_json(msg=str(error), error_type="invalid_argument")
    except host_state.HostStateError as error:
        module.fail_json(msg=str(error), error_type=error.kind)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
