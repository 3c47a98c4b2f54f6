#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: failed_parts_info
short_description: "Internal: find parts that a liaison could not send to a data node"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - A liaison tries three times to send a part to a data node. Then the liaison moves the part to the directory C(failed-parts) of the shard on its
    own disk, and never tries again. The liaison has acknowledged the points of this part, but perhaps no data node has these points.
  - Only root and the server's user can read these directories. Changes nothing.
options:
  data_dir:
    description: Data directory of the server. See C(banyandb_data_dir).
    type: path
    default: /var/lib/banyandb
  storage:
    description: Store, then its own directory. See C(banyandb_storage).
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Find the failed parts of this liaison
  skywalking.banyandb.failed_parts_info:
    data_dir: /var/lib/banyandb
  register: given_up
"""

RETURN = r"""
failed_parts:
  description: Each directory with failed parts, and the number of parts. V(null) if the module may not read the directories.
  type: list
  elements: dict
  returned: success
  sample:
    - path: /var/lib/banyandb/measure/data/sw_metrics/shard-0/failed-parts
      parts: 2
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.failed_parts import failed_parts
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_DATA_DIR
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {"data_dir": {"type": "path", "default": DEFAULT_DATA_DIR}, "storage": {"type": "dict", "default": {}}}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = failed_parts(module.params["data_dir"], module.params["storage"])
    except HostStateError as error:
        if error.kind != "permission_denied":
            module.fail_json(msg=message(error), error_type=error.kind)
        module.exit_json(changed=False, failed_parts=None)
    module.exit_json(changed=False, failed_parts=[{"path": path, "parts": parts} for path, parts in sorted(found.items())])


if __name__ == "__main__":
    main()
