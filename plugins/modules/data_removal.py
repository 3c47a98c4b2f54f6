#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_removal
short_description: "Internal: delete the data of a node"
version_added: 0.9.0
description:
  - Internal to the role C(node). Deletes the data directories of a node that has left its cluster. Also deletes the unit's drop-in for mounts.
  - Never changes a directory without the marker of this node. Empties a mount point, but keeps the mount point. Deletes a link to a directory
    together with the directory.
  - Refuses a directory that contains another mount with content, such as NFS. Keeps an empty mount point inside a directory.
  - The module deletes the directories of O(storage) and the directories in the node's record on the host.
extends_documentation_fragment:
  - skywalking.banyandb.storage_option
options:
  storage:
    description: The node and its data directories.
    required: true
  confirm:
    description: Inventory names of the nodes whose data the module may delete, as a list or as text with commas. See C(banyandb_confirm).
    type: raw
  state:
    description:
      - V(checked) reports what V(removed) deletes, and fails if V(removed) would fail. V(checked) changes nothing.
      - V(removed) deletes the data.
    type: str
    choices: [checked, removed]
    default: checked
attributes:
  check_mode:
    support: full
    description: Reports what the module would delete. Check mode does not need O(confirm).
  diff_mode:
    support: none
    description: Returns no difference.
  platform:
    support: full
    description: Operating systems on which the module runs.
    platforms: linux
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Delete the data of the node
  skywalking.banyandb.data_removal:
    storage:
      user: banyandb
      cluster: default
      host: data3
      node: 192.0.2.3:17912
      role: data
      roots: {/var/lib/banyandb: [measure, stream, trace, property, schema]}
      record: /etc/banyandb/data.storage.json
      unit_file: /etc/systemd/system/banyandb-data.service
    confirm: data3
    state: removed
"""

RETURN = r"""
msg:
  description: What the module deletes, with the size.
  type: str
  returned: success
  sample: "data3: deletes 1.2 GB in 3401 files in /var/lib/banyandb."
bytes:
  description: Size of the files.
  type: int
  returned: success
  sample: 1234567890
files:
  description: Number of files.
  type: int
  returned: success
  sample: 3401
paths:
  description: The directories and links that the module deletes.
  type: list
  elements: str
  returned: success
  sample: [/var/lib/banyandb]
error_type:
  description: V(refused), V(not_confirmed), V(not_removed), V(permission_denied) or V(unreadable).
  type: str
  returned: failure
  sample: not_confirmed
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import data_directory
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import RemovalRefused, amount, check_removal, confirmed
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, message

ARGUMENTS: dict[str, Any] = {
    "storage": {"type": "dict", "required": True, "options": data_directory.STORAGE_OPTIONS},
    "confirm": {"type": "raw"},
    "state": {"choices": ["checked", "removed"], "default": "checked"},
}


def act(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Delete the data, or with ``check`` only report what the module would delete. Raises HostStateError."""
    storage = data_directory.Storage.of(parameters["storage"])
    record = data_directory.read_record(storage)
    former: dict[str, list[str]] = {path: [] for path in (record.stores.values() if record else ()) if path not in storage.roots}
    seen = list(data_directory.see(replace(storage, roots={**storage.roots, **former}), record).values())
    try:
        check_removal(seen, storage.facts, data_directory.filled_mounts(seen), storage.others)
    except RemovalRefused as error:
        raise HostStateError("refused", str(error)) from None
    data_directory.require_writable(seen)
    found = data_directory.measure(seen)
    paths = [each.path for each in seen if each.what == "directory" or os.path.islink(each.path)]
    host, what = storage.facts.host, f"{amount(found.bytes, found.files)} in {listed(paths, 6, 90) or 'no directory'}"
    if not check and not confirmed(parameters["confirm"], host):
        raise HostStateError("not_confirmed", f"{host}: banyandb_remove_data deletes {what}. Confirm with -e banyandb_confirm={host}")
    removes = parameters["state"] == "removed"
    # An empty mount point needs no change.
    left = any(each.entries or each.marker or not data_directory.holds_mount(each.real) for each in seen if each.path in paths)
    changed = removes and (left or os.path.exists(storage.drop_in))
    if removes and not check:
        data_directory.remove(seen)
        data_directory.remove_drop_in(storage.drop_in)
    verb = "would delete" if check else "deleted" if removes else "deletes"
    return {"changed": changed, "msg": f"{host}: {verb} {what}.", "bytes": found.bytes, "files": found.files, "paths": paths}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = act(module.params, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
