# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look for secrets in processes and temporary files until the file STOP exists: ``canary_watch.py SECRETS READY STOP LAB TEMPORARY``.

SECRETS is a JSON file with a list of texts. The command line of no process has one, since this program would find itself.
Looks at the command line and the environment of every process of the machine, with those of all lab hosts, and at the temporary files of Ansible on
the hosts of the lab LAB and in the directory TEMPORARY. Prints the findings as a JSON list: place, and number of the secret in SECRETS.
The file READY has the findings until now. A file that exists only for a moment may escape one look, so a test repeats what the program must find.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS_BETWEEN = 0.03
ON_HOSTS = ("root/.ansible/tmp", "home/ops/.ansible/tmp", "tmp")


def processes() -> Iterator[tuple[str, bytes]]:
    """Yield the place and the content of what /proc shows of each process."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):  # the process has ended
                content = Path(f"/proc/{pid}/{name}").read_bytes()
                yield f"{name} of {program(pid)}", content


def program(pid: str) -> str:
    """Return the name of the program of a process. A server that a Python interpreter runs counts as the server. Raises OSError."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if any(word.endswith(b"/banyand-server") for word in words[:3]):
        return "banyand-server"
    return Path(f"/proc/{pid}/comm").read_text().strip()


def temporary_files(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each temporary file of Ansible."""
    for top in folders:
        for folder, _folders, names in os.walk(top):
            for name in names:
                with contextlib.suppress(OSError):  # removed since the listing
                    yield f"{top}: {name}", (Path(folder) / name).read_bytes()


def write(path: str, found: dict[tuple[str, int], None]) -> None:
    """Write the findings, so that a reader never finds half of them."""
    new = Path(f"{path}.new")
    new.write_text(json.dumps(list(found)))
    new.replace(path)


def main(secrets_file: str, ready: str, stop: str, lab: str, temporary: str) -> None:
    secrets = [secret.encode() for secret in json.loads(Path(secrets_file).read_text())]
    state = json.loads(subprocess.run([sys.executable, "-m", "tests.lab", "--lab", lab, "list"], capture_output=True, check=True).stdout)
    folders = [Path(temporary), *(Path(host["root"]) / folder for host in state["hosts"] for folder in ON_HOSTS)]
    found: dict[tuple[str, int], None] = {}
    write(ready, found)
    while not Path(stop).exists():
        known = len(found)
        for looks in (processes(), temporary_files(folders)):
            for place, content in looks:
                for number, secret in enumerate(secrets):
                    if secret in content:
                        found[place, number] = None
        if len(found) > known:
            write(ready, found)
        time.sleep(SECONDS_BETWEEN)
    print(json.dumps(list(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
