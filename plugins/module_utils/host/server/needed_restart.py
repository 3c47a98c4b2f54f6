# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds why the running process of a server needs a restart. Standard library only, Python 3.9+.

/proc shows the program and the environment of the start; the times of files do not.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import cannot_read
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.systemd_services import Service
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digest, read_back

#: The variable that turns TLS on for the port of a server that all others connect to.
_TLS = "BYDB_TLS"
#: Prefixes of variables that only our environment files set. An extra variable therefore means that the file has changed since the start.
_OURS = ("BYDB_", "BANYANDB_")


def restart_reasons(
    service: Service,
    environment: Mapping[str, str] | None,
    program: str | None,
    target: str | None,
    proc: str = "/proc",
) -> list[RestartReason]:
    """Return why the running process needs a restart. Return an empty list if it needs none, or if no process runs. Raises HostStateError.

    ``environment``: wanted variable -> SHA-256 of its value. ``program``: path that the unit starts. ``target``: file to which the path must lead.
    """
    if not service.main_pid:
        return []
    reasons = []
    try:
        if environment is not None:
            reasons += _environment_reasons(service, environment, running_process.read_environment(service.main_pid, proc))
        if program is not None and target is not None:
            reasons += _program_reasons(service, program, target, proc)
    except (FileNotFoundError, ProcessLookupError):
        return []  # the process has ended, so the next start uses the current files
    except OSError as error:
        raise cannot_read(f"{proc}/{service.main_pid}", error) from error
    return reasons


def switches_tls(service: Service, environment: Mapping[str, str] | None, proc: str = "/proc") -> bool:
    """Return whether the server runs with another value of ``BYDB_TLS`` than the wanted value.

    For a server that does not run, its environment file counts; without a file nothing changes. ``environment``: as of restart_reasons(). Raises
    HostStateError.
    """
    path = f"{proc}/{service.main_pid}" if service.main_pid else next(iter(service.environment_files), "")
    if environment is None or not path:
        return False
    try:
        found = running_process.read_environment(service.main_pid, proc) if service.main_pid else read_back(running_process.read_file(path))
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError as error:
        raise cannot_read(path, error) from error
    return (digest(found[_TLS]) if _TLS in found else None) != environment.get(_TLS)


def _environment_reasons(service: Service, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[RestartReason]:
    elsewhere = set()  # the operator's drop-ins set these variables, so they are no reason for a restart
    for path in service.environment_files[1:]:
        with contextlib.suppress(OSError):
            elsewhere |= set(re.findall(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=", running_process.read_file(path), re.MULTILINE))
    other = sorted(name for name, value in wanted.items() if name not in elsewhere and (name not in found or digest(found[name]) != value))
    left_over = sorted(name for name in found if name.startswith(_OURS) and name not in wanted and name not in elsewhere | service.environment_names)
    reasons = {Reason.ENVIRONMENT_CHANGED: other, Reason.ENVIRONMENT_LEFT_OVER: left_over}
    return [RestartReason(reason, tuple(names)) for reason, names in reasons.items() if names]


def _program_reasons(service: Service, program: str, target: str, proc: str) -> list[RestartReason]:
    """Return the reasons for a restart because of the program.

    /proc/<pid>/exe shows a compiled program. For a script (the program comes after its interpreter in the command line) the kernel keeps only the
    path of the call. The path leads to the script of the start, unless a link has changed since the start.
    """
    directory = f"{proc}/{service.main_pid}"
    arguments = running_process.read_file(f"{directory}/cmdline").split("\0")
    wanted = os.path.realpath(target)
    if program not in arguments[1:4]:
        running = os.readlink(f"{directory}/exe")
    elif _changed_at(program) > _started(service):
        return [RestartReason(Reason.PROGRAM_REPLACED)]
    else:
        running = os.path.realpath(program)
    return [] if running == wanted else [RestartReason(Reason.PROGRAM_CHANGED, running=running, wanted=wanted)]


def _changed_at(program: str) -> float:
    """Return the time of the last change of a link in the path, in seconds since the epoch; 0 without a link."""
    changed, path = 0.0, program
    while path != os.path.dirname(path):
        with contextlib.suppress(FileNotFoundError):
            if os.path.islink(path):
                changed = max(changed, os.lstat(path).st_ctime)
        path = os.path.dirname(path)
    return changed


def _started(service: Service) -> float:
    """Return the start time of the process in seconds since the epoch."""
    return time.time() - (time.monotonic() - service.started_us / 1e6)
