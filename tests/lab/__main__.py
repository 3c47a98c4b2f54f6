# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab: `python -m tests.lab --help`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from .errors import LabError
from .lab import DEFAULT_SUITE, Lab
from .rootfs import USER
from .shell import say, write


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.lab", description="Real systemd hosts on this machine, with faults on demand. Needs root.")
    top.add_argument("--lab", metavar="NAME", help="name of the lab (default: $BANYANDB_LAB, else 'lab'); a lab has its own hosts, subnet and state")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    add("setup", "install missing packages and build root file systems").add_argument("suite", nargs="*", default=[DEFAULT_SUITE])
    up = add("up", "boot hosts that are not running, and wait until they are ready")
    up.add_argument("host", nargs="+", help="a number N for node1..nodeN, or names: node7, node8=trixie")
    up.add_argument("--suite", default=DEFAULT_SUITE, help="Debian suite of new hosts (default: %(default)s)")
    add("down", "remove hosts with their disks (default: all, and every trace of the lab)").add_argument("host", nargs="*")
    add("inventory", "print a YAML inventory, group 'lab'").add_argument("--output", metavar="FILE", help="write the inventory to this file")
    add("list", "print hosts and faults as JSON")
    ssh = add("ssh", "log in to a host, or run a command there")
    ssh.add_argument("--user", default=USER, help="%(default)s (sudo without a password) or root")
    ssh.add_argument("host")
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="cmd")
    add("each", "run a command on all running hosts at once; print host -> output as JSON").add_argument("line", metavar="cmd")
    add("kill", "cut the power: all processes of the hosts die at once").add_argument("host", nargs="+")
    add("start", "boot killed hosts again, with their present disks").add_argument("host", nargs="+")
    partition = add("partition", "drop all packets between two hosts, without a reply")
    partition.add_argument("a")
    partition.add_argument("b")
    add("cut", "drop all packets between hosts and all other hosts").add_argument("host", nargs="+")
    add("blackhole-dns", "give hosts (default: all) a nameserver that never responds").add_argument("host", nargs="*")
    nameserver = add("nameserver", "give all hosts a nameserver; `heal` and restarts keep it")
    nameserver.add_argument("address", help="IP address of the nameserver (port 53), or `none`")
    add("keep-compiled", "make the Python of all running hosts keep the compiled form of Ansible's modules (saves a third of their time)")
    add("heal", "remove all partitions, cuts and blackholes")
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        _do(options)
    except LabError as error:
        print(f"lab: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted. The next command, or 'down', removes what is incomplete.", file=sys.stderr)
        return 130
    return 0


def _do(options: argparse.Namespace) -> None:
    lab = Lab(options.lab)
    if options.command == "setup":
        lab.setup(options.suite)
    elif options.command == "up":
        lab.up(_wanted(options.host), options.suite)
    elif options.command == "down":
        lab.down(options.host)
    elif options.command == "inventory":
        if options.output:
            write(Path(options.output).absolute(), lab.inventory())
            say(f"inventory written to {options.output}")
        else:
            print(lab.inventory(), end="")
    elif options.command == "list":
        print(json.dumps(lab.describe(), indent=2))
    elif options.command == "ssh":
        words = options.words[1:] if options.words[:1] == ["--"] else options.words
        command = [*lab.ssh_command(options.host, options.user), *([" ".join(words) if len(words) == 1 else shlex.join(words)] if words else [])]
        os.execvp(command[0], command)
    elif options.command == "each":
        print(json.dumps(lab.run_each(options.line)))
    elif options.command == "partition":
        lab.partition(options.a, options.b)
    elif options.command == "nameserver":
        lab.nameserver("" if options.address == "none" else options.address)
    elif options.command == "keep-compiled":
        lab.keep_compiled()
    elif options.command == "heal":
        lab.heal()
    else:
        {"kill": lab.kill, "start": lab.start, "cut": lab.cut, "blackhole-dns": lab.blackhole_dns}[options.command](*options.host)


def _wanted(words: list[str]) -> int | dict[str, str]:
    if len(words) == 1 and words[0].isdigit():
        return int(words[0])
    return {name: suite for name, _, suite in (word.partition("=") for word in words)}


if __name__ == "__main__":
    sys.exit(main())
