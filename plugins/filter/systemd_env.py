# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters ``systemd_env``, ``systemd_env_digests`` and ``node_labels``: thin over model/.

Each is documented in the YAML file of its name: documentation in this file would be taken for that of all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import environment_file, labels


def _filter(function: Callable[[Mapping[str, Any]], Any]) -> Callable[[Any], Any]:
    """The function as a filter: its typed errors become the error that Ansible shows without a traceback."""

    def run(value: Any) -> Any:
        try:
            return function(value)
        except (environment_file.BadEnvironment, labels.BadLabel) as error:
            raise AnsibleFilterError(str(error)) from error

    return run


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "systemd_env": _filter(environment_file.environment_file),
            "systemd_env_digests": _filter(environment_file.digests),
            "node_labels": _filter(labels.labels_flag),
        }
