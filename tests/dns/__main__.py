# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS for the hosts of a lab, in a separate process: ``python -m tests.dns --help``.

Knot serves one zone. A LyingProxy before it listens on each given address. The file ``says-<address>:<port>`` sets the proxy's lie. The
proxy reads the file at every question, so a test may change it at any time. The proxy writes each question to ``asked-<address>:<port>``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TextIO

from .knot import Knot, update
from .proxy import Lie, LyingProxy

STATE = "state.json"
TRUTH = "TRUTH"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m tests.dns", description="Serve a DNS zone with Knot behind proxies that falsify answers on request."
    )
    top.add_argument("directory", type=Path, help="directory for all files of the server")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    for name, text in (("start", "serve in the background; return when the server answers"), ("serve", "serve until SIGTERM")):
        start = add(name, text)
        start.add_argument("zone", help="name of the zone, with the trailing dot")
        start.add_argument("records", type=Path, help="file with the zone's records in master file form, without SOA and NS")
        start.add_argument("listen", nargs="+", help="address:port of a proxy")
    add("stop", "end the server that `start` started; no server is no error")
    changes = add("update", "send one signed dynamic update with all changes")
    changes.add_argument("change", nargs="+", help="'add NAME TTL TYPE DATA', 'delete NAME', 'delete NAME TYPE' or 'delete NAME TYPE DATA'")
    lie = add("lie", "set what the proxy at an address answers from now on")
    lie.add_argument("listen", help="address:port of the proxy")
    lie.add_argument("what", choices=[*(lie.name for lie in Lie), TRUTH])
    return top


def main() -> None:
    options = parser().parse_args()
    directory = options.directory.absolute()
    if options.command == "serve":
        serve(directory, options.zone, options.records, options.listen)
    elif options.command == "start":
        stop(directory)
        start(directory, [options.zone, str(options.records.absolute()), *options.listen])
    elif options.command == "stop":
        stop(directory)
    elif options.command == "lie":
        _say(lie_file(directory, options.listen), options.what)
    else:
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
        changes = [tuple(change.split(" ", 4 if change.startswith("add ") else 3)) for change in options.change]
        update(tuple(state["knot"]), state["zone"], *changes)


def serve(directory: Path, zone: str, records: Path, listen: list[str]) -> None:
    """Serve until SIGTERM. The file ``state.json`` appears when Knot serves the zone, and has Knot's address."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with contextlib.ExitStack() as stack:
        knot = stack.enter_context(Knot(directory / "knot", {zone: records.read_text(encoding="utf-8")}))
        for place in listen:
            address, _colon, port = place.rpartition(":")
            proxy = LyingProxy((knot.address, knot.port), address, int(port))
            setting = lie_file(directory, place)
            _say(setting, TRUTH)
            asked = stack.enter_context((directory / f"asked-{place}").open("w", encoding="utf-8", buffering=1))
            proxy.lie = partial(_lie, setting, asked)
            stack.enter_context(proxy)
        state = {"knot": [knot.address, knot.port], "zone": zone, "pid": os.getpid(), "start": _started(os.getpid())}
        _say(directory / STATE, json.dumps(state))
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


def start(directory: Path, arguments: list[str]) -> None:
    """Start a server process that outlives this one."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "serve.log").open("ab") as log:
        command = [sys.executable, "-m", "tests.dns", str(directory), "serve", *arguments]
        served = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while not (directory / STATE).exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            served.wait(0.05)
            sys.exit(f"The DNS server ended during its start:\n{(directory / 'serve.log').read_text(encoding='utf-8')}")


def stop(directory: Path) -> None:
    """End exactly the process that wrote ``state.json``, and wait for its end."""
    try:
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
        handle = os.pidfd_open(state["pid"])
    except (FileNotFoundError, ProcessLookupError):
        handle = -1
    if handle >= 0:
        try:
            if _started(state["pid"]) == state["start"]:  # not another process with the same pid
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                select.select([handle], [], [])
        except ProcessLookupError:
            pass  # the process has ended
        finally:
            os.close(handle)
    (directory / STATE).unlink(missing_ok=True)


def lie_file(directory: Path, place: str) -> Path:
    """Return the file that sets the lie of the proxy at ``place``."""
    return directory / f"says-{place}"


def _say(path: Path, text: str) -> None:
    """Write a file atomically: the proxy may read it at any time."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.rename(path)


def _lie(setting: Path, asked: TextIO, name: str, kind: str) -> Lie | None:
    asked.write(f"{name} {kind} \n")
    what = setting.read_text(encoding="utf-8")
    return Lie[what] if what in Lie.__members__ else None


def _started(pid: int) -> int:
    """Return the start time of a process in clock ticks since boot (field 22 of /proc/<pid>/stat). Raises ProcessLookupError."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None


if __name__ == "__main__":
    main()
