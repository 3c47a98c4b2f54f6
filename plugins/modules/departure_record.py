#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: departure_record
short_description: "Internal: record on a host which data nodes have left with their data"
version_added: 0.9.0
description:
  - Internal to the playbooks of this collection.
  - Adds departures to the record of the host. Keeps the departures that are already in the record.
  - Every host of a cluster has the record, so any controller can read which nodes left within the TTL of a group.
options:
  path:
    description: File with the record. Every user can read the file.
    type: path
    required: true
  departures:
    description: The departures of one cluster, from the result of M(skywalking.banyandb.departure_plan).
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Predicts whether the record changes.
  diff_mode:
    support: none
    description: Returns no difference.
seealso:
  - module: skywalking.banyandb.departure_info
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Record the nodes that leave
  skywalking.banyandb.departure_record:
    path: /etc/banyandb/departures.json
    departures: "{{ plan.departures }}"
"""

RETURN = r"""
error_type:
  description: V(broken), V(busy), V(invalid), V(not_written) or V(permission_denied).
  type: str
  returned: failure
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.departures_file import add
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import BadRecord, Departure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "departures": {"type": "list", "elements": "dict", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        departures = [Departure.from_mapping(item) for item in module.params["departures"]]
        changed = add(module.params["path"], departures, module.check_mode)
    except BadRecord as error:
        module.fail_json(msg=message(f"departures: {error}"), error_type="invalid")
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
