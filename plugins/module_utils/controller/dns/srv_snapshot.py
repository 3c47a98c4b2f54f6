# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the last good DNS answers of each name on the controller's disk, for the time when DNS fails.

Files: ``<directory>/<name>/<generation>.json``. There are five generations, and the highest number is the newest. A generation is written completely
or not at all, and has its own SHA-256. When the SHA-256 does not match, the previous generation is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import SrvTerms, canonical, resolve_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import PRIVATE, leftovers, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import (
    Records,
    RecordsError,
    SrvRecord,
    Standing,
    record_from_mapping,
    stand,
)

GENERATIONS = 5
SUFFIX = ".json"


class SnapshotError(ValueError):
    """The snapshot cannot be kept; the message says where and why."""


@dataclass(frozen=True)
class Snapshot:
    """A good answer, and the time of the answer (seconds since 1970, UTC)."""

    records: Records
    time: float


def consult(names: Iterable[str], terms: SrvTerms, directory: str, max_age: float, now: float, hold: bool = False) -> dict[str, Standing]:
    """Ask DNS for every name, and use the last good answer where DNS fails.

    ``directory``: directory of the snapshots; empty: no snapshots. ``max_age`` and ``now``: seconds. ``hold``: see stand().
    Raises SrvTermsError and SnapshotError.
    """
    if not directory:
        return {name: stand(outcome, None, 0, 0) for name, outcome in resolve_all(names, terms).items()}
    snapshots = Snapshots(directory)
    asked = {name: canonical(name, terms.search) for name in names}
    last = {name: snapshots.last(name) for name in asked.values()}
    known = {name: frozenset(record.member for record in snapshot.records.records) for name, (snapshot, _warnings) in last.items() if snapshot}
    standings = {}
    for name, outcome in resolve_all(asked, replace(terms, known=known, serial=True)).items():
        snapshot, warnings = last[asked[name]]
        # An answer that may be incomplete does not replace a larger known answer.
        cut_off = isinstance(outcome, Records) and outcome.unconfirmed and known.get(outcome.name, frozenset()) - outcome.members
        if isinstance(outcome, Records) and not outcome.problems and not cut_off:
            snapshots.keep(outcome, now)
        standing = stand(outcome, snapshot.records if snapshot else None, now - snapshot.time if snapshot else 0, max_age, hold)
        standings[name] = replace(standing, warnings=warnings + standing.warnings)
    return standings


class Snapshots:
    """The snapshots in one directory. The first keep() makes the directory."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.expanduser(directory)

    def keep(self, records: Records, now: float) -> None:
        """Write the newest generation. The same set of records only renews time, TTL and serial. Raises SnapshotError."""
        place = self._place(records.name)
        try:
            for directory in (self.directory, place):
                os.makedirs(directory, mode=0o700, exist_ok=True)
            with locked(place):
                numbers = _generations(place)
                newest, _warnings = self.last(records.name)
                again = newest is not None and _timeless(newest.records) == _timeless(records)
                number = numbers[-1] if numbers and again else (numbers[-1] if numbers else 0) + 1
                write(os.path.join(place, f"{number}{SUFFIX}"), _encoded(records, now), PRIVATE)
                for old in _generations(place)[:-GENERATIONS]:
                    os.unlink(os.path.join(place, f"{old}{SUFFIX}"))
                for left in leftovers(place, ".*"):
                    os.unlink(left)
        except OSError as error:
            raise SnapshotError(f"{place}: the DNS answer cannot be kept for later: {error.strerror}. Set another snapshot_dir.") from None

    def last(self, name: str) -> tuple[Snapshot | None, tuple[str, ...]]:
        """Return the newest valid generation, and a warning for each newer invalid generation."""
        place = self._place(name)
        warnings: list[str] = []
        for number in reversed(_generations(place)):
            path = os.path.join(place, f"{number}{SUFFIX}")
            try:
                with open(path, "rb") as stream:
                    return _decoded(stream.read(), name), tuple(warnings)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                warnings.append(f"{path}: this snapshot is not used: {error}. The previous snapshot is used")
        return None, tuple(warnings)

    def _place(self, name: str) -> str:
        # A DNS name may have signs that a file name must not have. The digest distinguishes the names.
        plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in name.lower())
        return os.path.join(self.directory, f"{plain[:80].strip('.')}-{hashlib.sha256(name.lower().encode()).hexdigest()[:12]}")


def _timeless(records: Records) -> list[SrvRecord]:
    """Return the records without TTLs, which a caching server counts down."""
    return [replace(record, ttl=0) for record in records.records]


def _generations(place: str) -> list[int]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = (entry.removesuffix(SUFFIX) for entry in os.listdir(place) if entry.endswith(SUFFIX))
        return sorted(int(number) for number in found if number.isascii() and number.isdigit())
    return []


def _encoded(records: Records, now: float) -> bytes:
    data = {
        "name": records.name,
        "time": now,
        "server": records.server,
        "ttl": records.ttl,
        "serial": records.serial,
        "records": [record.to_mapping() for record in records.records],
    }
    return json.dumps({"sha256": _digest(data), **data}, indent=1).encode() + b"\n"


def _decoded(raw: bytes, name: str) -> Snapshot:
    """Return the snapshot in ``raw``. Raises ValueError and its subclasses UnicodeDecodeError, JSONDecodeError and RecordsError."""
    try:
        data: Any = json.loads(raw)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("it holds no mapping")
    found = data.pop("sha256", None)
    if found != _digest(data):
        raise ValueError("its SHA-256 does not match its content")
    if data.get("name") != name:
        raise ValueError(f"it is of {data.get('name')!r}")
    if not isinstance(data.get("time"), (int, float)) or not isinstance(data.get("records"), list):
        raise RecordsError("time or records are missing")
    serial = data.get("serial")
    if serial is not None and (not isinstance(serial, int) or isinstance(serial, bool)):
        raise RecordsError(f"serial is {serial!r}, expected int")
    records = tuple(record_from_mapping(each) for each in data["records"])
    return Snapshot(Records(name, records, str(data.get("server")), serial=serial), float(data["time"]))


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
