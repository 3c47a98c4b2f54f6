# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems from mmdebstrap, one for each Debian suite. All hosts and labs share them read-only."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from .errors import LabError
from .shell import lock, mounts_below, run, say, tail, write

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "python3",
    "iproute2",
    "nftables",
    "iputils-ping",
    "procps",
)
"""The packages of a plain server and no others: a role that needs curl or pip must fail in the lab too."""

MASKED = (
    # The lab sets a host's address. A host has no console user and cannot reach a mirror.
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "console-getty.service",
    "getty@.service",
    "getty.target",
    "container-getty@.service",
    "systemd-firstboot.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)

SSHD = """\
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
GSSAPIAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
MaxStartups 200
MaxSessions 200
"""

# Debian's default. Newer suites have it in a separate package.
SYSCTL = "net.ipv4.ping_group_range = 0 2147483647\n"

USER = "ops"
MIRROR = "http://deb.debian.org/debian"
CACHE = Path(os.environ.get("BANYANDB_LAB_CACHE", "/var/cache/banyandb-lab"))
BUILD_SECONDS = 900


def path_of(suite: str) -> Path:
    """Return the path of a suite's root file system. It has a hash of the recipe: hosts keep the old path after a change of the recipe."""
    recipe = repr((PACKAGES, MASKED, SSHD, SYSCTL, USER, 2)).encode()
    return CACHE / f"{suite}-{hashlib.sha256(recipe).hexdigest()[:8]}"


def ensure(suite: str) -> Path:
    """Return the root file system of a suite, and build it when it is missing (about 30 s)."""
    root = path_of(suite)
    if root.is_dir():
        return root
    with lock(CACHE / f"{suite}.lock", BUILD_SECONDS):
        if not root.is_dir():
            _build(suite, root)
    return root


def _build(suite: str, root: Path) -> None:
    draft = CACHE / f"building-{suite}"
    _remove(draft)
    log = CACHE / f"{suite}.log"
    mirror = os.environ.get("BANYANDB_LAB_MIRROR") or MIRROR
    say(f"root file system {suite}: building (about 30 s), log {log}")
    # mmdebstrap, its children (a pid namespace) and its mounts (a mount namespace) end together with the lab, even after SIGKILL.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child"]
    # mmdebstrap takes half the processor time of debootstrap, which unpacks with shell commands.
    command += ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(draft), mirror]
    with open(log, "w", encoding="utf-8") as stream:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        _remove(draft)
        raise LabError(
            f"mmdebstrap of {suite} failed with exit code {done.returncode}. Expected a Debian suite and a mirror that has it"
            f" ({mirror}; BANYANDB_LAB_MIRROR names another). The end of {log}:\n{tail(log.read_text(errors='replace'), 8)}"
        )
    _configure(draft)
    draft.rename(root)
    say(f"root file system {suite}: ready ({root})")


def _configure(root: Path) -> None:
    """Write the files that all hosts of all labs share. Each host gets its keys, name and addresses at its boot."""
    run(["chroot", str(root), "useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", USER])
    write(root / f"etc/sudoers.d/{USER}", f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
    write(root / "etc/ssh/sshd_config.d/lab.conf", SSHD)
    write(root / "etc/sysctl.d/lab.conf", SYSCTL)
    write(root / "etc/systemd/journald.conf.d/lab.conf", "[Journal]\nSystemMaxUse=64M\n")
    write(root / "etc/resolv.conf", "# The lab has no nameserver; names are in /etc/hosts.\n")
    write(root / "etc/machine-id", "")
    for unit in MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    for pattern in ("etc/ssh/ssh_host_*", "var/cache/apt/archives/*.deb", "var/lib/apt/lists/*_*"):
        for path in root.glob(pattern):
            path.unlink()


def _remove(root: Path) -> None:
    if not root.exists():
        return
    for point in mounts_below(root):
        run(["umount", point])
    # --one-file-system: keep the files of a mount that is still there.
    run(["rm", "-rf", "--one-file-system", str(root)], timeout=300)
