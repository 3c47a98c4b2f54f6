# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters ``systemd_env``, ``systemd_env_digests`` and ``node_labels``: thin over model/."""

from __future__ import annotations

DOCUMENTATION = r"""
name: systemd_env
short_description: The text of a systemd environment file
version_added: 0.1.0
description:
  - Turns a mapping of environment variables into the text of an C(EnvironmentFile=), quoted so that systemd reads
    every value back unchanged, spaces, quotes, backslashes, C($) and Unicode included.
  - A line break or another control character in a value is refused, and so is a name that systemd would not take.
options:
  _input:
    description:
      - Variables and their values. Booleans become V(true) and V(false), numbers their text.
      - A variable whose value is V(null) is left out.
    type: dict
    required: true
author:
  - The skywalking.banyandb contributors
"""

EXAMPLES = r"""
- name: Write an environment file
  ansible.builtin.copy:
    dest: /etc/banyandb/data.env
    content: "{{ {'BYDB_NODE_HOST': 'data1', 'BYDB_HAS_META_ROLE': true} | skywalking.banyandb.systemd_env }}"
    mode: "0640"
"""

RETURN = r"""
_value:
  description: One C(NAME="value") a line, in the order of the names.
  type: str
  sample: "BYDB_HAS_META_ROLE=\"true\"\nBYDB_NODE_HOST=\"data1\"\n"
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model import node_labels, systemd_env


def _filter(function: Callable[[Mapping[str, Any]], Any]) -> Callable[[Any], Any]:
    """The function as a filter: its typed errors become the error that Ansible shows without a traceback."""

    def run(value: Any) -> Any:
        try:
            return function(value)
        except (systemd_env.BadEnvironment, node_labels.BadLabel) as error:
            raise AnsibleFilterError(str(error)) from error

    return run


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "systemd_env": _filter(systemd_env.environment_file),
            "systemd_env_digests": _filter(systemd_env.digests),
            "node_labels": _filter(node_labels.labels_flag),
        }
