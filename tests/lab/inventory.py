# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ansible inventory of the hosts of a lab."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .host import Host
from .rootfs import USER


def ssh_options(state: Path) -> list[str]:
    """Return options for ssh to any host of the lab. They use the lab's key and known hosts, and nothing of the user's configuration."""
    options = {
        "UserKnownHostsFile": state / "known_hosts",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "PasswordAuthentication": "no",
        "LogLevel": "ERROR",
        "ConnectTimeout": "10",
        # A session to an unreachable host must end.
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        # Shared connections have their sockets here, so the lab can close the connections of a host that it takes down.
        "ControlPath": state / "cp" / "%h-%p-%r",
    }
    return ["-F", "/dev/null", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


def render(hosts: Iterable[Host], state: Path) -> str:
    """Return YAML with all hosts in the group `lab`. Strings have JSON quotes, which are valid YAML."""
    common = {
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(state / "id_ed25519"),
        "ansible_ssh_common_args": " ".join(ssh_options(state)),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    lines = ["lab:", "  hosts:"]
    for host in hosts:
        lines += [f"    {host.name}:", f"      ansible_host: {json.dumps(host.address)}"]
        lines += [f"      {name}: {json.dumps(value)}" for name, value in common.items()]
    if len(lines) == 2:
        lines[1] += " {}"
    return "\n".join(lines) + "\n"
