#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: "Internal: compare a host with its expected state"
version_added: 0.9.0
description:
  - Internal to the roles of this collection.
  - Reads files, links, directories, users and services of a host in one execution, and returns the differences from the expected state.
  - Roles run their changing tasks only for these differences. A run without changes therefore needs only one execution of this module.
  - Reads the program and the environment of a running server from C(/proc). Does not compare the times of files.
  - Changes nothing.
extends_documentation_fragment:
  - skywalking.banyandb.storage_option
options:
  files:
    description: Regular files that must exist. A link instead of a file is a difference.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User that must own the path. Without a value the module does not compare the owner.
        type: str
      group:
        description: Group that must own the path. Without a value the module does not compare the group.
        type: str
      mode:
        description: Permission bits as an octal number in quotes, such as V("0640"). Without a value the module does not compare the mode.
        type: str
      sha256:
        description: SHA-256 of the content, in hexadecimal. Without a value the module does not compare the content.
        type: str
      mark:
        description: Start of the content of files that this collection writes. Without a value the module does not check who wrote the file.
        type: str
  links:
    description: Symbolic links that must exist.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      target:
        description: Exact text of the link's target.
        type: str
        required: true
  directories:
    description: Directories that must exist. A link to a directory counts as a directory.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User that must own the path. Without a value the module does not compare the owner.
        type: str
      group:
        description: Group that must own the path. Without a value the module does not compare the group.
        type: str
      mode:
        description: Permission bits as an octal number in quotes, such as V("0755"). Without a value the module does not compare the mode.
        type: str
  users:
    description: Users that must exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      named:
        description: Whether the operator set this user name. If not, an existing account that this collection did not create is a problem.
        type: bool
        default: false
  services:
    description: systemd services to compare.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the unit, such as V(banyandb-data.service).
        type: str
        required: true
      ports:
        description: TCP ports on which the service's main process must listen.
        type: list
        elements: int
        default: []
      environment:
        description:
          - Expected environment of the process. Variable name, then the SHA-256 of the value, so Ansible does not send secrets to the host
            for the comparison.
          - Without a value the module does not compare the environment.
        type: dict
      program:
        description: Path of the program in the unit's C(ExecStart=). Without a value the module does not compare the program.
        type: path
      program_target:
        description: The file to which the link O(services[].program) must lead.
        type: path
  beside:
    description: Names of units whose state the module returns but does not compare.
    type: list
    elements: str
    default: []
  versions_dir:
    description: Directory with the installed versions.
    type: path
  storage:
    description:
      - The node and its data directories. The module compares each directory with what the directory should be.
      - A directory is a problem if it has other content, has the marker of another node, or lacks data that the node stored before.
  topology:
    description: Topology file whose entries the module returns. Also returns which entries are reachable. The file may be missing.
    type: path
  topology_names:
    description: Topology file whose names of listed entries the module returns. The file may be missing or invalid.
    type: path
  guard:
    description:
      - The nodes that a push to O(topology_names) would list. Returns RV(dropped).
    type: dict
    suboptions:
      nodes:
        description: Entries as in the option O(skywalking.banyandb.topology#module:nodes) of M(skywalking.banyandb.topology).
        type: list
        elements: dict
        required: true
      remove:
        description: Names of entries that may leave.
        type: list
        elements: str
        default: []
  push:
    description:
      - Options of M(skywalking.banyandb.topology). O(skywalking.banyandb.topology#module:prove) is required, without a user and a password.
        The host logs in with the first user of the server's file.
      - The module also compares C(topology.yml) and the view of the server with these options. The host must have no other difference, and its server
        must run with the expected settings.
      - If both are right, a play needs no push to the host.
    type: dict
  names:
    description: Host names to resolve in parallel. The module does not resolve IP addresses.
    type: list
    elements: str
    default: []
  tls:
    description: Absolute path of the directory with the certificate of the node. Returns RV(tls).
    type: path
  firewall:
    description: Option O(skywalking.banyandb.node_firewall#module:firewall) of M(skywalking.banyandb.node_firewall). Returns RV(firewall).
    type: dict
  users_file:
    description: The file with the users of the server. Returns RV(users_file).
    type: dict
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User that must own the file.
        type: str
      sha256:
        description: SHA-256 of the content without its padding, in hexadecimal. Without a value the server has no users.
        type: str
  root:
    description: Whether to fail unless the module runs as root. Later tasks need root to change the host. With V(false) the module fails only if it
      may not read a path.
    type: bool
    default: false
attributes:
  check_mode:
    description: Returns the same in check mode as outside of check mode.
    support: full
  diff_mode:
    description: Returns no difference.
    support: none
  platform:
    description: Operating systems on which the module runs.
    support: full
    platforms: linux
notes:
  - The module needs C(become) to read the environment and the sockets of a process of a different user.
seealso:
  - module: skywalking.banyandb.service_ready
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Compare the host with its expected state
  skywalking.banyandb.host_info:
    directories:
      - {path: /var/lib/banyandb, owner: banyandb, group: banyandb, mode: "0700"}
    files:
      - {path: /etc/banyandb/data.env, mode: "0640", sha256: "{{ environment_text | hash('sha256') }}"}
    services:
      - name: banyandb-data.service
        ports: [17912, 17913]
        environment: {BYDB_LOGGING_LEVEL: "{{ 'info' | hash('sha256') }}"}
  register: host

- name: Print why the server needs a restart
  ansible.builtin.debug:
    var: host.services['banyandb-data.service'].needs_restart
"""

RETURN = r"""
differs:
  description: All differences from the expected state. Empty if the host needs no change.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: V(file), V(link), V(directory) or V(user).
      type: str
    path:
      description: The path, or the name of the user.
      type: str
    expected:
      description: The expected values of the changed attributes, without the digest of a file.
      type: dict
    found:
      description: The current values of these attributes. C(what) is V(absent) if the path is missing.
      type: dict
  sample:
    - what: file
      path: /etc/banyandb/data.env
      expected: {mode: "0640"}
      found: {mode: "0644"}
services:
  description:
    - Service name, then the state of the service.
    - C(needs_restart) has a mapping for each reason. With the C(reason) V(environment_changed) or V(environment_left_over), C(variables) has the
      names of the variables. With V(program_changed), C(running) and C(wanted) have the paths. V(program_replaced) means that the link of a
      script changed after the start. V(users_unread) means that the server cannot see changes of O(users_file), and V(login_refused) that the
      server refuses the first user of the file. V(certificate_not_loaded) means that a port serves another certificate until a restart.
    - C(switches_tls) means that the server runs, or was last configured, with a different value of C(BYDB_TLS).
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
      switches_tls: false
beside:
  description: Name of each unit in O(beside), then its C(main_pid) and its state C(enabled) of systemd. C(main_pid) is 0 if the unit does not run.
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
  description: V(amd64) or V(arm64), as in the names of releases. For other machines, the name that the machine reports.
  returned: success
  type: str
  sample: amd64
python_version:
  description: Version of the Python that ran the module.
  returned: success
  type: str
  sample: 3.11.2
problems:
  description: Why the role must not change the host or start its server. Each sentence has the remedy.
  returned: success
  type: list
  elements: str
  sample: ["/srv has other content (git, www). Set an empty directory in its place."]
storage:
  description:
    - C(roots) has the real path and the stores of each directory, and the free and total bytes of its file system. C(state) is V(new), V(emptied),
      V(ours) or V(adopted). A directory with a problem has the C(reason) instead of a C(state). C(former_host) is the inventory name in the marker
      if the node has another name now.
    - C(differs) is V(true) if at least one directory is not in its expected state.
  returned: when O(storage) is given
  type: dict
  sample:
    differs: false
    roots:
      - {path: /var/lib/banyandb, real_path: /var/lib/banyandb, stores: [measure], state: ours, reason: null, former_host: "", free: 21474836480,
         total: 42949672960}
nft:
  description: Path of the program C(nft). Empty if the host has no C(nft).
  returned: success
  type: str
  sample: /usr/sbin/nft
machine:
  description: Identifiers of the machine. An identifier that the host does not have is empty.
  returned: success
  type: dict
  sample:
    machine_id: 0f9d1f2c7ad94f6ab61a37a1b2c3d4e5
    boot_id: 0c2f8c0e-6c1b-4e1c-9d55-3d9f6a1c2b7e
    pid_namespace: "pid:[4026531836]"
    product_uuid: 4c4c4544-0042-3510-8051-b4c04f4d4e32
unresolved:
  description: Each of O(names) that this host cannot resolve, then V(no_such_name), V(no_answer) or V(no_name). V(no_name) means that the text is
    not a host name.
  returned: success
  type: dict
  sample: {"d5.example.org": "no_such_name"}
topology:
  description:
    - C(listed) has the entries of O(topology). C(held_back) has the entries that the file holds back. C(answering) has the names of the entries
      that this host can reach. V(null) without the file.
  returned: when O(topology) is given
  type: dict
  sample:
    listed: [{"name": "data1", "grpc_address": "192.0.2.1:17912"}]
    held_back: []
    answering: [data1]
tls:
  description:
    - The files C(ca), C(certificate) and C(key), each with C(what), C(owner), C(group), C(mode), C(sha256) and C(text).
    - C(text) has certificates, never a key. C(pair) is true if certificate and key match.
    - C(served) has the certificate of each TLS port of the running server, as PEM text. C(kept) has those of ports that load a new certificate only
      at a start.
    - C(expired) is true if the certificate has expired, by the clock of the host.
  returned: when O(tls) is given
  type: dict
  sample: {"pair": true, "served": [], "kept": [], "expired": false, "certificate": {"what": "file", "mode": "0644", "sha256": ["8a1c"]}}
firewall:
  description:
    - C(differs) is V(true) if the host needs a change. C(problems) has the reasons why the host cannot load the firewall.
    - C(blocked) has warnings about firewalls of other programs that drop what the server needs.
    - C(unlisted) has the addresses from which this host connects to the members, and which the rules of this host do not accept.
    - C(resolved) has the addresses of the members that have names.
    - C(first) is V(true) if the host has no firewall yet.
    - V(null) if this host cannot resolve all O(names).
  returned: when O(firewall) is given
  type: dict
  sample: {"differs": false, "problems": [], "blocked": [], "unlisted": [], "resolved": [], "first": false}
users_file:
  description:
    - C(state) is V(absent), V(ours), or V(other) for a file that this collection did not write.
    - C(wanted) is V(false) without O(users_file.sha256).
    - C(differs) is V(true) if the host needs another file, or has a file that it does not need.
  returned: when O(users_file) is given
  type: dict
  sample: {"state": "ours", "wanted": true, "differs": false}
topology_names:
  description: Names of the listed entries. Empty without a valid file.
  returned: when O(topology_names) is given
  type: list
  elements: str
  sample: [data1, data2]
dropped:
  description: Why a push would refuse to drop entries of O(topology_names). Empty if the push would drop none, and without a valid file.
  returned: when O(guard) is given
  type: str
  sample: "topology.yml: refusing to drop data3, which is not in the inventory. Add the host to the inventory, or to banyandb_remove."
push:
  description: The result of M(skywalking.banyandb.topology) that a push would have, if a push has nothing to do. V(null) if the host needs a push.
  returned: when O(push) is given
  type: dict
  sample: {"changed": false, "proved": true, "verdict": "converged", "pairs": []}
error_type:
  description: V(permission_denied), V(unreadable), V(no_systemd) or V(invalid_argument).
  returned: failure
  type: str
  sample: permission_denied
"""

import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import data_directory, host_state
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.machine_identity import machine_identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process, systemd_services, unit_overrides
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.needed_restart import restart_reasons, switches_tls
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

if TYPE_CHECKING:
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology

# Seconds to reach one address of a topology. The module topology has the same default.
REACH_SECONDS = 2.0

ARGUMENTS: dict[str, Any] = {
    # An attacker can guess a weak secret from a digest, so the digests stay out of logs and results.
    "files": {"type": "list", "elements": "dict", "default": [], "options": {**host_state.OWNED_OPTIONS, "sha256": {"no_log": True}, "mark": {}}},
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
            "environment": {"type": "dict", "no_log": True},
            "program": {"type": "path"},
            "program_target": {"type": "path"},
        },
    },
    "beside": {"type": "list", "elements": "str", "default": []},
    "versions_dir": {"type": "path"},
    "storage": {"type": "dict", "options": data_directory.STORAGE_OPTIONS},
    "topology": {"type": "path"},
    "topology_names": {"type": "path"},
    "guard": {
        "type": "dict",
        "options": {"nodes": {"type": "list", "elements": "dict", "required": True}, "remove": {"type": "list", "elements": "str", "default": []}},
    },
    "push": {"type": "dict"},
    "names": {"type": "list", "elements": "str", "default": []},
    "tls": {"type": "path"},
    "firewall": {"type": "dict"},
    "users_file": {"type": "dict", "options": {"path": {"type": "path", "required": True}, "owner": {}, "sha256": {"no_log": True}}},
    "root": {"type": "bool", "default": False},
}


def look(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module. Raises host_state.InvalidArgument and HostStateError."""
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
        "differs": [without_digests(difference) for difference in differs],
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
    if parameters["topology_names"]:
        found_topology = readable_topology(parameters["topology_names"])
        result["topology_names"] = [node.name for node in found_topology.listed]
        if parameters["guard"]:
            result["dropped"] = dropped_now(found_topology, parameters["guard"])
    if parameters["tls"]:
        result["tls"] = certificates_now(parameters["tls"], next(iter(result["services"].values()), None))
    if parameters["firewall"]:
        result["firewall"] = None if result["unresolved"] else firewall_now(parameters["firewall"])
    if parameters["users_file"]:
        result["users_file"] = users_now(parameters["users_file"], result["problems"], list(result["services"].values()))
    if parameters["push"]:
        services = list(result["services"].values())
        differs_in_users = result.get("users_file", {}).get("differs", False)
        stays = not differs and not problems and not differs_in_users and all(is_as_expected(service) for service in services)
        result["push"] = push_already_proved(parameters["push"], services[0]["main_pid"] if services else 0) if stays else None
    return result


def without_digests(difference: host_state.Difference) -> dict[str, Any]:
    """Return a difference as the module returns it."""
    return {
        **asdict(difference),
        **{side: {name: value for name, value in getattr(difference, side).items() if name != "sha256"} for side in ("expected", "found")},
    }


def is_as_expected(service: Mapping[str, Any]) -> bool:
    """Return whether a service runs with its expected settings. ``service``: as the module returns it."""
    return bool(service["ready"] and not service["needs_restart"] and not service["need_daemon_reload"])


def push_already_proved(options: Mapping[str, Any], pid: int) -> dict[str, Any] | None:
    """Return the result of a push that has nothing to do, or None.

    ``options``: as of the module topology. ``pid``: process of the server, or 0. Raises host_state.InvalidArgument and HostStateError.
    """
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push import proved_already
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_options import ARGUMENTS as PUSH_ARGUMENTS
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_report import result_of
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_request import read_request
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import server_of_process
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import TermsError

    running = server_of_process(pid) if pid else None
    validated = ArgumentSpecValidator(PUSH_ARGUMENTS).validate(options)
    try:
        if validated.error_messages:
            raise ValueError(validated.error_messages[0])
        if {"username", "password"} & set(options.get("prove") or ()):
            # Ansible would log the password, because it does not know the options inside this option.
            raise ValueError("prove has a user. Leave out username and password")
        outcome = proved_already(read_request(validated.validated_parameters, check=True, at=running.at if running else None))
    except TermsError:
        return None  # the CA of the host is lost or damaged: the run writes it, then the push proves the view
    except ValueError as error:
        raise host_state.InvalidArgument(f"push: {error}") from None
    return None if outcome is None else result_of(outcome, changed=False)


def certificates_now(directory: str, service: dict[str, Any] | None) -> dict[str, Any]:
    """Return the certificates in ``directory``, and those that the server serves now. Adds the reason to restart a server that did not load its own.

    ``service``: as the module returns it. Raises HostStateError.
    """
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.certificate_files import found_files
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.served_certificate import pems_of
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import server_of_process
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import waits_for_restart
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import CERTIFICATE_FILE

    found = found_files(directory)
    running = server_of_process(service["main_pid"]) if service and service["main_pid"] else None
    own = os.path.join(directory, CERTIFICATE_FILE)
    kept = [address for address, path in running.at.tls_at_start.items() if path == own] if running else []
    result = {
        **{name: getattr(found, name)._asdict() for name in ("ca", "certificate", "key")},
        "pair": found.pair,
        # A server that has just started, or hangs, serves nothing: the proof of its view says so.
        "served": pems_of(running.at.tls_addresses if running else (), REACH_SECONDS),
        "kept": pems_of(kept, REACH_SECONDS),
        "expired": has_ended(found.certificate.text),
    }
    if service and found.certificate.text and waits_for_restart(result):
        service["needs_restart"].append(RestartReason(Reason.CERTIFICATE_NOT_LOADED).to_mapping())
    return result


def has_ended(text: str) -> bool:
    """Return whether the first certificate of a PEM text has expired, by the clock of this host."""
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_der import BadDer, certificates_in, serial_and_end

    try:
        return any(serial_and_end(der)[1] <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) for der in certificates_in(text.encode())[:1])
    except BadDer:
        return False


def firewall_now(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the firewall of this host, compared with the options of the module node_firewall. Raises host_state.InvalidArgument."""
    if not options.get("ports"):
        there = any(map(os.path.lexists, options.get("paths", ())))
        return {"differs": there, "problems": [], "blocked": [], "unlisted": [], "resolved": [], "first": not there}
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import firewall_options

    validated = ArgumentSpecValidator(firewall_options.ARGUMENTS).validate(options)
    if validated.error_messages:
        raise host_state.InvalidArgument(f"firewall: {validated.error_messages[0]}")
    return firewall_options.look(validated.validated_parameters)


def users_now(wanted: Mapping[str, Any], problems: list[str], services: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how the file with the users differs. Adds a problem, and the reasons to restart a server that does not read the file.

    ``wanted``: the option ``users_file``. ``services``: as the module returns them. Raises HostStateError.
    """
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import server_users_file
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.users_proof import reasons_to_restart

    found = server_users_file.users_now(wanted)
    if wanted["sha256"] is not None:
        problems += [str(server_users_file.not_ours(wanted["path"]))] if found["state"] == server_users_file.OTHER else []
        for service in services:
            if service["ready"]:
                service["needs_restart"] += [reason.to_mapping() for reason in reasons_to_restart(service["main_pid"], wanted["path"])]
    return found


def unresolved_here(names: Sequence[str]) -> dict[str, str]:
    """Return name -> reason for each of ``names`` that has no address on this host."""
    if not names:
        return {}
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.name_resolution import unresolved

    return unresolved(names)


def _space(path: str) -> dict[str, int]:
    _directory, free, total = host_state.free_space(path)
    return {"free": free, "total": total}


def topology_now(path: str) -> dict[str, Any] | None:
    """Return the entries of the topology file and the names of the reachable ones, or None without a file. Raises HostStateError."""
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import reach
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError

    try:
        found = topology_file.read(path)
    except (topology_file.TopologyFileError, TopologyError) as error:
        raise HostStateError("unreadable", str(error)) from None
    if found is None:
        return None
    answering = reach.answering(found[0].nodes, REACH_SECONDS)
    return {
        "listed": [node.to_mapping() for node in found[0].listed],
        "held_back": [node.to_mapping() for node in found[0].held_back],
        "answering": sorted(node.name for node in found[0].nodes if node.grpc_address in answering),
    }


def readable_topology(path: str) -> Topology:
    """Return the content of a topology file. Return an empty topology without a valid file: the push reports an invalid one."""
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Topology, TopologyError

    try:
        found = topology_file.read(path)
    except (topology_file.TopologyFileError, TopologyError):
        found = None
    return Topology() if found is None else found[0]


def dropped_now(current: Topology, guard: Mapping[str, Any]) -> str:
    """Return why a push would refuse to drop entries of ``current``; empty if it drops none. Raises host_state.InvalidArgument."""
    # Imported here, because each execution compiles all imports at the top of the file.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import reach
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import PlanRefused, require_no_drop
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import TopologyError, from_entries

    try:
        require_no_drop(current, from_entries(guard["nodes"], "nodes"), guard["remove"], lambda nodes: reach.answering(nodes, REACH_SECONDS))
    except PlanRefused as error:
        return str(error)
    except TopologyError as error:
        raise host_state.InvalidArgument(f"guard: {error}") from None
    return ""


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
        "drop_ins": unit_overrides.drop_ins(unit.drop_in_paths),
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
        "needs_restart": [reason.to_mapping() for reason in restart_reasons(unit, item["environment"], item["program"], item["program_target"])],
        "switches_tls": switches_tls(unit, item["environment"]),
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = look(module.params)
    except host_state.InvalidArgument as error:
        module.fail_json(msg=message(error), error_type="invalid_argument")
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
