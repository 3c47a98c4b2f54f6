# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module ``topology`` many times, each time in a new process, and kill or hold the process at a chosen moment.

The processes are forks of one process with all imports done: a push starts within milliseconds, and the trace has only the
push. That process is ``python -m tests.crash.pusher``; ``Pusher`` talks to it with lines of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils import basic

from tests.conftest import COLLECTIONS, ROOT
from tests.contract.network import Host

from . import tracer
from .tracer import Moment


@dataclass(frozen=True)
class Ended:
    """The end of a push: whether SIGKILL ended it; the calls begun and their number; the number of replacements of the file until then;
    the module's result (empty after a kill).
    """

    killed: bool
    calls: list[str]
    renames: int
    result: dict[str, Any]


class Pusher:
    """Pushes to the file ``topology.yml`` in ``directory``, one at a time, on ``host`` or on this machine.

    ``arguments`` are the module's.
    """

    def __init__(self, directory: Path, host: Host | None = None) -> None:
        self.directory, self.path = directory, directory / "topology.yml"
        words = [sys.executable, "-m", "tests.crash.pusher"]
        self._process = subprocess.Popen(
            host.command(*words) if host else words,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{COLLECTIONS}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Pusher:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and the processes that it traces."""
        self._process.kill()
        self._process.communicate()

    def push(self, **arguments: Any) -> dict[str, Any]:
        """Push without interruption and return the result."""
        return self._ask({**self._job(arguments), "alone": True}).result

    def traced(self, **arguments: Any) -> Ended:
        """Push without interruption and return the trace."""
        return self._ask(self._job(arguments))

    def killed(self, moment: Moment, **arguments: Any) -> Ended:
        """Push, and kill the push at ``moment``."""
        ended = self._ask({**self._job(arguments), "moment": asdict(moment)})
        assert ended.killed, f"the push was over before {moment}: {ended}"
        return ended

    @contextmanager
    def held(self, moment: Moment, **arguments: Any) -> Iterator[Held]:
        """Push, and hold the push at ``moment``. Kill the push at the end of the block unless go() has continued it."""
        self._send({**self._job(arguments), "moment": asdict(moment), "hold": True})
        held = Held(self, self._receive()["held"])
        try:
            yield held
        finally:
            if held.process:
                held.kill()

    def _job(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"directory": str(self.directory), "arguments": {"path": str(self.path), **arguments}}

    def _ask(self, job: dict[str, Any]) -> Ended:
        self._send(job)
        return Ended(**self._receive())

    def _send(self, job: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the pusher ended with {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer


class Held:
    """A push on hold. ``process`` is its process id, 0 after it continues."""

    def __init__(self, pusher: Pusher, process: int) -> None:
        self._pusher, self.process = pusher, process

    def go(self) -> dict[str, Any]:
        """Continue the push and return its result."""
        return self._end("go").result

    def kill(self) -> Ended:
        return self._end("kill")

    def _end(self, how: str) -> Ended:
        self.process = 0
        return self._pusher._ask({"then": how})


# The process that forks


def _module(arguments: dict[str, Any], output: int) -> None:
    """Run the module: arguments as Ansible passes them, result to ``output``. The function does not return."""
    from ansible_collections.skywalking.banyandb.plugins.modules import topology

    os.dup2(output, 1)
    os.dup2(output, 2)
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    try:
        topology.main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(int(end.code or 0))


def _hold(process: int, _: tracer.Traced) -> None:
    print(json.dumps({"held": process}), flush=True)
    if json.loads(sys.stdin.readline())["then"] == "kill":
        os.kill(process, signal.SIGKILL)


def _serve(job: dict[str, Any]) -> Ended:
    output = os.memfd_create("output")
    try:
        traced = tracer.run(
            lambda: _module(job["arguments"], output),
            None if job.get("alone") else job["directory"],
            Moment(**job["moment"]) if "moment" in job else None,
            _hold if job.get("hold") else None,
        )
        said = os.pread(output, os.fstat(output).st_size, 0).decode()
    finally:
        os.close(output)
    name = f" {os.path.basename(job['arguments']['path'])}"
    renames = [number for number, call in enumerate(traced.calls) if call.startswith("rename") and call.endswith(name)]
    return Ended(traced.killed, traced.calls, len(traced.done.intersection(renames)), {} if traced.killed else json.loads(said))


def main() -> None:
    import ansible_collections.skywalking.banyandb.plugins.modules.topology  # noqa: F401 (what each push needs, once)

    for line in sys.stdin:
        print(json.dumps(asdict(_serve(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
