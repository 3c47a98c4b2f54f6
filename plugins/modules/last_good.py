#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: last_good
short_description: Keep what a server runs with, and roll back to it
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - Keeps the environment file, the unit and the link to the release that the process of a server was started with in one file on its host, and
    rolls them back when a change was no good. Nothing is restarted.
  - The process decides what is kept, from its own environment and program. Files that an interrupted run left are not kept, since no process
    ran with them.
  - The topology is not among them. A server takes it while it runs, and an older one would drop nodes that live.
options:
  path:
    description: The file that keeps them. Only root can read it.
    type: path
    required: true
  state:
    description:
      - V(kept) keeps what the process was started with.
      - V(rolled_back) makes everything as it was kept. It fails when nothing was kept.
    type: str
    choices: [kept, rolled_back]
    default: kept
  service:
    description: Name of the server's unit.
    type: str
    required: true
  environment:
    description: The environment file.
    type: path
    required: true
  unit:
    description: The file of the unit.
    type: path
    required: true
  drop_in:
    description: The file that this collection adds to the unit, for the options of the user. It may be absent.
    type: path
    required: true
  link:
    description: The link to the release.
    type: path
    required: true
  program:
    description: The program in the unit's C(ExecStart=), by way of O(link).
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Predicts what it would change.
  diff_mode:
    support: none
    description: What is kept may hold secrets.
seealso:
  - module: skywalking.banyandb.rollout_gate
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Keep what the server runs with
  skywalking.banyandb.last_good: &kept
    path: /etc/banyandb/data.last-good.json
    service: banyandb-data.service
    environment: /etc/banyandb/data.env
    unit: /etc/systemd/system/banyandb-data.service
    drop_in: /etc/systemd/system/banyandb-data.service.d/banyandb.conf
    link: /opt/banyandb/current
    program: /opt/banyandb/current/bin/banyand-server

- name: Roll back to it
  skywalking.banyandb.last_good:
    <<: *kept
    state: rolled_back
"""

RETURN = r"""
unproved:
  description: Paths of which neither the file nor an earlier copy is what the process was started with. The file is kept as it stands.
  returned: with O(state=kept)
  type: list
  elements: str
rolled_back:
  description: Paths that differed, and are as they were kept again.
  type: list
  elements: str
  returned: with O(state=rolled_back)
error_type:
  description: V(nothing_kept), V(broken), V(permission_denied), V(no_systemd) or V(not_written).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import last_good_state, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.kept_state import chosen

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"choices": ["kept", "rolled_back"], "default": "kept"},
    "service": {"required": True},
    "environment": {"type": "path", "required": True},
    "unit": {"type": "path", "required": True},
    "drop_in": {"type": "path", "required": True},
    "link": {"type": "path", "required": True},
    "program": {"type": "path", "required": True},
}


def roll_back(path: str, paths: last_good_state.Paths, check: bool) -> dict[str, Any]:
    """Roll back, or in check mode predict that. Raises HostStateError."""
    kept = last_good_state.kept(path)
    if kept is None:
        raise HostStateError("nothing_kept", f"{path} does not exist: nothing was kept on this host that could be put back")
    absent = [name for name in paths.kept if name not in kept]
    if absent:
        raise HostStateError("nothing_kept", f"{path} keeps no {', '.join(absent)}")
    wanted = {name: kept[name] for name in paths.kept}
    now = last_good_state.found(paths.kept)
    differing = [name for name, item in wanted.items() if now[name] != item]
    return {"changed": bool(differing), "rolled_back": differing if check else last_good_state.roll_back(wanted)}


def keep(path: str, paths: last_good_state.Paths, process: systemd_services.Service, check: bool) -> dict[str, Any]:
    """Keep what the process was started with, or in check mode predict that. Raises HostStateError."""
    now, kept = last_good_state.found(paths.kept), last_good_state.kept(path) or {}
    wanted, unproved = chosen(now, kept, last_good_state.evidence(now, paths, process), last_good_state.evidence(kept, paths, process))
    changed = kept != wanted
    if changed and not check:
        last_good_state.keep(path, wanted)
    return {"changed": changed, "unproved": unproved}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    paths = last_good_state.Paths(given["environment"], given["unit"], given["drop_in"], given["link"], given["program"])
    try:
        if given["state"] == "rolled_back":
            result = roll_back(given["path"], paths, module.check_mode)
        else:
            process = systemd_services.services([given["service"]])[given["service"]]
            result = keep(given["path"], paths, process, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=str(error), error_type=error.kind)
    for path in result.get("unproved", ()):
        module.warn(f"{path}: {given['service']} was not started with this file. A rollback returns to the file as it stands now. Compare it first.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
