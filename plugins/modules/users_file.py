#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: users_file
short_description: "Internal: write the users of a server, and prove that the running server has loaded them"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Writes the file in place, because a server never reads a file that was renamed over its file. A running server loads the users without a restart.
  - Then logs in with each new user, and checks that the server refuses each old user, over HTTP and gRPC. If the server does not load the users, the
    module writes the old users again.
  - A server that does not read the file, or has lost its watch of the file, needs a restart. M(skywalking.banyandb.host_info) reports it.
options:
  path:
    description: Absolute path of the file.
    type: path
    required: true
  state:
    description:
      - With V(absent) the module removes the file and the rests of killed writes, unless the running server reads the file.
      - The module never removes a file of another writer.
    type: str
    choices: [present, absent]
    default: present
  text:
    description: Content of the file. Required with V(present). Ansible does not log or show this option.
    type: str
  owner:
    description: Account of the server. Required with V(present).
    type: str
  service:
    description: Unit of the server.
    type: str
    required: true
  timeout:
    description: Seconds within which the server must load the users.
    type: float
    default: 20
attributes:
  check_mode:
    support: full
    description: Predicts the change. Writes nothing and logs in nowhere.
  diff_mode:
    support: none
    description: A difference would show passwords.
  platform:
    support: full
    description: Operating systems on which the module runs.
    platforms: linux
seealso:
  - module: skywalking.banyandb.host_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Give the liaison its users
  skywalking.banyandb.users_file:
    path: /etc/banyandb/users.json
    text: "{{ users | to_json }}"
    owner: banyandb
    service: banyandb-liaison.service
  become: true
  vars:
    # Without pipelining, Ansible writes the passwords into temporary files.
    ansible_pipelining: true
"""

RETURN = r"""
proved:
  description:
    - Whether the module has logged in with the new users.
    - V(false) if the server does not run, does not listen, or needs a restart to read the file.
  type: bool
  returned: success
  sample: true
error_type:
  description: Kind of the failure, C(not_ours), C(in_use), C(not_loaded), C(busy), C(no_user), C(permission_denied), C(unreadable), C(not_written) or
    C(no_systemd).
  type: str
  returned: failure
  sample: not_loaded
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import server_users_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services, users_proof
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import server_of_process
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import User, digest_of, users_in
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"choices": ["present", "absent"], "default": "present"},
    "text": {"no_log": True},
    "owner": {},
    "service": {"required": True},
    "timeout": {"type": "float", "default": 20},
}


def act(params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Write or remove the file, and prove the users. Raises HostStateError, and ValueError that names the parameter."""
    require_seconds(params, {"timeout": 0.001})
    path, found = params["path"], server_users_file.found_users(params["path"])
    if params["state"] == "absent":
        ours = found.state == server_users_file.OURS
        changed = ours or bool(server_users_file.rests(path))
        if changed and not check:
            pid = systemd_services.services([params["service"]])[params["service"]].main_pid
            if ours and pid and users_proof.reads_file(server_of_process(pid), path):
                raise HostStateError("in_use", f"{path}: the running server reads it. Run deploy, which restarts the server without it.")
            server_users_file.remove_users(path)
        return {"changed": changed, "proved": False}
    if found.state == server_users_file.OTHER:
        raise server_users_file.not_ours(path)
    wanted = {"path": path, "owner": params["owner"], "sha256": digest_of(params["text"].encode())}
    changed = bool(server_users_file.users_now(wanted)["differs"])
    if check:
        return {"changed": changed, "proved": False}
    if changed:
        server_users_file.put_users(path, params["text"], params["owner"])
    return {"changed": changed, "proved": prove(params, found.data)}


def prove(params: Mapping[str, Any], before: bytes) -> bool:
    """Return whether the running server was proved to have loaded the file. ``before``: earlier content of the file. Raises HostStateError."""
    path, service = params["path"], params["service"]
    pid = systemd_services.services([service])[service].main_pid
    running = server_of_process(pid) if pid else None
    if running is None or not users_proof.reads_file(running, path) or not users_proof.sees_writes(pid, path):
        return False
    if not users_proof.serves(pid, running):  # the run restarts the server, which then reads the file
        return False
    new, old = users_in(params["text"]), list[User]()
    with contextlib.suppress(ValueError):
        old = users_in(before.decode("utf-8", "replace"))
    gained, gone = [user for user in new if user not in old], [user for user in old if user not in new]
    wrong = users_proof.await_users(running.at.logins, gained or new[:1], gone, params["timeout"])
    if wrong:
        if old:
            server_users_file.put_back(path, before)
        text = f"{path}: {service} did not load the new users within {params['timeout']:g} s: {wrong}."
        raise HostStateError("not_loaded", f"{text} Run skywalking.banyandb.restart for this host, then deploy.")
    return True


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ("text", "owner"))])
    try:
        result = act(module.params, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=message(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
