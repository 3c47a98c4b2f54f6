# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages and kernel limits that the controller needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .errors import LabError
from .shell import lock, say, tail

PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "mkfs.ext4": "e2fsprogs",  # tests/crash
}
"""Tool -> Debian package that has it."""

APT_SECONDS = 600
"""Seconds that one command waits for the apt-get of another. apt-get has no time limit for its package lists."""

LIMITS = {"max_user_instances": 4096, "max_user_watches": 524288}
"""fs.inotify: all systemds of all hosts use root's limits. The kernel's default of 128 instances is used up at 25 hosts."""


def require_root() -> None:
    if os.geteuid() != 0:
        raise LabError(f"The lab needs root for mounts, bridges and containers: run it as root (current user id: {os.geteuid()}).")


def install_missing(packages: Mapping[str, str] = PACKAGES) -> None:
    """Install missing tools with apt-get, without a prompt. Raises LabError when a tool is still missing afterwards."""
    if all(_which(tool) for tool in packages):
        return
    with lock(Path("/run/lock/banyandb-lab-apt"), APT_SECONDS):
        _install(packages)


def _install(packages: Mapping[str, str]) -> None:
    missing = sorted({package for tool, package in packages.items() if not _which(tool)})
    if not missing:
        return
    if not _which("apt-get"):
        raise LabError(f"Missing packages: {', '.join(missing)}, and this machine has no apt-get. Use Debian 12 or later.")
    say(f"installing {', '.join(missing)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    options = ["-o", "DPkg::Lock::Timeout=300", "-y", "-q"]
    for command in (["update"], ["install", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *options, *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"'apt-get {' '.join(command)}' failed: {tail(done.stderr or done.stdout)}")
    still = sorted(tool for tool in packages if not _which(tool))
    if still:
        raise LabError(f"Not found after installing {', '.join(missing)}: {', '.join(still)}. Expected in PATH, /usr/sbin or /sbin.")


def raise_limits() -> None:
    for name, least in LIMITS.items():
        setting = Path("/proc/sys/fs/inotify", name)
        if int(setting.read_text()) < least:
            setting.write_text(str(least))


def _which(tool: str) -> bool:
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin") is not None
