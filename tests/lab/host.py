# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a lab: its disk (an overlay on the suite's root file system), its boot and its end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .errors import LabError
from .network import Network
from .rootfs import USER
from .shell import mounts_below, run, tail, wait_until, write

MAX_HOSTS = 40
KILL_SECONDS = 15

SHELL = """
# Enter the host's own control group first: nspawn would put all hosts into one group with the processes of all.
while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done
shift
# nspawn exits with 133 when the host reboots: its caller must start it again.
while :; do "$@"; [ $? -eq 133 ] || exit; done
"""


@dataclass(frozen=True)
class Host:
    number: int
    suite: str
    directory: Path
    network: Network

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return self.network.address(self.number)

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    def boot(self, image: Path, public_key: str, host_key: Path, nameserver: str | None) -> None:
        """Power on the host with its present disk, without waiting (see is_ready). The first boot sets the host's name and keys.

        `nameserver`: see set_nameserver.
        """
        self.network.connect(self.number)
        self._mount(image)
        if not (self.directory / "seeded").exists():
            self._seed(public_key, host_key)
            write(self.directory / "seeded", "")
        self.set_nameserver(nameserver)
        groups = self._control_groups()
        for group in groups:
            group.mkdir(parents=True, exist_ok=True)
        mark = f"{processes.MARK}={self.directory}"
        command = [
            "systemd-nspawn",
            "--boot",
            "--quiet",
            "--console=read-only",
            f"--directory={self.root}",
            f"--machine=banyandb-lab-{self.network.lab}-{self.number}",
            f"--hostname={self.name}",
            "--private-users=no",
            f"--network-namespace-path=/run/netns/{self.network.namespace(self.number)}",
            "--capability=CAP_NET_ADMIN",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            f"--setenv={mark}",
            "--register=no",
            *(["--keep-unit"] if groups else []),
        ]
        environment = {
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin",
            processes.MARK: str(self.directory),
            # Force control groups v2 in the host: systemd 256 and later boot on nothing else.
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        }
        with open(self.console, "wb") as console:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", SHELL, "sh", *map(str, groups), "--", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                check=True,
            )

    def living(self) -> list[processes.Process]:
        return [process for process in processes.find(self.directory.parent) if process.host == self.directory]

    def is_ready(self, init: processes.Process) -> bool:
        """Return whether the host's systemd has finished the boot and the host's sshd sends its banner."""
        return self.system_state(init) in ("running", "degraded") and self._greets()

    def system_state(self, init: processes.Process) -> str:
        """Return the output of `systemctl is-system-running` in the host, or an empty string when systemd does not respond."""
        return self._inside(init, "systemctl", "is-system-running").strip()

    def why_not_ready(self) -> str:
        init = next((process for process in self.living() if process.role == "init"), None)
        console = tail(self.console.read_text(errors="replace"), 15) if self.console.exists() else "(none)"
        parts = [f"end of {self.console}:\n{console}"]
        if init is None:
            parts.insert(0, "the host has no init process")
        else:
            parts.insert(0, f"systemd says '{self.system_state(init) or 'nothing'}'; sshd {'greets' if self._greets() else 'does not greet'}")
            parts.append(
                "failed units and jobs:\n"
                + self._inside(init, "systemctl", "--no-pager", "--plain", "list-units", "--failed")
                + self._inside(init, "systemctl", "--no-pager", "list-jobs")
            )
        return "; ".join(parts)

    def power_off(self) -> None:
        """Cut the power: unplug the network, SIGKILL all processes in the host at once, then remove the rest outside of the host.

        The disk stays. The method also works for a host that is off or only partly up.
        """
        self.network.unplug(self.number)
        found = self.living()
        inits = [process for process in found if process.role == "init"]
        supervisors = [process for process in found if process.role != "init"]
        left = processes.kill(inits, KILL_SECONDS)
        # nspawn removes its own parts and ends when init is gone. An nspawn without an init is at its start, or hangs.
        left += processes.kill(processes.wait_gone(supervisors, 5 if inits else 0), KILL_SECONDS)
        left += self.living()
        if left:
            raise LabError(f"{self.name}: processes {sorted(process.pid for process in left)} still live {KILL_SECONDS} s after SIGKILL.")
        self.network.disconnect(self.number)
        self._unmount()
        self._remove_control_groups()

    def remove(self) -> None:
        """Power off the host and remove its disk."""
        self.power_off()
        shutil.rmtree(self.directory, ignore_errors=False)

    def set_nameserver(self, address: str | None) -> None:
        """Make this address the host's only nameserver. None restores the host's own resolv.conf. No effect on a stopped host."""
        if not mounts_below(self.root):
            return
        current, saved = self.root / "etc/resolv.conf", self.directory / "resolv.conf.saved"
        if address is None:
            if saved.exists():
                write(current, saved.read_text())
                saved.unlink()
            return
        if not saved.exists():
            write(saved, current.read_text() if current.is_file() and not current.is_symlink() else "")
        write(current, f"nameserver {address}\n")

    def keep_compiled(self) -> None:
        """Make the host's Python keep the compiled form of modules in zip files. Ansible sends its modules in zip files."""
        packages = self.root / "usr/lib/python3/dist-packages"
        write(packages / "keep_compiled.py", Path(__file__).with_name("keep_compiled.py").read_text())
        (self.root / "var/cache/compiled-python").mkdir(exist_ok=True)
        write(packages / "keep_compiled.pth", "import keep_compiled\n")

    def _mount(self, image: Path) -> None:
        if mounts_below(self.root):
            return
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        options = f"lowerdir={image},upperdir={self.directory}/upper,workdir={self.directory}/work"
        run(["mount", "-t", "overlay", f"banyandb-lab-{self.network.lab}", "-o", options, str(self.root)])

    def _unmount(self) -> None:
        def gone() -> bool:
            for point in mounts_below(self.root):
                run(["umount", point], check=False)
            return not mounts_below(self.root)

        if not wait_until(gone, KILL_SECONDS):
            raise LabError(f"{self.root} cannot be unmounted: a process uses it. Run 'fuser -vm {self.root}', end that process, and try again.")

    def _seed(self, public_key: str, host_key: Path) -> None:
        etc = self.root / "etc"
        names = "".join(f"{self.network.address(n)} node{n}\n" for n in range(1, MAX_HOSTS + 1))
        write(etc / "hosts", f"127.0.0.1 localhost\n::1 localhost\n{self.network.controller} controller\n{names}")
        write(etc / "hostname", f"{self.name}\n")
        write(etc / "machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        write(etc / "ssh/ssh_host_ed25519_key", host_key.read_text(), 0o600)
        write(etc / "ssh/ssh_host_ed25519_key.pub", host_key.with_name(f"{host_key.name}.pub").read_text())
        for home in ("root", f"home/{USER}"):
            write(self.root / home / ".ssh/authorized_keys", public_key, 0o600)
            owner = (self.root / home).stat()
            for path in (self.root / home / ".ssh", self.root / home / ".ssh/authorized_keys"):
                os.chown(path, owner.st_uid, owner.st_gid)
            (self.root / home / ".ssh").chmod(0o700)

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _inside(self, init: processes.Process, *command: str) -> str:
        return run(["nsenter", f"--target={init.pid}", "--mount", "--pid", "--cgroup", *command], timeout=10, check=False)

    def _control_groups(self) -> list[Path]:
        """Return the control groups of the host's processes: none when systemd runs this machine, because nspawn then asks systemd for a scope."""
        if Path("/run/systemd/system").is_dir():
            return []
        return [root / self.network.namespace(self.number) for root in _control_group_roots()]

    def _remove_control_groups(self) -> None:
        for group in self._control_groups():
            for directory, _names, _files in os.walk(group, topdown=False):
                # The kernel needs some time after the last process of a group has ended.
                if not wait_until(lambda: _rmdir(directory), KILL_SECONDS):
                    raise LabError(f"The control group {directory} cannot be removed. Expected no process in its cgroup.procs.")


def _rmdir(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def _control_group_roots() -> list[Path]:
    """Return the mount points of the hierarchies that systemd uses: v2, and the named one of v1."""
    roots = []
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        for line in stream:
            _device, point, kind, options = line.split()[:4]
            if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
                roots.append(Path(point))
    return roots
