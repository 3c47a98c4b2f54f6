# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete module srv_info."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from tests.dns import Knot, Lie, LyingProxy

from .conftest import ZONE, touch

DATA = f"_data._tcp.{ZONE}"


def ask(server: Knot | LyingProxy, name: str = DATA, **options: Any) -> dict[str, Any]:
    given = {"nameservers": [f"{server.address}:{server.port}"], "attempts": 1, **options}
    result, err = asyncio.run(run_module("srv_info", name=name, **given))
    assert err == ""
    assert "Traceback" not in json.dumps(result)
    return dict(result)


def targets(result: dict[str, Any]) -> list[str]:
    return [record["target"].partition(".")[0] for record in result["records"]]


def test_records_and_outcome(knot: Knot) -> None:
    result = ask(knot)
    assert not result.get("failed"), result
    assert (result["outcome"], result["problems"], result["changed"]) == ("records", [], False)
    assert result["records"][0] == {
        "target": "node1.example.test.",
        "port": 17912,
        "priority": 10,
        "weight": 5,
        "ttl": 15,
        "addresses": ["192.0.2.1", "2001:db8::1"],
        "unanswered": [],
    }
    assert (result["gaps"], result["confirmed"]) == ([], True)


@pytest.mark.parametrize("lie", [Lie.NOTIMP, Lie.DROP])
def test_addresses_of_one_type_alone_are_a_warning(proxy: LyingProxy, lie: Lie) -> None:
    proxy.lie = lambda _name, kind: lie if kind == "AAAA" else Lie.NO_ADDITIONAL
    result = ask(proxy, f"_two._tcp.{ZONE}", timeout=0.5)
    assert [record["addresses"] for record in result["records"]] == [["192.0.2.31"], ["192.0.2.32"]]
    assert [(gap["address_type"], gap["targets"]) for gap in result["gaps"]] == [("AAAA", [f"two1.{ZONE}", f"two2.{ZONE}"])]
    (warning,) = result["warnings"]
    assert "addresses of type AAAA are left out for two1" in str(warning)


def test_a_message_names_a_target_once(knot: Knot) -> None:
    for label, target in (("_aliased-target", "also1"), ("_bare", "bare"), ("_dangling", "nobody")):
        refused = ask(knot, f"{label}._tcp.{ZONE}")
        assert refused["failed"] and refused["msg"].count(f"{target}.{ZONE}") == 1
        warned = ask(knot, f"{label}._tcp.{ZONE}", on_bad_target="warn")
        assert str(warned["warnings"]).count(f"{target}.{ZONE}") == 1


@pytest.mark.parametrize(
    ("label", "lie", "outcome", "says"),
    [
        ("_nope", None, "no_such_name", "no such name (NXDOMAIN)"),
        ("_text", None, "no_data", "without SRV records"),
        ("_gone", None, "no_data", "withdrawn (RFC 2782)"),
        ("_aliased-target", None, "records", "is an alias of"),
        ("_data", Lie.SERVFAIL, "server_failure", "SERVFAIL"),
        ("_data", Lie.REFUSED, "server_failure", "REFUSED"),
        ("_data", Lie.TRUNCATE, "server_failure", "truncated"),
        ("_data", Lie.DROP, "no_answer", "no answer from"),
    ],
)
def test_what_is_no_usable_answer_fails_and_names_its_outcome(proxy: LyingProxy, label: str, lie: Lie | None, outcome: str, says: str) -> None:
    proxy.lie = lie
    result = ask(proxy, f"{label}._tcp.{ZONE}", timeout=0.5)
    assert result["failed"]
    assert result["outcome"] == outcome
    assert says in result["msg"]
    assert outcome == "records" or result["records"] == []
    assert outcome != "server_failure" or result["code"] in ("SERVFAIL", "REFUSED", "TRUNCATED")


@pytest.mark.parametrize(("label", "option", "outcome"), [("_nope", "on_no_such_name", "no_such_name"), ("_text", "on_no_data", "no_data")])
def test_a_denial_is_an_empty_list_for_who_asks_for_one(knot: Knot, label: str, option: str, outcome: str) -> None:
    result = ask(knot, f"{label}._tcp.{ZONE}", **{option: "empty"})
    assert not result.get("failed")
    assert (result["outcome"], result["records"]) == (outcome, [])


def test_a_bad_target_is_a_warning_for_who_asks_for_one(knot: Knot) -> None:
    result = ask(knot, f"_bare._tcp.{ZONE}", on_bad_target="warn")
    assert targets(result) == ["bare", "node1"]
    assert [record["addresses"] for record in result["records"]] == [[], ["192.0.2.1", "2001:db8::1"]]
    assert result["problems"][0]["kind"] == "no_data"
    assert "bare.example.test. has no address" in str(result["warnings"])


@pytest.mark.parametrize("lie", [Lie.SERVFAIL, Lie.REFUSED, Lie.DROP, Lie.TRUNCATE, Lie.WRONG_ID])
def test_the_last_good_answer_stands_in_with_its_age_and_the_cause(proxy: LyingProxy, tmp_path: Path, lie: Lie) -> None:
    options: dict[str, Any] = {"serve_stale": True, "snapshot_dir": str(tmp_path / "kept"), "timeout": 0.5}
    good = ask(proxy, **options)
    assert isinstance(good["serial"], int)
    proxy.lie = lie
    stale = ask(proxy, **options)
    assert not stale.get("failed"), stale
    assert (stale["records"], stale["serial"]) == (good["records"], good["serial"])
    assert stale["outcome"] == ("no_answer" if lie in (Lie.DROP, Lie.WRONG_ID) else "server_failure")
    assert stale["age"] >= 0
    assert "using the answer of" in str(stale["warnings"])
    assert f"ago (3 records, zone serial {good['serial']}), because: _data._tcp.example.test. SRV: " in str(stale["warnings"])


