# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters ``systemd_env``, ``systemd_env_digests`` and ``node_labels``. The code is in model/.

Each filter has its documentation in a YAML file. Ansible would use documentation in this file for all three filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import environment_file, labels


def _filter(function: Callable[[Mapping[str, Any]], Any]) -> Callable[[Any], Any]:
    """Return the function as a filter that raises AnsibleFilterError, which Ansible shows without a traceback."""

    def run(value: Any) -> Any:
        try:
            return function(value)
        except (environment_file.BadEnvironment, labels.BadLabel) as error:
            raise AnsibleFilterError(str(error)) from error

    return run


class FilterModule:
    def filters(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "systemd_env": _filter(environment_file.environment_file),
            "systemd_env_digests": _filter(environment_file.digests),
            "node_labels": _filter(labels.labels_flag),
        }
