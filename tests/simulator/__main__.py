# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python -m tests.simulator pack` makes the release tarball. `python -m tests.simulator path` makes an executable banyand-server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .pack import DEFAULT_VERSION, OUTPUT, PackError, executable, tarball


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="make the release tarball and its .sha512, and print the path of the tarball")
    pack.add_argument("--output", type=Path, default=OUTPUT, help="directory for both files (default: %(default)s)")
    path = commands.add_parser("path", help="make an executable banyand-server when it is missing, and print its path")
    for command in (pack, path):
        command.add_argument("--version", default=DEFAULT_VERSION, help="version of the server (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        print(tarball(arguments.version, arguments.output) if arguments.command == "pack" else executable(arguments.version))
    except PackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