def test_a_stale_answer_names_the_serial_that_its_zone_had(knot: Knot, proxy: LyingProxy, tmp_path: Path) -> None:
    options: dict[str, Any] = {"serve_stale": True, "snapshot_dir": str(tmp_path / "kept")}
    first = ask(proxy, **options)["serial"]
    touch(knot)
    second = ask(proxy, **options)["serial"]
    touch(knot)
    proxy.lie = Lie.SERVFAIL
    assert (first < second, ask(proxy, **options)["serial"]) == (True, second)


def test_the_serial_is_not_asked_for_where_no_answer_is_kept(proxy: LyingProxy) -> None:
    assert "serial" not in ask(proxy)
    assert "SOA" not in [kind for _name, kind, _way in proxy.asked]


def test_an_answer_is_kept_without_its_serial_where_that_is_not_said(proxy: LyingProxy, tmp_path: Path) -> None:
    options: dict[str, Any] = {"serve_stale": True, "snapshot_dir": str(tmp_path / "kept")}
    proxy.lie = lambda _name, kind: Lie.REFUSED if kind == "SOA" else None
    good = ask(proxy, **options)
    proxy.lie = Lie.SERVFAIL
    stale = ask(proxy, **options)
    assert stale["records"] == good["records"]
    assert "serial" not in {*good, *stale}
    assert "ago (3 records), because: " in str(stale["warnings"])


@pytest.mark.parametrize("lie", [Lie.NXDOMAIN, Lie.NO_DATA, Lie.DOT])
def test_nothing_stands_in_for_a_denial(proxy: LyingProxy, tmp_path: Path, lie: Lie) -> None:
    options: dict[str, Any] = {"serve_stale": True, "snapshot_dir": str(tmp_path / "kept")}
    ask(proxy, **options)
    proxy.lie = lie
    assert ask(proxy, **options)["failed"]


def test_an_answer_that_is_too_old_is_not_used(proxy: LyingProxy, tmp_path: Path) -> None:
    options: dict[str, Any] = {"serve_stale": True, "snapshot_dir": str(tmp_path / "kept"), "timeout": 0.5}
    ask(proxy, **options)
    (kept,) = (tmp_path / "kept").glob("*/1.json")
    age(kept, 7200)
    proxy.lie = Lie.SERVFAIL
    assert ask(proxy, **options)["age"] == pytest.approx(7200, abs=60)
    refused = ask(proxy, **options, max_age=3600)
    assert refused["failed"]
    assert "the last good answer is 2 h" in refused["msg"]
    assert "at most 1 h was asked for" in refused["msg"]


def age(kept: Path, seconds: float) -> None:
    """Rewrite a snapshot with an age of ``seconds``."""
    from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns import srv_snapshot

    snapshot = srv_snapshot._decoded(kept.read_bytes(), DATA)
    kept.write_bytes(srv_snapshot._encoded(snapshot.records, time.time() - seconds))


def test_a_second_opinion_is_asked_against_the_last_good_answer(knot: Knot, proxy: LyingProxy, tmp_path: Path) -> None:
    servers = [f"{server.address}:{server.port}" for server in (proxy, knot)]
    options: dict[str, Any] = {"serve_stale": True, "snapshot_dir": str(tmp_path), "nameservers": servers, "second_opinion": True}
    good = ask(proxy, **options)
    proxy.lie = Lie.HALF
    stale = ask(proxy, **options)
    assert (stale["outcome"], stale["code"]) == ("server_failure", "DISAGREEMENT")
    assert stale["records"] == good["records"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "a..b"}, "'a..b' is no DNS name"),
        ({"nameservers": ["ns.example.test"]}, "name server 'ns.example.test': expected an address"),
        ({"nameservers": ["192.0.2.1:0"]}, "expected a port from 1 to 65535, got '0'"),
        ({"timeout": 0}, "timeout is 0.0: expected 0.001 to 86400"),
        ({"timeout": "inf"}, "timeout is inf: expected 0.001 to 86400"),
        ({"timeout": "nan"}, "timeout is nan: expected 0.001 to 86400"),
        ({"serve_stale": True, "max_age": "nan"}, "max_age is nan: expected seconds, 0 or more"),
        ({"serve_stale": True, "max_age": -1}, "max_age is -1.0: expected seconds, 0 or more"),
        ({"tcp": "never"}, "value of tcp must be one of: auto, always, got: never"),
        ({"second_opinion": True}, "second_opinion needs two name servers, there is 1"),
    ],
)
def test_bad_options_are_refused(knot: Knot, wrong: dict[str, Any], says: str) -> None:
    result = ask(knot, **wrong)
    assert result["failed"]
    assert says in result["msg"]


def test_without_dnspython_it_says_what_to_install() -> None:
    result, _err = asyncio.run(run_module("srv_info", without=["dns", "dns.asyncresolver"], name=DATA))
    assert result["failed"]
    assert "dnspython" in result["msg"]
