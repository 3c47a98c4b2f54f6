# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake systemctl and journalctl, first in PATH, for machines without systemd.

Units are files ``<name>.unit`` with lines of ``systemctl show``. ``start`` and ``restart`` run ``<name>.start`` if it
exists, a shell script that may rewrite the unit. ``stop`` removes the unit's process. The journal is the file ``journal`` with entries
in the format of ``journalctl --output=json``.
"""

from __future__ import annotations

import json

import pytest

SYSTEMCTL = """#!/bin/sh
cd {directory} || exit 1
echo "$*" >>calls
command=$1; shift
[ "$command" = daemon-reload ] && exit 0
while [ "$1" != -- ]; do shift; done; shift
case $command in
show)
    for name; do
        if [ -f "$name.unit" ]; then cat "$name.unit"; else printf 'Id=%s\\nLoadState=not-found\\nActiveState=inactive\\nMainPID=0\\n' "$name"; fi
        echo
    done ;;
start|restart) sh -e "./$1.start" ;;
stop) printf 'LoadState=loaded\\nActiveState=inactive\\nMainPID=0\\n' >"$1.unit" ;;
esac
"""
NFT = """#!/bin/sh
case $1 in
list) echo 'table {table}' ;;
-j) echo '{{"nftables": [{{"set": {{"name": "s", "elem": [{{"elem": {{"val": 1, "timeout": 120, "expires": 94}}}}]}}}}]}}' ;;
esac
"""
JOURNALCTL = """#!/bin/sh
[ "$1" = --sync ] && exit 0
echo "$*" >>{directory}/journal-calls
cat {directory}/journal
"""


class Systemd:
    """The units of one test."""

    def __init__(self, directory):
        self.directory = directory
        self.journal("")

    def unit(self, name, **properties):
        """Set the present state of a unit. Without properties the unit is active without a process."""
        properties = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "MainPID": 0, **properties}
        (self.directory / f"{name}.unit").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def on_start(self, name, script):
        (self.directory / f"{name}.start").write_text(script)

    def journal(self, text, at=2e9, invocation="now"):
        """Add messages, one a line, of one invocation, at a time in seconds since the epoch. Further calls append."""
        entries = [
            json.dumps({"__REALTIME_TIMESTAMP": str(int(at * 1e6)), "MESSAGE": line, "_SYSTEMD_INVOCATION_ID": invocation})
            for line in text.splitlines()
        ]
        with open(self.directory / "journal", "a", encoding="utf-8") as stream:
            stream.write("".join(entry + "\n" for entry in entries))

    def blocks(self, table):
        """Let a fake nft list one table, whose only element times out after 94 s. ``table``: family and name."""
        program = self.directory / "nft"
        program.write_text(NFT.format(table=table))
        program.chmod(0o755)

    def calls(self, command):
        """Return the units of every call of ``systemctl <command>``."""
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition("-- ")[2] for line in lines if line.split()[0] == command]


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    directory = tmp_path / "systemd"
    directory.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
        (directory / name).write_text(text.replace("{directory}", str(directory)))
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    return Systemd(directory)
