# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find why a task failed on a host, from the result that Ansible registered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted

NO_MODULE = "this host runs no module of Ansible"
_WHAT_TO_DO = ". Install Python 3.9 or later there, or set ansible_python_interpreter."
# Written by ssh when a session with a terminal ends.
_SSH = "ssh: connect to host "
_NOISE = ("Shared connection to ", "Connection to ")


def failure_reason(result: Mapping[str, Any]) -> str:
    """Return why a task failed, as one line. If the module did not run, the reason is the last line that the host wrote.

    Ansible's own message in this case is ``No start of json char found``. It says that the answer is not JSON, but not why.
    """
    if "module_stderr" in result or "module_stdout" in result:
        said = next((line for key in ("module_stderr", "module_stdout") for line in [_last_line(result.get(key))] if line), "")
        if said:
            return fitted(f'{NO_MODULE}: "', said, f'"{_WHAT_TO_DO}')
    said = " ".join(str(result.get("msg") or "the task gave no reason").split())
    # Ansible puts up to two sentences before the error of ssh, which has the address and the cause.
    return said[max(said.rfind(_SSH), 0) :]


def _last_line(text: Any) -> str:
    lines = [" ".join(line.split()) for line in str(text or "").splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith(_NOISE)), "")
