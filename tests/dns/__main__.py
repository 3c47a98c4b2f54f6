# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS for the hosts of a lab, in a process of its own: ``python -m tests.dns --help``.

Knot serves one zone; before it stands a LyingProxy at each address that was asked for. What one of them says is in the file
``says-<address>:<port>``, read at every question, so it may change while servers ask; what it was asked is in ``asked-<address>:<port>``.
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
    top = argparse.ArgumentParser(prog="python -m tests.dns", description="Knot with one zone, and proxies before it that lie on request.")
    top.add_argument("directory", type=Path, help="where everything is kept")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    for name, text in (("start", "serve in the background; returns when the zone is served"), ("serve", "serve until SIGTERM")):
        start = add(name, text)
        start.add_argument("zone", help="its name, with the trailing dot")
        start.add_argument("records", type=Path, help="a file with its records in master file form, without SOA and NS")
        start.add_argument("listen", nargs="+", help="address:port of a proxy")
    add("stop", "end what `start` has started; nothing there is fine")
    changes = add("update", "one signed dynamic update, all changes at once")
    changes.add_argument("change", nargs="+", help="'add NAME TTL TYPE DATA', 'delete NAME', 'delete NAME TYPE' or 'delete NAME TYPE DATA'")
    lie = add("lie", "what the proxy at an address says from now on")
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
    """Serve until SIGTERM. The file ``state.json`` says that the zone is served, and where Knot itself is."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with contextlib.ExitStack() as stack:
        knot = stack.enter_context(Knot(directory / "knot", {zone: records.read_text(encoding="utf-8")}))
        for place in listen:
            address, _colon, port = place.rpartition(":")
            proxy = LyingProxy((knot.address, knot.port), address, int(port))
            told = lie_file(directory, place)
            _say(told, TRUTH)
            asked = stack.enter_context((directory / f"asked-{place}").open("w", encoding="utf-8", buffering=1))
            proxy.lie = partial(_lie, told, asked)
            stack.enter_context(proxy)
        state = {"knot": [knot.address, knot.port], "zone": zone, "pid": os.getpid(), "start": _started(os.getpid())}
        _say(directory / STATE, json.dumps(state))
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


def start(directory: Path, arguments: list[str]) -> None:
    """Serve in a process that outlives this one."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "serve.log").open("ab") as log:
        command = [sys.executable, "-m", "tests.dns", str(directory), "serve", *arguments]
        served = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while not (directory / STATE).exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            served.wait(0.05)
            sys.exit(f"it ended while it started:\n{(directory / 'serve.log').read_text(encoding='utf-8')}")


def stop(directory: Path) -> None:
    """End exactly the process that wrote ``state.json``, and wait for its end."""
    try:
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
        handle = os.pidfd_open(state["pid"])
    except (FileNotFoundError, ProcessLookupError):
        handle = -1
    if handle >= 0:
        try:
            if _started(state["pid"]) == state["start"]:  # and no other process that was given its number meanwhile
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                select.select([handle], [], [])
        except ProcessLookupError:
            pass  # it ended meanwhile
        finally:
            os.close(handle)
    (directory / STATE).unlink(missing_ok=True)


def lie_file(directory: Path, place: str) -> Path:
    """The file that says what the proxy at ``place`` says."""
    return directory / f"says-{place}"


def _say(path: Path, text: str) -> None:
    """Whole or not at all: it is read at any time."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.rename(path)


def _lie(told: Path, asked: TextIO, name: str, kind: str) -> Lie | None:
    asked.write(f"{name} {kind} \n")
    what = told.read_text(encoding="utf-8")
    return Lie[what] if what in Lie.__members__ else None


def _started(pid: int) -> int:
    """When a process was started, in clock ticks since boot (field 22 of /proc/<pid>/stat). Raises ProcessLookupError."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None


if __name__ == "__main__":
    main()
