# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts with a cluster on them, and ansible-playbook timed against them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests import release_artifact
from tests.conftest import COLLECTIONS, ROOT
from tests.lab import Lab
from tests.simulator import pack

WORK = ROOT / ".cache" / "benchmarks"
LAB = "benchm"
LIAISON_PORT, DATA_PORT, HTTP_PORT = 18912, 17912, 17913
# One execution of a module leaves one such line at -vvv.
EXECUTION = re.compile(r"Using module file \S+/(\w+)\.py")


class Failed(Exception):
    """Something did not work, which is no matter of speed."""


def artifact() -> str:
    """The release to deploy: that of BANYANDB_ARTIFACT or BANYANDB_SERVER, else the simulator's."""
    if "BANYANDB_ARTIFACT" in os.environ:
        return os.environ["BANYANDB_ARTIFACT"]
    if "BANYANDB_SERVER" in os.environ:
        return str(release_artifact.packed(Path(os.environ["BANYANDB_SERVER"])))
    return str(pack.tarball())


def server_words() -> str:
    """Which server stands behind a figure."""
    real = "BANYANDB_ARTIFACT" in os.environ or "BANYANDB_SERVER" in os.environ
    return f"the real one ({Path(artifact()).name})" if real else "the simulator, whose processes are slower than the real ones and share the cores"


class Fleet:
    """Hosts ``node1`` to ``node<n>`` of the benchmarks' own lab; as a context it takes them down in the end."""

    def __init__(self, count: int) -> None:
        self.lab = Lab(LAB)
        self.count = count
        self.forks = 5

    def __enter__(self) -> Fleet:
        self.lab.down()
        self.lab.up(self.count)
        self.addresses = {host.name: host.address for host in self.lab.hosts()}
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.down()

    def inventory(self, name: str, liaisons: Sequence[str] = (), data: Sequence[str] = (), **variables: Any) -> Path:
        """An inventory of these hosts alone, reached by an unprivileged account that may become root."""
        folder = WORK / "inventory" / name
        folder.mkdir(parents=True, exist_ok=True)
        described = self.lab.inventory().splitlines()
        wanted, lines, keep = {*liaisons, *data}, described[:2], False
        for line in described[2:]:
            keep = line.strip().rstrip(":") in wanted if re.fullmatch(r" {4}\S+:", line) else keep
            lines += [line] if keep else []
        (folder / "lab.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        overlay = {
            "all": {"vars": {"ansible_become": True, "banyandb_artifact": artifact(), **variables}},
            "banyandb_liaison": {"hosts": {host: {} for host in liaisons}},
            "banyandb_data": {"hosts": {host: {} for host in data}},
        }
        (folder / "cluster.yml").write_text(json.dumps(overlay), encoding="utf-8")
        return folder

    def nodes(self, liaisons: Sequence[str] = (), data: Sequence[str] = ()) -> list[dict[str, str]]:
        """The same hosts as the module ``topology`` takes them."""
        roles = [("liaison", LIAISON_PORT, host) for host in liaisons] + [("data", DATA_PORT, host) for host in data]
        return [{"name": host, "role": role, "grpc_address": f"{self.addresses[host]}:{port}"} for role, port, host in roles]

    def play(self, inventory: Path, playbook: str | Path, *arguments: str) -> Run:
        """Run a playbook as a user does. Raises Failed when it does not end well."""
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "-f", str(self.forks), str(playbook), *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        began = time.monotonic()
        done = subprocess.run(command, cwd=WORK, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
        return Run(seconds, done.stdout)

    def everywhere(self, hosts: Sequence[str], command: str) -> dict[str, str]:
        """A shell command as root on all of these hosts at once; host -> its output. Raises Failed."""

        def one(host: str) -> str:
            done = self.lab.run(host, command, user="root", timeout=600)
            if done.returncode:
                raise Failed(f"{host}: {command}: {done.stdout}{done.stderr}")
            return done.stdout

        with ThreadPoolExecutor(len(hosts)) as pool:
            return dict(zip(hosts, pool.map(one, hosts), strict=True))


class Run:
    """One run of a playbook: ``seconds``, its output, and at -vvv how often it executed a module on a host."""

    def __init__(self, seconds: float, output: str) -> None:
        self.seconds = seconds
        self.output = output

    @property
    def executions(self) -> int:
        return len(EXECUTION.findall(self.output))

    @property
    def changed(self) -> bool:
        return re.search(r"changed=[1-9]", self.output) is not None


def written(name: str, plays: Any) -> Path:
    """A playbook, as a file."""
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"{name}.yml"
    path.write_text(json.dumps(plays, indent=1), encoding="utf-8")
    return path


def play(name: str, *tasks: Mapping[str, Any], **keywords: Any) -> Path:
    """A playbook of one play for all hosts."""
    return written(name, [{"hosts": "all", "gather_facts": False, **keywords, "tasks": list(tasks)}])
