# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that the sandbox lets the server write the directories that the operator's environment names. Pure.

The sandbox of the unit lets the server write its data directories alone. systemd makes other directories for the options ``LogsDirectory`` and
``StateDirectory``, and ``ReadWritePaths`` opens a directory that the operator made (systemd.exec(5)).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import is_below, roots
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

# Variable of the server with a directory -> whether the server makes a missing directory (read in the source of the server).
WRITTEN = {
    "BYDB_ACCESS_LOG_ROOT_PATH": False,
    "BYDB_PANIC_ARTIFACT_DIR": True,
    "BYDB_PANIC_DIAGNOSTICS_DIR": True,
}
# Option of systemd -> the directory in which systemd makes the directories of this option.
MADE_IN = {"LogsDirectory": "/var/log", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "RuntimeDirectory": "/run"}
# Every unit of this collection has its own, writable copies (PrivateTmp).
PRIVATE = ("/tmp", "/var/tmp")
# Options that change what the server may write. Their effect is not checked.
UNCHECKED = ("BindPaths", "ProtectSystem", "RootDirectory", "TemporaryFileSystem")


def written_path_problems(variables: Mapping[str, Any]) -> list[str]:
    """Return a problem for each directory that the server could not write. ``variables``: the variables of the role ``node``."""
    made = [*roots(variables), *_made_by_systemd(variables["banyandb_unit_options"])]
    if any(True for option in UNCHECKED for _value in _values(variables["banyandb_unit_options"], option)):
        return []
    opened = [*PRIVATE, *(posixpath.normpath(path.lstrip("-+")) for path in _values(variables["banyandb_unit_options"], "ReadWritePaths"))]
    found = []
    for variable, makes in WRITTEN.items():
        value = variables["banyandb_env"].get(variable)
        if value in (None, ""):
            continue
        # A relative path starts at the working directory of the unit.
        path = posixpath.normpath(posixpath.join(variables["banyandb_data_dir"], str(value)))
        inside = any(is_below(path, directory) for directory in [*opened, *(made if makes else ())])
        if path not in [*made, *opened] and not inside:
            found.append(
                f"banyandb_env: {variable} is {shown(str(value))}, where the server cannot write. Set banyandb_unit_options: "
                "{Service: {LogsDirectory: banyandb}}, and use /var/log/banyandb."
            )
    return found


def _made_by_systemd(options: Mapping[str, Any]) -> Iterator[str]:
    for option, parent in MADE_IN.items():
        for name in _values(options, option):
            # Since systemd 252, a name may have the name of a link after a colon.
            yield posixpath.join(parent, name.partition(":")[0])


def _values(options: Mapping[str, Any], option: str) -> Iterator[str]:
    """Yield the words of an option of the section Service. Another check finds options of a wrong type."""
    service = options.get("Service")
    given = service.get(option) if isinstance(service, Mapping) else None
    for value in given if isinstance(given, (list, tuple)) else [given]:
        yield from str(value if value is not None else "").split()
