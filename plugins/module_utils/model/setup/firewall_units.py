# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the systemd units that load the firewall at boot, and restore the firewall after another program removed the table. Pure.

At boot, ``banyandb-firewall.service`` loads the table before the network starts. The unit does not need nftables.service. If nftables.service is
enabled, the unit starts after nftables.service, because /etc/nftables.conf usually starts with ``flush ruleset``.

While the host runs, ``banyandb-firewall-watch.timer`` compares the loaded table with the listing from the last load, every INTERVAL seconds. So the
table is missing for at most INTERVAL + ACCURACY seconds after a flush (12 s with the run of both units). A comparison takes one run of nft
(6 ms, measured). ``nft monitor`` would show a flush at once, but the monitor reads each change of each program, and can lose messages (ENOBUFS,
netlink(7)). A timer cannot miss a flush, and no process stays. A drain of a liaison cannot wait for the timer: see host/network/kept_table.py.

The units compare the whole text, so they also restore the table after a program loads an earlier copy, such as the copy in an /etc/nftables.conf that
an operator made with ``nft list ruleset``. Text is enough here, because the same nft wrote both texts.
"""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_rules import TABLE

FIREWALL_FILE = "/etc/banyandb/firewall.nft"
SERVICE = "banyandb-firewall.service"
WATCH_SERVICE = "banyandb-firewall-watch.service"
WATCH_TIMER = "banyandb-firewall-watch.timer"
UNIT_DIRECTORY = "/etc/systemd/system"
RUNTIME_DIRECTORY = "/run/banyandb-firewall"
#: Seconds between two comparisons, and the tolerance of the timer.
INTERVAL = 10
ACCURACY = 1

_SERVICE = """\
{mark}; set banyandb_firewall and deploy.
[Unit]
Description=Firewall of Apache SkyWalking BanyanDB
Documentation=man:nft(8)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
# These units may flush all rules when they start.
After=local-fs.target nftables.service netfilter-persistent.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory={runtime}
RuntimeDirectoryMode=0700
{start}
{reload}
# Opens the ports. systemctl restart also opens the ports for some milliseconds; systemctl reload does not.
ExecStop=-{nft} delete table {table}

[Install]
WantedBy=sysinit.target
"""
_WATCH_SERVICE = """\
{mark}; set banyandb_firewall and deploy.
[Unit]
Description=Restore the firewall of Apache SkyWalking BanyanDB after another program changed the table
After={service}

[Service]
Type=oneshot
# Without this line, the journal gets two lines for each comparison.
LogLevelMax=notice
ExecStart={compare}
"""
_WATCH_TIMER = """\
{mark}; set banyandb_firewall and deploy.
[Unit]
Description=Compare the firewall of Apache SkyWalking BanyanDB every {interval} s
# systemctl stop {service} also stops this timer.
PartOf={service}
After={service}

[Timer]
OnActiveSec={interval}s
OnUnitInactiveSec={interval}s
AccuracySec={accuracy}s

[Install]
WantedBy=timers.target {service}
"""


def paths(file: str = FIREWALL_FILE) -> list[str]:
    """Return the paths of the file and of the units. A host without these paths has no firewall of this collection."""
    return [file, *(f"{UNIT_DIRECTORY}/{name}" for name in (SERVICE, WATCH_SERVICE, WATCH_TIMER))]


def load_commands(nft: str, file: str = FIREWALL_FILE, runtime: str = RUNTIME_DIRECTORY) -> list[list[str]]:
    """Return the commands that load the file and keep the listing of the loaded table. ``nft``: path of the program.

    A failed listing leaves no listing, so that the next comparison loads the file again.
    """
    keep = f"rm -f {runtime}/loaded; {nft} -s list table {TABLE} >{runtime}/new; mv {runtime}/new {runtime}/loaded"
    return [[nft, "-f", file], ["/bin/sh", "-ec", keep]]


def compare_command(nft: str, restore: str = f"systemctl reload-or-restart {SERVICE}", runtime: str = RUNTIME_DIRECTORY) -> list[str]:
    """Return the command that restores the table if the loaded table is not the table of the last load. ``restore``: the command that loads."""
    # Both commands fail in other words, so a missing table or listing is never the same.
    same = f'[ "$({nft} -s list table {TABLE} 2>&1)" = "$(cat {runtime}/loaded 2>&1)" ]'
    # <5>: the level notice of sd-daemon(3).
    return ["/bin/sh", "-c", f'{same} || {{ echo "<5>another program changed the table {TABLE}; restoring the table"; exec {restore}; }}']


def units(nft: str, file: str = FIREWALL_FILE) -> dict[str, str]:
    """Return name -> text of the units. ``nft``: path of nft on the host. ``file``: the file that the units load."""
    load = load_commands(nft, file)
    return {
        SERVICE: _SERVICE.format(
            mark=MARK,
            runtime=RUNTIME_DIRECTORY.rpartition("/")[2],
            start="\n".join(f"ExecStart={_line(command)}" for command in load),
            reload="\n".join(f"ExecReload={_line(command)}" for command in load),
            nft=nft,
            table=TABLE,
        ),
        WATCH_SERVICE: _WATCH_SERVICE.format(mark=MARK, service=SERVICE, compare=_line(compare_command(nft))),
        WATCH_TIMER: _WATCH_TIMER.format(mark=MARK, service=SERVICE, interval=INTERVAL, accuracy=ACCURACY),
    }


def _line(command: list[str]) -> str:
    """Return a command as one line of a unit. systemd expands ``$`` and ``%`` also between quotes (systemd.service(5), "Command lines")."""
    quoted = []
    for word in command:
        word = word.replace("%", "%%").replace("$", "$$")
        escaped = word.replace("\\", "\\\\").replace('"', '\\"')
        quoted.append(word if word and all(character.isalnum() or character in "/-._" for character in word) else f'"{escaped}"')
    return " ".join(quoted)
