# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module ``topology`` many times, each in a process of its own, and kills or holds it at a chosen moment.

The processes are forked from one that has everything imported: a push begins within milliseconds, and what is traced
is the push alone. That one is ``python -m tests.crash.pusher``; ``Pusher`` talks to it by lines of JSON.
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
    """How a push ended: by SIGKILL or by itself; the calls begun and how many; how often the file had been replaced by then;
    the module's result (empty when killed)."""

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
        """Ends the process, and with it what it traces."""
        self._process.kill()
        self._process.communicate()

    def push(self, **arguments: Any) -> dict[str, Any]:
        """The result of a push that is left alone."""
        return self._ask({**self._job(arguments), "alone": True}).result

    def traced(self, **arguments: Any) -> Ended:
        """A push that is only looked at."""
        return self._ask(self._job(arguments))

    def killed(self, moment: Moment, **arguments: Any) -> Ended:
        """A push that is killed at ``moment``."""
        ended = self._ask({**self._job(arguments), "moment": asdict(moment)})
        assert ended.killed, f"the push was over before {moment}: {ended}"
        return ended

    @contextmanager
    def held(self, moment: Moment, **arguments: Any) -> Iterator[Held]:
        """A push that stands still at ``moment``; killed at the end if it was not let go."""
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
    """A push that stands still; ``process`` is its number, 0 once it goes on."""

    def __init__(self, pusher: Pusher, process: int) -> None:
        self._pusher, self.process = pusher, process

    def go(self) -> dict[str, Any]:
        """Let it go on; its result."""
        return self._end("go").result

    def kill(self) -> Ended:
        return self._end("kill")

    def _end(self, how: str) -> Ended:
        self.process = 0
        return self._pusher._ask({"then": how})


# The process that forks


def _module(arguments: dict[str, Any], output: int) -> None:
    """Be the module: arguments in as Ansible gives them, result to ``output``. Does not return."""
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
