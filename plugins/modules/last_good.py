#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: last_good
short_description: Keep what a server runs with, and put it back
version_added: 0.9.0
description:
  - Keeps the environment file, the unit, the topology and the link to the release of a server in one file on its host, before they are
    changed, and puts them back when the change was no good. Nothing is restarted.
options:
  path:
    description: The file that keeps them. Only root can read it.
    type: path
    required: true
  state:
    description:
      - V(kept) keeps O(paths) as they are now.
      - V(put_back) makes everything as it was kept. It fails when nothing was kept.
    type: str
    choices: [kept, put_back]
    default: kept
  paths:
    description:
      - Files and links. One that is not there is kept as that. Required with O(state=kept).
      - With O(state=put_back) those of the kept ones that are put back, by default all.
    type: list
    elements: path
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
  skywalking.banyandb.last_good:
    path: /etc/banyandb/data.last-good.json
    paths:
      - /etc/banyandb/data.env
      - /etc/banyandb/topology.yml
      - /etc/systemd/system/banyandb-data.service
      - /opt/banyandb/current

- name: Put it back
  skywalking.banyandb.last_good:
    path: /etc/banyandb/data.last-good.json
    state: put_back
"""

RETURN = r"""
put_back:
  description: Paths that were another way, and are as they were kept again.
  type: list
  elements: str
  returned: with O(state=put_back)
error_type:
  description: V(nothing_kept), V(broken), V(permission_denied) or V(not_written).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import last_good_state

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"choices": ["kept", "put_back"], "default": "kept"},
    "paths": {"type": "list", "elements": "path"},
}


def act(path: str, state: str, paths: list[str] | None, check: bool) -> dict[str, Any]:
    """Do, or in check mode tell. Raises HostStateError."""
    if state == "put_back":
        wanted = last_good_state.kept(path)
        if wanted is None:
            raise HostStateError("nothing_kept", f"{path} does not exist: nothing was kept on this host that could be put back")
        unknown = sorted(set(paths or ()) - set(wanted))
        if unknown:
            raise HostStateError("nothing_kept", f"{path} keeps no {', '.join(unknown)}")
        wanted = {name: wanted[name] for name in paths or wanted}
        now = last_good_state.found(list(wanted))
        differing = [name for name, item in wanted.items() if now[name] != item]
        return {"changed": bool(differing), "put_back": differing if check else last_good_state.put_back(wanted)}
    now = last_good_state.found(paths or [])
    changed = last_good_state.kept(path) != now
    if changed and not check:
        last_good_state.keep(path, now)
    return {"changed": changed}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, required_if=[("state", "kept", ["paths"])], supports_check_mode=True)
    try:
        result = act(module.params["path"], module.params["state"], module.params["paths"], module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=str(error), error_type=error.kind)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
