# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handle options of a systemd unit from ``banyandb_unit_options`` and from an operator's drop-ins. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

UNIT_OPTIONS = "banyandb_unit_options"
# Section and option -> the variable that sets the option. With another value the proof of the roles would be about another server.
DECIDED = {
    ("Service", "ExecStart"): "banyandb_artifact",
    ("Service", "Type"): "",
    ("Service", "User"): "banyandb_user",
    ("Service", "Group"): "banyandb_user",
    ("Service", "WorkingDirectory"): "banyandb_data_dir",
    ("Service", "Environment"): "banyandb_env",
    ("Service", "EnvironmentFile"): "banyandb_env",
    ("Service", "PassEnvironment"): "banyandb_env",
    ("Service", "DynamicUser"): "banyandb_user",
    ("Service", "PrivateNetwork"): "",
    ("Service", "NetworkNamespacePath"): "",
    ("Service", "RootDirectory"): "",
    ("Service", "RootImage"): "",
}
# Section and option -> variable, for options whose value does not concern the proof.
HAS_A_VARIABLE = {
    ("Service", "TimeoutStopSec"): "banyandb_stop_timeout",
    ("Service", "LimitNOFILE"): "banyandb_limit_nofile",
    ("Service", "MemoryMax"): "banyandb_memory_max",
    ("Service", "CPUQuota"): "banyandb_cpu_quota",
}
# Options with environment variables, each of which is checked.
OF_THE_ENVIRONMENT = ("Environment", "EnvironmentFile", "PassEnvironment")
# Go's HTTP and gRPC clients use a proxy when one of these variables is set.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "GRPC_PROXY")

_SECTION = re.compile(r"[A-Z][A-Za-z-]*\Z")
_OPTION = re.compile(r"[A-Z][A-Za-z0-9]*\Z")


class BadUnitOptions(ValueError):
    """The variable cannot become a drop-in; the message names the fault and what to do."""


def drop_in(options: Mapping[str, Any]) -> str:
    """Return the text of the drop-in. Without options the text is the first line alone.

    ``options``: section -> option -> value or list of values. The drop-in has one line for each value of a list.
    Raises BadUnitOptions.
    """
    lines = [f"{MARK}; change {UNIT_OPTIONS} and deploy."]
    for section, of_section in options.items():
        if not isinstance(section, str) or not _SECTION.match(section) or not isinstance(of_section, Mapping):
            raise BadUnitOptions(f"{UNIT_OPTIONS} has {shown(section)}: expected section -> option -> values, such as {{Service: {{Nice: -5}}}}.")
        lines.append(f"[{section}]")
        for option, values in of_section.items():
            lines += [f"{option}={value}" for value in _values(section, option, values)]
    return "\n".join(lines) + "\n"


def _values(section: str, option: Any, values: Any) -> list[str]:
    where = f"{UNIT_OPTIONS}.{section}.{shown(option)[1:-1] if isinstance(option, str) else shown(option)}"
    if not isinstance(option, str) or not _OPTION.match(option):
        raise BadUnitOptions(f"{where}: expected the name of an option of systemd, such as Nice.")
    if (section, option) in DECIDED or (section, option) in HAS_A_VARIABLE:
        instead = {**DECIDED, **HAS_A_VARIABLE}[section, option]
        raise BadUnitOptions(f"{where}: this collection decides that option. {f'Set {instead} instead.' if instead else 'Leave it out.'}")
    found = []
    for value in values if isinstance(values, (list, tuple)) else [values]:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            if not isinstance(value, bool):
                raise BadUnitOptions(f"{where} is {shown(value)}: expected text, a number, a boolean or a list of them.")
            value = "yes" if value else "no"
        text = str(value)
        if not text.isprintable() or text.endswith("\\"):
            raise BadUnitOptions(f"{where} is {shown(text)}: expected one line that ends without a backslash. Give several values as a list.")
        found.append(text)
    return found


def unset_proxies(environment: Mapping[str, Any]) -> str:
    """Return the names of the proxy variables that the unit unsets: all that ``environment`` (of the inventory) does not set."""
    names = [name for proxy in PROXIES for name in (proxy, proxy.lower())]
    return " ".join(name for name in names if environment.get(name) is None)
