# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""200 SRV names with 1,000 targets, against plain ``dns.asyncresolver`` and the lookups of other collections.

Each way runs in a process of its own: ``python -m tests.benchmarks.srv WAY``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dns.asyncresolver

from tests import conftest
from tests.dns import Knot
from tests.dns.delay import DelayingProxy

from .dns_zone import FAR, NEAR, Zone
from .figures import Result, Row
from .fleet import WORK, Failed

ZONE = Zone(services=200, each=5)
AWAY = 0.005
CONCURRENCY = 64
# Port 53 of a free address, since community.dns accepts no port.
SERVER = "127.53.53.53"
OTHERS = ("community.general", "community.dns")
REASON = "both ask the same questions with the same DNS library. The difference is the join of targets and addresses to records"
REASON_OTHERS = "the other lookups wait for each answer before the next question. Our lookup is limited by the processor time of the DNS library"

Texts = Iterable[str]


def main(way: str) -> None:
    """Ask once, see that every record came, and print the seconds."""
    ask = prepared(way)
    began = time.monotonic()
    found = ask()
    seconds = time.monotonic() - began
    texts = list(found)
    if len(texts) != len(set(texts)) or set(texts) != ZONE.said():
        raise Failed(f"{way}: {len(texts)} records came, and not the {len(ZONE.said())} of the zone")
    print(json.dumps(seconds))


def prepared(way: str) -> Callable[[], Texts]:
    """What asks for all records and addresses, with everything imported that it needs."""
    if way in ("plain", "ours", "ours near"):
        return {"plain": lambda: plain, "ours": lambda: ours(FAR), "ours near": lambda: ours(NEAR)}[way]()
    # Where collections are loaded as plugins, Ansible's loader has to be the first to import them.
    from ansible.plugins.loader import init_plugin_loader, lookup_loader

    init_plugin_loader()
    lookup = lookup_loader.get(way)
    if lookup is None:
        raise Failed(f"the lookup {way} is not found")
    if way == "skywalking.banyandb.srv":
        return lambda: [text for record in lookup.run(ZONE.names(FAR), {}, nameservers=[SERVER]) for text in texts_of(record)]

    def each_type() -> Texts:
        """One call for each record type, each with all names."""
        hosts = [target.host for target in ZONE.targets()]
        for kind, names in (("SRV", ZONE.names(FAR)), ("A", hosts), ("AAAA", hosts)):
            if way == "community.general.dig":
                yield from lookup.run([*names, f"qtype={kind}", f"@{SERVER}"], {})
            else:
                yield from lookup.run(names, {}, type=kind, server=[SERVER])

    return lambda: list(each_type())


def plain() -> Texts:
    """Ask with dnspython only: SRV records, then both addresses of each target when the target is known."""

    async def ask() -> list[str]:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [SERVER]
        free = asyncio.Semaphore(CONCURRENCY)
        found: list[str] = []

        async def one(name: Any, kind: str) -> Any:
            async with free:
                answer = await resolver.resolve(name, kind)
            found.extend(rdata.to_text() for rdata in answer)
            return answer

        async def service(name: str) -> None:
            answer = await one(name, "SRV")
            await asyncio.gather(*(one(rdata.target, kind) for rdata in answer for kind in ("A", "AAAA")))

        await asyncio.gather(*(service(name) for name in ZONE.names(FAR)))
        return found

    return asyncio.run(ask())


def ours(zone: str) -> Callable[[], Texts]:
    """The collection's resolver."""
    from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import SrvTerms, resolve_all
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NameServer, Records

    def ask() -> Texts:
        outcomes = resolve_all(ZONE.names(zone), SrvTerms((NameServer(SERVER),), concurrency=CONCURRENCY))
        for outcome in outcomes.values():
            if not isinstance(outcome, Records):
                raise Failed(outcome.message)
        return [text for outcome in outcomes.values() for record in outcome.records for text in texts_of(record.to_mapping())]

    return ask


def texts_of(record: dict[str, Any]) -> list[str]:
    return ["{priority} {weight} {port} {target}".format(**record), *record["addresses"]]


def other_collections() -> Path:
    """Where the other collections are: taken out of the package ``ansible`` of this Python, once."""
    place = WORK / "other-collections"
    if not place.exists():
        loaded, unpacked = WORK / "ansible-package", WORK / "other-collections.part"
        for left in (loaded, unpacked):
            shutil.rmtree(left, ignore_errors=True)
        words = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(loaded), "ansible"]
        done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"pip {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        (package,) = loaded.glob("*.whl")
        folders = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in OTHERS)
        with zipfile.ZipFile(package) as archive:
            archive.extractall(unpacked, [member for member in archive.namelist() if member.startswith(folders)])
        shutil.rmtree(loaded)
        unpacked.rename(place)
    return place


def version(place: Path, collection: str) -> str:
    manifest = place / "ansible_collections" / collection.replace(".", "/") / "MANIFEST.json"
    return f"{collection} {json.loads(manifest.read_text(encoding='utf-8'))['collection_info']['version']}"


def timed(way: str, place: Path) -> float:
    """Seconds that one process took. Raises Failed."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join([str(conftest.COLLECTIONS), str(place)])}
    words = [sys.executable, "-m", "tests.benchmarks.srv", way]
    done = subprocess.run(words, cwd=conftest.ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{way}: {done.stderr}")
    return float(json.loads(done.stdout))


def run(rounds: int, say: Callable[[str], None]) -> Result:
    place = other_collections()
    directory = WORK / "knot"
    shutil.rmtree(directory, ignore_errors=True)
    against_plain, near, dig, lookup = [], [], [], []
    with Knot(directory, ZONE.master_files()) as knot, DelayingProxy((knot.address, knot.port), SERVER, 53, AWAY):
        for number in range(1, rounds + 1):
            base = timed("plain", place)
            against_plain.append(timed("ours", place) / base)
            near.append(timed("ours near", place) / base)
            mine = timed("skywalking.banyandb.srv", place)
            dig.append(timed("community.general.dig", place) / mine)
            lookup.append(timed("community.dns.lookup", place) / mine)
            say(
                f"round {number}: plain {base:.2f} s, ours {against_plain[-1]:.2f} x, with the addresses along {near[-1]:.2f} x; "
                f"our lookup {mine:.2f} s, dig {dig[-1]:.1f} x, community.dns {lookup[-1]:.1f} x"
            )
    return Result(
        "srv",
        "200 SRV names with 1,000 targets",
        f"{ZONE.services} SRV names with {ZONE.each} targets each, and an A and an AAAA record for every target: "
        f"{ZONE.services * (1 + 2 * ZONE.each):,} questions, {CONCURRENCY} at the same time, from the first question to the last record. The server "
        f"is Knot behind a proxy with a delay of {AWAY * 1000:g} ms, on the same cores. Each client has its own process. Plain is "
        "`dns.asyncresolver` with the same questions. The time of a lookup is from its call to its result, without a playbook. "
        f"{' and '.join(version(place, name) for name in OTHERS)} get one call for each record type, with all names.",
        [
            Row("resolver, against plain `dns.asyncresolver`", against_plain, goal=1.2, reason=REASON),
            Row("resolver, addresses sent along with the SRV records, against plain `dns.asyncresolver`", near),
            Row("`community.general.dig`, against our lookup", dig, goal=12, at_least=True, reason=REASON_OTHERS),
            Row("`community.dns.lookup`, against our lookup", lookup, goal=12, at_least=True, reason=REASON_OTHERS),
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1])
