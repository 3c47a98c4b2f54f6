# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Ansible's programs, each run in its own fork of a process that has imported ansible-core.

This import takes most of the processor time of a short run. The process imports nothing of the collection before the fork, and a
run leaves nothing for the next. It is ``python tests/unit/programs.py``; ``Programs`` talks to it with lines of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

NAMES = ("adhoc", "inventory", "playbook")
# Imports of every run: besides the programs, only parts of ansible-core.
NEEDED = [f"ansible.cli.{name}" for name in NAMES] + ["ansible.executor.task_queue_manager", "ansible.plugins.strategy.linear"]
SETTINGS = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_STDOUT_CALLBACK": "minimal", "COLUMNS": "10000"}


class Programs:
    """One run at a time. All runs have the same settings."""

    def __init__(self, collections: str) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, **SETTINGS, "ANSIBLE_COLLECTIONS_PATH": collections},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, name: str, *arguments: str, cwd: str | Path = ".") -> subprocess.CompletedProcess[str]:
        """Return the exit code and the output of ``ansible NAME ARGUMENT...``."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps([name, arguments, str(cwd)]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, f"the process that forks ended with {self._process.wait()}"
        code, out, err = json.loads(line)
        return subprocess.CompletedProcess([name, *arguments], code, out, err)


# The process that forks


def _program(name: str, arguments: list[str], cwd: str, outputs: list[int]) -> NoReturn:
    """Run the program, as ``python -m ansible`` does. The fork must not run the exit handlers of the forking process."""
    code: Any = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
        os.chdir(cwd)
        sys.argv = [f"ansible {name}", *arguments]
        import_module(f"ansible.cli.{name}").main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def main() -> None:
    for name in NEEDED:
        import_module(name)
    for line in sys.stdin:
        outputs = [os.memfd_create(name) for name in ("out", "err")]
        child = os.fork()
        if child == 0:
            _program(*json.loads(line), outputs)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = []
        for output in outputs:
            with open(output, "rb") as file:
                file.seek(0)
                said.append(file.read().decode())
        print(json.dumps([code, *said]), flush=True)


if __name__ == "__main__":
    # Do not import from this folder: its names are those of the code under test.
    sys.path.pop(0)
    main()
