#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: last_good
short_description: "Internal: save the files of a running server, and roll back to these files"
version_added: 0.9.0
description:
  - Internal to the role C(node).
  - Saves the environment file, the unit and the release link of a running server in one file on the host. Restores the saved files after a failed
    change. Restarts nothing.
  - Compares the files with the environment and the program of the running process. The module saves only files with which the process started,
    so files of an interrupted run are not saved.
  - Does not save the topology file. A server loads the topology file while it runs, and an older topology file would drop live nodes.
options:
  path:
    description: File in which the module saves the files. Only root can read this file.
    type: path
    required: true
  state:
    description:
      - V(kept) saves the files with which the process started.
      - V(rolled_back) restores the saved files. The module fails without saved files.
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
    description: The unit's drop-in with the options of the user. The file may be missing.
    type: path
    required: true
  link:
    description: The link to the release.
    type: path
    required: true
  program:
    description: The program in the unit's C(ExecStart=). The path goes through O(link).
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Predicts the changes.
  diff_mode:
    support: none
    description: Returns no difference, because the files may hold secrets.
seealso:
  - module: skywalking.banyandb.rollout_gate
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Save the files of the running server
  skywalking.banyandb.last_good: &kept
    path: /etc/banyandb/data.last-good.json
    service: banyandb-data.service
    environment: /etc/banyandb/data.env
    unit: /etc/systemd/system/banyandb-data.service
    drop_in: /etc/systemd/system/banyandb-data.service.d/banyandb.conf
    link: /opt/banyandb/current
    program: /opt/banyandb/current/bin/banyand-server

- name: Roll back to the saved files
  skywalking.banyandb.last_good:
    <<: *kept
    state: rolled_back
"""

RETURN = r"""
unproved:
  description: Paths for which neither the file nor the saved copy matches the running process. The module saves the current file.
  returned: with O(state=kept)
  type: list
  elements: str
rolled_back:
  description: Paths that the module restored.
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

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import last_good_state, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.kept_state import chosen
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, message

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
    """Restore the saved files, or with ``check`` predict the changes. Raises HostStateError (``nothing_kept``, ``broken``, ``not_written``)."""
    kept = last_good_state.kept(path)
    if kept is None:
        raise HostStateError("nothing_kept", f"{path}: no such file, so this host cannot roll back. Correct the variables, then run deploy.")
    absent = [name for name in paths.kept if name not in kept]
    if absent:
        raise HostStateError("nothing_kept", f"{path}: lacks {listed(absent, 1)}. Correct the variables, then run deploy.")
    wanted = {name: kept[name] for name in paths.kept}
    now = last_good_state.found(paths.kept)
    differing = [name for name, item in wanted.items() if now[name] != item]
    return {"changed": bool(differing), "rolled_back": differing if check else last_good_state.roll_back(wanted)}


def keep(path: str, paths: last_good_state.Paths, process: systemd_services.Service, check: bool) -> dict[str, Any]:
    """Save the files with which the process started, or with ``check`` predict the change. Raises HostStateError."""
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
        module.fail_json(msg=message(error), error_type=error.kind)
    for path in result.get("unproved", ()):
        module.warn(
            message(
                f"{path}: {given['service']} was not started with this file. Compare it first, because a rollback returns to its current content."
            )
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
