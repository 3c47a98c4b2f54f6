# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For any content of a data directory: no node takes another owner's data, and no node starts without its own data."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import (
    STORES,
    BadMarker,
    Finding,
    Marker,
    NodeFacts,
    RemovalRefused,
    Seen,
    State,
    Wanted,
    check_removal,
    decide,
    read_marker,
    roots,
    storage_environment,
    storage_problems,
    stores,
)

from .draw import Choices, made

PATHS = ("/data", "/data/inner", "/disk1/b", "/srv", "/home/b/data", "/root/x", "/tmp/y", "/etc", "relative", "")
NAMES = tuple(directory for _variable, directory in STORES.values())


def facts(choices: Choices) -> NodeFacts:
    host = choices.pick(("data1", "data2"))
    # Two nodes may have exchanged their addresses.
    node = f"{choices.pick(('data1', 'data2'))}:17912"
    return NodeFacts(choices.pick(("default", "west")), host, node, choices.pick(("data", "liaison")))


def marker(choices: Choices) -> str | None:
    kind = choices.below(4)
    if kind == 0:
        return None
    return choices.text() if kind == 1 else Marker(facts(choices), choices.text(), {"measure": choices.pick(PATHS)}).text()


def flag(choices: Choices) -> bool:
    return choices.below(2) == 1


def case(choices: Choices) -> dict[str, Any]:
    path, real = choices.pick(PATHS[:5]), choices.pick(PATHS[:7])
    seen = Seen(
        path,
        path if flag(choices) else real,
        what=choices.pick(("absent", "directory", "directory", "file")),
        entries=tuple(choices.pick((*NAMES, "www", choices.text())) for _ in range(choices.below(4))),
        marker=marker(choices),
        owner=choices.pick(("banyandb", "root")),
        strangers={"measure": "root"} if choices.below(6) == 0 else {},
        in_unit=flag(choices),
        closed=("/data", "0700") if choices.below(8) == 0 else None,
        unmounted="/data" if choices.below(8) == 0 else "",
        left={"stream": "/old"} if choices.below(8) == 0 else {},
    )
    if seen.what != "directory":
        seen = Seen(seen.path, seen.real, what=seen.what, closed=seen.closed, unmounted=seen.unmounted, left=seen.left)
    mine = facts(choices)
    record = Marker(mine, "2026", {"measure": choices.pick(PATHS[:5])}) if flag(choices) else None
    others = {name: "elsewhere:17912" for name in ("data1", "data2") if name != mine.host and flag(choices)}
    wanted = Wanted(mine, "banyandb", tuple(STORES), accept_empty=choices.below(4) == 0, adopt=choices.below(4) == 0, others=others)
    return {"seen": seen, "wanted": wanted, "record": record}


def is_mine(seen: Seen, wanted: Wanted) -> bool:
    try:
        found = read_marker(seen.marker or "").facts
    except BadMarker:
        return False
    return found.is_same_node(wanted.facts) and found.host not in wanted.others


@given(made(100, case))
def test_a_node_takes_its_own_data_unowned_directories_or_what_the_operator_gives_it(given_case: dict[str, Any]) -> None:
    seen, wanted, record = given_case["seen"], given_case["wanted"], given_case["record"]
    finding: Finding = decide(seen, wanted, record, "2026")
    assert (finding.state is None) == (finding.reason is not None) == (finding.marker is None)
    if finding.state is None:
        assert finding.message and "\n" not in finding.message
        return
    assert seen.what in ("absent", "directory") and not seen.closed and not seen.unmounted
    assert finding.marker is not None and finding.marker.facts == wanted.facts
    if seen.entries and not is_mine(seen, wanted):
        assert set(seen.entries) & set(NAMES), "data of another owner"
        assert wanted.adopt or (seen.in_unit and seen.owner == wanted.user and set(seen.entries) <= set(NAMES) and seen.marker is None)
    known = record is not None and record.stores["measure"] == seen.path
    if known and not seen.entries and not is_mine(seen, wanted):
        assert wanted.accept_empty, "a lost disk"
    if finding.state is State.OURS:
        assert is_mine(seen, wanted)


@given(made(100, case))
def test_nothing_is_removed_but_what_has_the_marker_of_the_node(given_case: dict[str, Any]) -> None:
    seen, wanted = given_case["seen"], given_case["wanted"]
    try:
        check_removal([seen], wanted.facts, {}, wanted.others)
    except RemovalRefused as error:
        assert "Nothing is removed." in str(error)
        return
    assert not seen.unmounted and (is_mine(seen, wanted) or (seen.marker is None and not seen.entries))


def variables(choices: Choices) -> dict[str, Any]:
    return {
        "banyandb_kind": choices.pick(("data", "liaison", "standalone")),
        "banyandb_config_dir": choices.pick(("/etc/banyandb", *PATHS)),
        "banyandb_root": choices.pick(("/opt/banyandb", *PATHS)),
        "banyandb_data_dir": choices.pick(PATHS),
        "banyandb_storage": {choices.pick((*STORES, "other")): choices.pick(PATHS) for _ in range(choices.below(4))},
    }


@given(made(100, variables))
def test_every_store_has_one_root_and_every_root_one_place(given_variables: dict[str, Any]) -> None:
    if storage_problems(given_variables):
        return
    found = roots(given_variables)
    assert next(iter(found)) == given_variables["banyandb_data_dir"]
    assert sorted(store for names in found.values() for store in names) == sorted(stores(given_variables))
    assert set(storage_environment(given_variables).values()) <= set(found)
    for path in found:
        assert path.startswith("/") and not path.startswith(("/root", "/tmp", "/etc"))
