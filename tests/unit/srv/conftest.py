# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone that the tests of SRV records ask for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from ansible_collections.skywalking.banyandb.tests.unit.modules.running import COLLECTIONS
from ansible_collections.skywalking.banyandb.tests.unit.programs import Programs
from tests.dns import Knot, LyingProxy

ZONE = "example.test."
RECORDS = """\
_data._tcp 60 SRV 10 5 17912 node2
_data._tcp 60 SRV 10 5 17912 node1
_data._tcp 60 SRV 5 0 17912 node3
node1 20 A 192.0.2.1
node1 15 AAAA 2001:db8::1
node2 A 192.0.2.2
node2 A 192.0.2.22
node3 AAAA 2001:db8::3
_alias._tcp 7 CNAME _data._tcp
_aliased-target._tcp SRV 0 0 17912 also1
also1 CNAME node1
_gone._tcp SRV 0 0 0 .
_half-gone._tcp SRV 0 0 17912 node1
_half-gone._tcp SRV 0 0 0 .
_bare._tcp SRV 0 0 17912 bare
_bare._tcp SRV 0 0 17912 node1
bare TXT "no address"
_dangling._tcp SRV 0 0 17912 nobody
_elsewhere._tcp SRV 0 0 17912 node1.other.test.
_large._tcp SRV 0 0 17912 large.other.test.
_text._tcp TXT "no SRV"
_data._tcp.xn--bcher-kva SRV 0 0 17912 node1
_two._tcp SRV 0 0 17912 two1
_two._tcp SRV 0 0 17912 two2
_zero._tcp SRV 0 0 0 node1
_zero._tcp SRV 0 0 17912 node1
two1 A 192.0.2.31
two1 AAAA 2001:db8::31
two2 A 192.0.2.32
two2 AAAA 2001:db8::32
""" + "".join(f"_many._tcp SRV 0 0 {20000 + at} many{at}\nmany{at} A 192.0.2.{at}\n" for at in range(1, 201))
RECORDS += "".join(f"_thirty._tcp SRV 0 0 17912 many{at}\n" for at in range(1, 31))
OTHER = "node1 A 198.51.100.1\n" + "".join(f"large A 203.0.113.{at}\n" for at in range(1, 101))


def touch(knot: Knot, zone: str = ZONE) -> None:
    """Change the zone at a place that no test reads."""
    knot.update(zone, ("delete", "touched"), ("add", "touched", "30", "TXT", f'"{next(_TOUCHES)}"'))


_TOUCHES = itertools.count()


@pytest.fixture(scope="session")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knot]:
    with Knot(tmp_path_factory.mktemp("knot"), {ZONE: RECORDS, "other.test.": OTHER}) as server:
        yield server


@pytest.fixture
def proxy(knot: Knot) -> Iterator[LyingProxy]:
    with LyingProxy((knot.address, knot.port)) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    with Programs(COLLECTIONS) as programs:
        yield programs
