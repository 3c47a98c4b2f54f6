# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the commands of a page and write their output into the page: ``python -m tests.docs.record tests/docs/walkthrough.md``.

The program processes the page from top to bottom, in a new directory, on hosts of the lab ``docs``:

- ``<!-- file: inventory/cluster.yml -->`` before a block: write the block to that file. ``<!-- remove: FILE -->`` removes a file.
- ``<!-- run: COMMAND -->``: run the command without showing it (for example a power cut).
- a block ``console``: run its lines that begin with ``$`` (``>`` continues a line), put the output after each command, and remove all
other lines of the block.

A command that fails ends the recording. With ``<!-- fails -->`` before its block, a command that succeeds ends the recording.
A ``[...]`` replaces removed output: tasks that only include others, plays without a host, the recap of a run without
a failure, the end of a long line. ``<!-- from: REGEX -->`` before the block removes all lines before the first match. The program
removes Ansible's excerpts of playbooks after an error without a mark. The release is the output of ``tests.release_artifact``,
under the names of two versions.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".cache" / "docs" / "cluster"
# The name of the directory in the page.
SHOWN = "~/cluster"
VERSIONS = ("0.11.0", "0.11.1")
MARK = "[...]"
# Length at which the program shortens a line.
LONGEST = 480
RECAP = "PLAY RECAP "
PART = re.compile(r"^<!-- (?P<word>\w+)(?:: (?P<value>[^\n]*))? -->\n|^```(?P<language>\w+)\n(?P<block>.*?)^```\n", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ .*\n(?:> .*\n)*", re.MULTILINE)
ENVIRONMENT = {
    # Make sets it to the directory of the installed collection. Without it, the tree itself is the collection.
    "ANSIBLE_COLLECTIONS_PATH": os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".cache" / "dev")),
    "ANSIBLE_DISPLAY_OK_HOSTS": "false",
    "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
    "ANSIBLE_FORKS": "10",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_PIPELINING": "true",
    "BANYANDB_LAB": "docs",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
}


def run(command: str, fails: bool = False) -> str:
    """Return the output of the command, both streams as on a terminal. Exit when it fails, or with ``fails`` when it succeeds."""
    print(f"$ {command}", flush=True)
    done = subprocess.run(
        ["bash", "-c", command], cwd=WORK, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, flush=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"exit code {done.returncode}, {'expected a failure' if fails else 'expected 0'}")
    for path, shown in ((str(WORK), SHOWN), (str(ROOT), "~/skywalking.banyandb")):
        done.stdout = done.stdout.replace(path, shown)
    return done.stdout


def shortened(output: str, start: str) -> list[str]:
    """Return the lines of ansible-playbook's output without uninformative lines, with a mark for each gap."""
    lines = output.splitlines()
    kept: list[str] = []
    if start:
        first = next((number for number, line in enumerate(lines) if re.search(start, line)), None)
        if first is None:
            sys.exit(f"no line matches {start!r} in:\n{output}")
        lines, kept = lines[first:], [MARK] if first else []
    if "\nPLAY [" not in output:
        return [*kept, *lines]
    blocks: list[list[str]] = [[]]  # a banner (except in the first block) and the lines below it
    origin = False  # an excerpt of the playbook, up to the line with the result of the task
    for line in map(str.rstrip, lines):
        origin = (origin or line.startswith("Origin: ")) and not re.match(r"(fatal|failed): |(PLAY|TASK) ", line)
        if re.match(r"(PLAY|TASK) ", line):
            blocks.append([line])
        elif line and not origin and not re.match(r"included: |skipping: no hosts matched", line):
            blocks[-1].append(line if len(line) <= LONGEST else f"{line[:LONGEST]} {MARK}")
    if "".join(blocks[-1][:1]).startswith(RECAP) and not re.search(r"(failed|unreachable)=[1-9]", output):
        after = [line for line in blocks[-1][1:] if " : ok=" not in line]  # output of the next command
        blocks[-1:] = [["PLAY RECAP"], after] if after else [["PLAY RECAP"]]
    for number, block in enumerate(blocks):
        of_play = itertools.takewhile(lambda later: later[0].startswith("TASK "), blocks[number + 1 :])
        banner = block[0] if block else ""
        shown = len(block) > 1 or not banner.startswith(("PLAY ", "TASK ")) or (banner.startswith("PLAY ") and any(len(task) > 1 for task in of_play))
        if shown:
            kept += ["", *block] if kept and block and number else block
        elif kept[-1:] != [MARK]:
            kept += ["", MARK] if kept else [MARK]
    return kept


def releases() -> None:
    """Fill the directory ``releases`` with two versions of the release."""
    asked = subprocess.run([sys.executable, "-m", "tests.release_artifact"], cwd=ROOT, check=True, capture_output=True, text=True)
    given = Path(asked.stdout.strip())
    (WORK / "releases").mkdir()
    for version in VERSIONS:
        path = WORK / "releases" / f"skywalking-banyandb-{version}-banyand.tgz"
        shutil.copy(given, path)
        path.with_name(f"{path.name}.sha512").write_text(f"{hashlib.sha512(path.read_bytes()).hexdigest()}  {path.name}\n", encoding="utf-8")


def recorded(page: str) -> Iterator[str]:
    """Yield the pieces of the page with new output of its commands."""
    marks: dict[str, str] = {}
    position = 0
    for part in PART.finditer(page):
        yield page[position : part.start()]
        position = part.end()
        text = part.group()
        if part["word"] == "run":
            run(part["value"])
        elif part["word"] == "remove":
            (WORK / part["value"]).unlink()
        elif part["word"]:
            marks[part["word"]] = part["value"] or ""
        else:
            if part["language"] == "console":
                text = f"```console\n{session(part['block'], marks)}```\n"
            elif "file" in marks:
                file = WORK / marks["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(part["block"], encoding="utf-8")
            marks = {}
        yield text
    yield page[position:]


def session(block: str, marks: Mapping[str, str]) -> str:
    """Return the commands of a block, each with its new output and without its old output."""
    lines = []
    for command in COMMAND.findall(block):
        output = run(command.replace("\n> ", "\n")[2:].rstrip("\n"), "fails" in marks)
        lines += [*command.splitlines(), *shortened(output, marks.get("from", ""))]
    if not lines:
        sys.exit(f"a block console without a line that begins with $:\n{block}")
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.docs.record PAGE")
    page = Path(sys.argv[1])
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    releases()
    run("python -m tests.lab down")
    text = "".join(recorded(page.read_text(encoding="utf-8")))
    page.write_text(text, encoding="utf-8")
    run("python -m tests.lab down")


if __name__ == "__main__":
    main()
