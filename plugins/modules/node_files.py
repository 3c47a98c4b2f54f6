#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_files
short_description: "Internal: write the configuration files of a server"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Makes the directories and links of a server, and writes its environment file and its unit. Reloads systemd if needed. Starts and restarts nothing.
  - Does all in one execution, because each execution takes time on each host.
  - Replaces a file or a link completely or not at all. The change survives a power cut. A directory may be a link to a directory.
  - M(skywalking.banyandb.host_info) compares the same files.
extends_documentation_fragment:
  - skywalking.banyandb.storage_option
options:
  directories:
    description: Directories in the order in which the module makes the directories.
    type: list
    elements: dict
    default: []
    suboptions: &owned
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: Name of the owner.
        type: str
      group:
        description: Name of the group.
        type: str
      mode:
        description: Permissions in octal digits, such as V("0640").
        type: str
  storage:
    description: The node and its data directories. The module makes the directories and their markers before all other files.
  environment_file:
    description: The environment file of the unit.
    type: dict
    required: true
    suboptions: *owned
  environment:
    description: Text of the environment file. The text may hold secrets, so Ansible does not log or show this option.
    type: str
    required: true
  unit_file:
    description: The file of the unit.
    type: dict
    required: true
    suboptions: *owned
  unit:
    description: Text of the unit.
    type: str
    required: true
  drop_in_file:
    description: The drop-in of the unit.
    type: dict
    required: true
    suboptions: *owned
  drop_in:
    description: Text of the drop-in.
    type: str
    required: true
  links:
    description: Symbolic links of the server.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      target:
        description: Text of the link's target.
        type: str
        required: true
attributes:
  check_mode:
    support: full
    description: Predicts the changes.
  diff_mode:
    support: full
    description: Shows all differences, except the text of the environment file.
  platform:
    support: full
    description: Operating systems on which the module runs.
    platforms: linux
seealso:
  - module: skywalking.banyandb.host_info
  - module: skywalking.banyandb.service_ready
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Configure a data node
  skywalking.banyandb.node_files:
    directories:
      - {path: /etc/banyandb, owner: root, group: root, mode: "0755"}
    environment_file:
      path: /etc/banyandb/data.env
      owner: root
      group: banyandb
      mode: "0640"
    environment: |
      BYDB_LOGGING_LEVEL="info"
    unit_file:
      path: /etc/systemd/system/banyandb-data.service
      owner: root
      group: root
      mode: "0644"
    unit: "{{ lookup('ansible.builtin.file', 'banyandb-data.service') }}"
    drop_in_file:
      path: /etc/systemd/system/banyandb-data.service.d/banyandb.conf
      owner: root
      group: root
      mode: "0644"
    drop_in: "[Service]\nNice=-5\n"
    links:
      - path: /etc/systemd/system/multi-user.target.wants/banyandb-data.service
        target: /etc/systemd/system/banyandb-data.service
"""

RETURN = r"""
paths:
  description: Paths that the module changed. In check mode, paths that the module would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/banyandb/data.env]
error_type:
  description: V(refused), V(not_made), V(no_user), V(permission_denied), V(unreadable), V(no_systemd) or V(invalid_argument).
  type: str
  returned: failure
  sample: not_made
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import data_directory, host_state, setup_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "directories": {"type": "list", "elements": "dict", "default": [], "options": host_state.OWNED_OPTIONS},
    "storage": {"type": "dict", "options": data_directory.STORAGE_OPTIONS},
    "environment_file": {"type": "dict", "required": True, "options": host_state.OWNED_OPTIONS},
    # Not a suboption: Ansible logs a suboption with no_log if its text has more than one line.
    "environment": {"required": True, "no_log": True},
    "unit_file": {"type": "dict", "required": True, "options": host_state.OWNED_OPTIONS},
    "unit": {"required": True},
    "drop_in_file": {"type": "dict", "required": True, "options": host_state.OWNED_OPTIONS},
    "drop_in": {"required": True},
    "links": {"type": "list", "elements": "dict", "default": [], "options": host_state.LINK_OPTIONS},
}


#: Options with a text. The path of each is in the option ``<name>_file``.
FILES = ("environment", "unit", "drop_in")


def act(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Write the files, or with ``check`` predict the changes. Raises host_state.InvalidArgument and HostStateError."""
    files = [parameters[f"{name}_file"] for name in FILES]
    unit_path = parameters["unit_file"]["path"]
    texts = {parameters[f"{name}_file"]["path"]: parameters[name] for name in FILES}
    # The environment may hold secrets, so the difference never has its text.
    before = {path: _text(path) for path in texts if path != parameters["environment_file"]["path"]}
    wanted = host_state.wanted(
        {
            "directories": parameters["directories"],
            "files": [{**item, "sha256": hashlib.sha256(texts[item["path"]].encode()).hexdigest()} for item in files],
            "links": parameters["links"],
        }
    )
    found = _storage(parameters["storage"], check) if parameters["storage"] else []
    found += host_state.differences(wanted) if check else setup_files.make(wanted, texts)
    paths = [difference.path for difference in found]
    if not check and (_of_systemd(paths, parameters) or _is_outdated(os.path.basename(unit_path))):
        systemd_services.read_units_again()
    diff = [_shown(difference, before.get(difference.path), texts.get(difference.path)) for difference in found]
    return {"changed": bool(found), "paths": paths, "diff": diff}


def _of_systemd(paths: list[str], parameters: Mapping[str, Any]) -> bool:
    of_unit = [item["path"] for item in (parameters["unit_file"], parameters["drop_in_file"], *parameters["links"])]
    return any(path in of_unit or path.startswith(f"{parameters['unit_file']['path']}.d/") for path in paths)


def _storage(options: Mapping[str, Any], check: bool) -> list[host_state.Difference]:
    """Make the data directories, or with ``check`` predict the changes. Raises HostStateError (``refused``) if the node may not use a directory."""
    look = data_directory.look(data_directory.Storage.of(options))
    if look.problems:
        raise HostStateError("refused", " ".join(look.problems))
    found = look.differences()
    if found and not check:
        data_directory.make(look)
    return found


def _is_outdated(name: str) -> bool:
    """Return whether systemd has not yet loaded the unit file. This happens after an interrupted run."""
    return systemd_services.services([name])[name].need_daemon_reload


def _text(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()
    return ""


def _shown(difference: host_state.Difference, before: str | None, after: str | None) -> dict[str, str]:
    """Return a difference in Ansible's diff format. ``before`` and ``after`` are texts; None for ``before`` leaves the texts out."""

    def attributes(values: Mapping[str, Any]) -> str:
        return "".join(f"{name}: {value}\n" for name, value in values.items() if name != "sha256")

    texts = ("", "") if before is None else (before, after or "")
    return {
        "before_header": difference.path,
        "after_header": difference.path,
        "before": attributes(difference.found) + texts[0],
        "after": attributes(difference.expected) + texts[1],
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = act(module.params, module.check_mode)
    except host_state.InvalidArgument as error:
        module.fail_json(msg=message(error), error_type="invalid_argument")
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
