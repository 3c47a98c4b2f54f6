# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-inventory --list`` of 10,000 hosts from DNS, against the same hosts from a script and from static YAML."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import COLLECTIONS
from tests.dns import Knot

from .dns_zone import FAR, NEAR, PORT, Zone
from .figures import Result, Row
from .fleet import WORK, Failed

ZONE = Zone(services=20, each=500)
FOLDER = WORK / "srv-inventory"
CLUSTER = "bench"
REASON = "Ansible creates the hosts with the same code. The difference is the import of dnspython, and the read and check of the snapshots"


def host_variables(zone: str) -> dict[str, dict[str, Any]]:
    """Host -> its variables, as the inventory ``srv`` documents them."""
    names = ZONE.names(zone)
    return {
        target.host.rstrip("."): {
            "ansible_host": target.v4,
            "banyandb_cluster": CLUSTER,
            "banyandb_grpc_port": PORT,
            "banyandb_srv": {
                "name": names[number // ZONE.each],
                "target": target.host.rstrip("."),
                "port": PORT,
                "addresses": [target.v4, target.v6],
            },
        }
        for number, target in enumerate(ZONE.targets())
    }


def from_dns(name: str, zone: str, knot: Knot, **options: Any) -> Path:
    """An inventory file that finds the hosts by the SRV names of ``zone``; its snapshots are kept under FOLDER."""
    path = FOLDER / f"{name}.banyandb.yml"
    content = {
        "plugin": "skywalking.banyandb.srv",
        "services": [{"name": service, "role": "data"} for service in ZONE.names(zone)],
        "cluster": CLUSTER,
        "enrich": False,
        "nameservers": [f"{knot.address}:{knot.port}"],
        "snapshot_dir": str(FOLDER / "snapshots"),
        **options,
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def from_script(variables: Mapping[str, Any]) -> Path:
    """An inventory that costs nothing to make: a script that prints what is in a file."""
    data, script = FOLDER / "hosts.json", FOLDER / "hosts.sh"
    data.write_text(json.dumps({"_meta": {"hostvars": variables}, "banyandb_data": {"hosts": list(variables)}}), encoding="utf-8")
    script.write_text(f"#!/bin/sh\nexec cat {data}\n", encoding="utf-8")
    script.chmod(0o755)
    return script


def from_yaml(variables: Mapping[str, Any]) -> Path:
    path = FOLDER / "hosts.yml"
    path.write_text(yaml.safe_dump({"banyandb_data": {"hosts": dict(variables)}}), encoding="utf-8")
    return path


def listed(inventory: Path, variables: Mapping[str, Any]) -> float:
    """Seconds of ``ansible-inventory --list``, which must list exactly these hosts, all of them data nodes. Raises Failed."""
    words = [sys.executable, "-m", "ansible", "inventory", "-i", str(inventory), "--list"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    began = time.monotonic()
    done = subprocess.run(words, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode or "WARNING" in done.stderr:
        raise Failed(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    # Ansible marks a text from DNS as unsafe, and does not mark the texts of the other inventories.
    found = json.loads(done.stdout, object_hook=lambda value: value.get("__ansible_unsafe", value))
    if found["_meta"]["hostvars"] != variables or sorted(found["banyandb_data"]["hosts"]) != sorted(variables):
        raise Failed(f"{inventory}: the hosts or their variables are not those of the zone")
    return seconds


def run(rounds: int, say: Callable[[str], None]) -> Result:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    near, far = host_variables(NEAR), host_variables(FAR)
    script, static = from_script(near), from_yaml(near)
    with Knot(FOLDER / "knot", ZONE.master_files(), ttl=300) as knot:
        asked, each_asked = from_dns("near", NEAR, knot), from_dns("far", FAR, knot)
        cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(FOLDER / "cache"), "cache_timeout": 86400}
        cached, warm = from_dns("cached", NEAR, knot, **cache), from_dns("warm", NEAR, knot, within_ttl=True)
        for inventory, variables in ((cached, near), (each_asked, far)):
            listed(inventory, variables)  # from here on there are snapshots, and the cache
        ours, fresh, remembered, every, yaml_file = [], [], [], [], []
        for number in range(1, rounds + 1):
            asked_again = listed(asked, near)  # writes new snapshots
            before = listed(script, near)
            seconds = listed(warm, near)
            base = (before + listed(script, near)) / 2
            ours.append(seconds / base)
            fresh.append(asked_again / base)
            remembered.append(listed(cached, near) / base)
            every.append(listed(each_asked, far) / base)
            yaml_file.append(listed(static, near) / base)
            say(
                f"round {number}: script {base:.2f} s, snapshot {ours[-1]:.2f} x, cache {remembered[-1]:.2f} x, asked {fresh[-1]:.2f} x, "
                f"every address asked for {every[-1]:.2f} x, YAML {yaml_file[-1]:.2f} x"
            )
        listed(asked, near)
        knot.stop()
        listed(warm, near)  # without a warning, so that no answer was missed: those of the snapshot counted
    hosts = ZONE.services * ZONE.each
    return Result(
        "srv_inventory",
        "An inventory of 10,000 hosts from DNS",
        f"`ansible-inventory --list` from start to end: {hosts:,} hosts by {ZONE.services} SRV names, with an IPv4 and an IPv6 address each, from "
        "Knot on the same machine. The inventory asks no host for its identity. With `within_ttl`, the inventory uses the saved answers of an "
        "earlier run for their TTL. The base is the same hosts with the same variables from a script inventory that prints JSON (`cat` of a file).",
        [
            Row("DNS, snapshot within its TTL (`within_ttl`)", ours, goal=1.2, reason=REASON),
            Row("DNS, inventory cache of Ansible (`cache`)", remembered),
            Row("DNS asked, addresses sent along with the SRV records", fresh),
            Row(f"DNS asked, also for each of the {2 * hosts:,} addresses", every),
            Row("static YAML", yaml_file),
        ],
    )
