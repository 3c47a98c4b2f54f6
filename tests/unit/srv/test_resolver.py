# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver's result for each behaviour of DNS, against a real authoritative server and a falsifying proxy."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import dns.resolver
import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import (
    SrvResolver,
    SrvTerms,
    SrvTermsError,
    resolve_all,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.resolv_conf import ResolvConf
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import (
    NameServer,
    NoAnswer,
    NoData,
    NoSuchName,
    Outcome,
    Records,
    ServerFailure,
)
from tests.dns import Knot, Lie, LyingProxy
from tests.dns.knot import free_port

from .conftest import ZONE, touch


def ask(server: Knot | LyingProxy, name: str, **terms: object) -> Outcome:
    given = {"nameservers": (NameServer(server.address, server.port),), "timeout": 5.0, "attempts": 1, **terms}
    (outcome,) = resolve_all([name], SrvTerms(**given)).values()  # type: ignore[arg-type]
    return outcome


def targets(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Records), outcome
    return [record.target for record in outcome.records]


def test_records_come_in_the_order_of_their_targets_with_all_their_addresses(knot: Knot) -> None:
    outcome = ask(knot, f"_data._tcp.{ZONE}")
    assert isinstance(outcome, Records)
    answered: dict[str, object] = {"unanswered": []}
    expected = [
        {"target": "node1.example.test.", "port": 17912, "priority": 10, "weight": 5, "ttl": 15, "addresses": ["192.0.2.1", "2001:db8::1"]},
        {"target": "node2.example.test.", "port": 17912, "priority": 10, "weight": 5, "ttl": 30, "addresses": ["192.0.2.2", "192.0.2.22"]},
        {"target": "node3.example.test.", "port": 17912, "priority": 5, "weight": 0, "ttl": 30, "addresses": ["2001:db8::3"]},
    ]
    assert [record.to_mapping() for record in outcome.records] == [{**record, **answered} for record in expected]
    assert outcome.ttl == 15
    assert outcome.problems == ()


def test_a_name_is_absolute_without_its_dot_too(knot: Knot) -> None:
    assert ask(knot, "_data._tcp.example.test") == ask(knot, f"_DATA._tcp.{ZONE}")


def test_the_least_ttl_of_the_chain_counts(knot: Knot) -> None:
    outcome = ask(knot, f"_alias._tcp.{ZONE}")
    assert isinstance(outcome, Records)
    assert {record.ttl for record in outcome.records} == {7}


def test_idna_names_are_asked_as_a_labels(knot: Knot) -> None:
    assert targets(ask(knot, f"_data._tcp.bücher.{ZONE}")) == ["node1.example.test."]


def test_addresses_from_another_zone_are_asked_for(knot: Knot) -> None:
    outcome = ask(knot, f"_elsewhere._tcp.{ZONE}")
    assert isinstance(outcome, Records)
    assert outcome.records[0].addresses == ("198.51.100.1",)


def test_addresses_that_came_along_are_not_asked_for_again(proxy: LyingProxy) -> None:
    ask(proxy, f"_data._tcp.{ZONE}")
    asked = {(name, kind) for name, kind, _way in proxy.asked}
    assert ("node1.example.test.", "A") not in asked
    assert ("node2.example.test.", "AAAA") in asked


def test_a_long_answer_comes_by_tcp(proxy: LyingProxy) -> None:
    outcome = ask(proxy, f"_many._tcp.{ZONE}", timeout=30.0)
    assert len(targets(outcome)) == 200
    assert (f"_many._tcp.{ZONE}", "SRV", "tcp") in proxy.asked


def test_a_target_with_many_addresses_has_them_all(proxy: LyingProxy) -> None:
    outcome = ask(proxy, f"_large._tcp.{ZONE}", timeout=30.0)
    assert isinstance(outcome, Records)
    assert len(outcome.records[0].addresses) == 100
    assert ("large.other.test.", "A", "tcp") in proxy.asked


def test_a_name_that_is_not_there(knot: Knot) -> None:
    outcome = ask(knot, f"_nope._tcp.{ZONE}")
    assert isinstance(outcome, NoSuchName)
    assert "_nope._tcp.example.test.: no such name (NXDOMAIN)" in outcome.message


def test_a_name_without_srv_records(knot: Knot) -> None:
    outcome = ask(knot, f"_text._tcp.{ZONE}")
    assert outcome == NoData(f"_text._tcp.{ZONE}", "_text._tcp.example.test.: the name exists, but without SRV records")


def test_a_dot_alone_says_that_the_service_is_withdrawn(knot: Knot) -> None:
    outcome = ask(knot, f"_gone._tcp.{ZONE}")
    assert isinstance(outcome, NoData)
    assert outcome.withdrawn
    assert "withdrawn (RFC 2782)" in outcome.message


@pytest.mark.parametrize(
    ("name", "target", "kind", "says"),
    [
        ("_half-gone", ".", "withdrawn", "stands beside others"),
        ("_aliased-target", "also1.example.test.", "alias", "is an alias of node1.example.test., which RFC 2782 forbids"),
        ("_bare", "bare.example.test.", "no_data", "has no address"),
        ("_dangling", "nobody.example.test.", "no_such_name", "does not exist (NXDOMAIN)"),
    ],
)
def test_a_target_that_cannot_be_used_is_named_and_has_no_addresses(knot: Knot, name: str, target: str, kind: str, says: str) -> None:
    outcome = ask(knot, f"{name}._tcp.{ZONE}")
    assert isinstance(outcome, Records)
    (problem,) = outcome.problems
    assert (problem.target, problem.kind) == (target, kind)
    assert f"target {target} {says}" in problem.message
    assert problem.message in outcome.message
    assert [record.addresses for record in outcome.records if record.target == target] == [()]
    assert all(record.addresses for record in outcome.records if record.target != target)


@pytest.mark.parametrize(("lie", "says"), [(Lie.SERVFAIL, "look into that server's log"), (Lie.REFUSED, "ask a server that serves this zone")])
def test_a_code_of_failure_is_kept(proxy: LyingProxy, lie: Lie, says: str) -> None:
    proxy.lie = lie
    outcome = ask(proxy, f"_data._tcp.{ZONE}")
    assert isinstance(outcome, ServerFailure)
    assert outcome.code == lie.name
    assert f"_data._tcp.example.test. SRV: {lie.name} from 127.0.0.1 port {proxy.port}; {says}" == outcome.message


def test_a_truncated_answer_whose_tcp_fails_is_a_failure(proxy: LyingProxy) -> None:
    proxy.lie = Lie.TRUNCATE
    outcome = ask(proxy, f"_data._tcp.{ZONE}")
    assert isinstance(outcome, ServerFailure)
    assert outcome.code == "TRUNCATED"
    assert "open TCP port 53" in outcome.message


def test_bytes_that_are_no_message_are_no_answer(proxy: LyingProxy) -> None:
    proxy.lie = Lie.GARBAGE
    assert isinstance(ask(proxy, f"_data._tcp.{ZONE}", timeout=0.3), NoAnswer)


@pytest.mark.parametrize("lie", [Lie.DROP, Lie.WRONG_ID])
def test_silence_is_no_answer(proxy: LyingProxy, lie: Lie) -> None:
    proxy.lie = lie
    outcome = ask(proxy, f"_data._tcp.{ZONE}", timeout=0.3, attempts=2)
    assert isinstance(outcome, NoAnswer)
    assert len([way for name, _kind, way in proxy.asked if name == f"_data._tcp.{ZONE}"]) == 2
    assert f"no answer from 127.0.0.1 port {proxy.port}" in outcome.message


@pytest.mark.parametrize(("lie", "kind"), [(Lie.DROP, NoAnswer), (Lie.SERVFAIL, ServerFailure)])
def test_a_target_that_cannot_be_asked_for_fails_the_whole_name(proxy: LyingProxy, lie: Lie, kind: type[Outcome]) -> None:
    proxy.lie = lambda name, _kind: lie if name == "node1.other.test." else None
    outcome = ask(proxy, f"_elsewhere._tcp.{ZONE}", timeout=0.5)
    assert isinstance(outcome, kind)
    assert outcome.name == f"_elsewhere._tcp.{ZONE}"
    assert outcome.message.startswith("_elsewhere._tcp.example.test.: its target node1.other.test. A: ")
    assert outcome.message.count("node1.other.test.") == 1


# Incomplete servers and middleboxes, as measured with srv_info


def only_addresses(kinds: str, lie: Lie, **also: Lie) -> Callable[[str, str], Lie | None]:
    """Falsify only answers for address types. ``also``: type -> another lie."""
    return lambda _name, kind: lie if kind in kinds.split() else also.get(kind)


def reasons(outcome: Outcome) -> dict[str, str]:
    assert isinstance(outcome, Records), outcome
    return {gap.address_type: gap.reason for gap in outcome.gaps}


@pytest.mark.parametrize("lie", [Lie.NO_EDNS, Lie.DROP_EDNS])
def test_a_server_that_does_not_know_edns_is_asked_without(proxy: LyingProxy, lie: Lie) -> None:
    proxy.lie = lie
    attempts = 2 if lie is Lie.DROP_EDNS else 1
    outcome = ask(proxy, f"_data._tcp.{ZONE}", timeout=1.0, attempts=attempts)
    assert len(targets(outcome)) == 3
    assert reasons(outcome) == {}


@pytest.mark.parametrize(
    ("lie", "says"), [(Lie.NOTIMP, "NOTIMP from"), (Lie.SERVFAIL, "SERVFAIL from"), (Lie.DROP, "no answer"), (Lie.GARBAGE, "no answer")]
)
def test_addresses_of_one_type_are_used_where_the_other_is_not_to_be_had(proxy: LyingProxy, lie: Lie, says: str) -> None:
    proxy.lie = lambda _name, kind: lie if kind == "AAAA" else Lie.NO_ADDITIONAL
    outcome = ask(proxy, f"_two._tcp.{ZONE}", timeout=0.5)
    assert isinstance(outcome, Records)
    assert [(record.addresses, record.unanswered) for record in outcome.records] == [(("192.0.2.31",), ("AAAA",)), (("192.0.2.32",), ("AAAA",))]
    assert [(gap.address_type, gap.targets) for gap in outcome.gaps] == [("AAAA", ("two1.example.test.", "two2.example.test."))]
    assert says in reasons(outcome)["AAAA"]
    (warning,) = outcome.warnings
    assert warning.startswith("_two._tcp.example.test.: addresses of type AAAA are left out for two1.example.test., two2.example.test.: ")


def test_a_type_of_addresses_that_no_server_ever_answers_for_does_not_cost_its_time_for_each_target(proxy: LyingProxy) -> None:
    """Two questions at a time: a time-out for each of 200 targets would take more than three minutes. The proxy gets only a few questions."""
    proxy.lie = only_addresses("AAAA", Lie.DROP)
    outcome = ask(proxy, f"_many._tcp.{ZONE}", timeout=1.0, concurrency=2, tcp="always")
    assert len(targets(outcome)) == 200
    assert len(proxy_asked(proxy, "AAAA")) < 20
    assert reasons(outcome)["AAAA"]


def proxy_asked(proxy: LyingProxy, kind: str) -> list[str]:
    return [name for name, asked, _way in proxy.asked if asked == kind]


def test_a_target_with_addresses_of_the_silent_type_alone_is_still_asked_for(proxy: LyingProxy) -> None:
    proxy.lie = lambda name, kind: Lie.DROP if kind == "AAAA" and name.startswith("many") else None
    found = resolve_all(
        [f"_many._tcp.{ZONE}", f"_data._tcp.{ZONE}"],
        SrvTerms(nameservers=(NameServer(proxy.address, proxy.port),), timeout=1.0, attempts=1, concurrency=4, tcp="always"),
    )
    assert [record.addresses for record in found[f"_data._tcp.{ZONE}"].records][2] == ("2001:db8::3",)  # type: ignore[union-attr]


def test_a_long_answer_by_udp_that_is_cut_off_without_a_word_comes_whole_by_tcp(proxy: LyingProxy) -> None:
    proxy.lie = lambda _name, kind: Lie.CUT if kind == "SRV" else None
    outcome = ask(proxy, f"_thirty._tcp.{ZONE}", timeout=30.0)
    assert len(targets(outcome)) == 30
    assert isinstance(outcome, Records) and outcome.unconfirmed == ""


def test_a_long_answer_by_udp_that_tcp_does_not_confirm_says_so(proxy: LyingProxy) -> None:
    proxy.lie = lambda _name, kind: Lie.NO_TCP if kind == "SRV" else None
    outcome = ask(proxy, f"_thirty._tcp.{ZONE}", timeout=1.0)
    assert len(targets(outcome)) == 12
    assert isinstance(outcome, Records) and outcome.warnings == (outcome.unconfirmed,)
    where = f"127.0.0.1 port {proxy.port}"
    assert outcome.unconfirmed.endswith(f"may be cut off, and TCP gives none. Open TCP port {proxy.port} of {where}")


def test_a_short_answer_is_not_asked_for_twice(proxy: LyingProxy) -> None:
    ask(proxy, f"_data._tcp.{ZONE}")
    assert [way for name, kind, way in proxy.asked if kind == "SRV"] == ["udp"]


def test_tcp_always_asks_for_everything_by_tcp(proxy: LyingProxy) -> None:
    proxy.lie = lambda _name, kind: Lie.CUT if kind == "SRV" else None
    assert len(targets(ask(proxy, f"_thirty._tcp.{ZONE}", timeout=30.0, tcp="always"))) == 30
    assert {way for _name, _kind, way in proxy.asked} == {"tcp"}


def test_a_record_with_port_0_is_a_bad_target_and_the_other_stands(knot: Knot) -> None:
    outcome = ask(knot, f"_zero._tcp.{ZONE}")
    assert isinstance(outcome, Records)
    assert [(record.port, record.addresses) for record in outcome.records] == [(0, ()), (17912, ("192.0.2.1", "2001:db8::1"))]
    assert [(problem.kind, "has port 0" in problem.message) for problem in outcome.problems] == [("port", True)]


# resolv.conf


@pytest.fixture
def resolv_conf(proxy: LyingProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Make the system ask the proxy with these options."""

    def write(options: str) -> None:
        path = tmp_path / f"resolv-{options.replace(' ', '-').replace(':', '')}.conf"
        path.write_text(f"nameserver {proxy.address}\nsearch example.test\noptions {options}\n", encoding="utf-8")
        monkeypatch.setattr(f"{DNS}.system_resolver.RESOLV_CONF", str(path))
        monkeypatch.setattr(f"{DNS}.srv_resolver.DNS_PORT", proxy.port)

    return write


DNS = "ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns"
SYSTEM: dict[str, object] = {"nameservers": (), "attempts": None, "timeout": None}


def test_use_vc_of_resolv_conf_asks_by_tcp_alone(proxy: LyingProxy, resolv_conf: Callable[[str], None]) -> None:
    resolv_conf("use-vc")
    assert len(targets(ask(proxy, f"_data._tcp.{ZONE}", **SYSTEM))) == 3
    assert {way for _name, _kind, way in proxy.asked} == {"tcp"}


def test_no_aaaa_of_resolv_conf_asks_for_no_ipv6_addresses(proxy: LyingProxy, resolv_conf: Callable[[str], None]) -> None:
    resolv_conf("no-aaaa")
    outcome = ask(proxy, f"_two._tcp.{ZONE}", **SYSTEM)
    assert isinstance(outcome, Records)
    assert [record.addresses for record in outcome.records] == [("192.0.2.31",), ("192.0.2.32",)]
    assert proxy_asked(proxy, "AAAA") == []


def test_timeout_and_attempts_of_resolv_conf_count_where_the_caller_gives_none(proxy: LyingProxy, resolv_conf: Callable[[str], None]) -> None:
    resolv_conf("timeout:1 attempts:3")
    proxy.lie = Lie.DROP
    assert isinstance(ask(proxy, f"_data._tcp.{ZONE}", **SYSTEM), NoAnswer)
    assert len(proxy.asked) == 3
    assert isinstance(ask(proxy, f"_data._tcp.{ZONE}", nameservers=(), attempts=1, timeout=0.3), NoAnswer)
    assert len(proxy.asked) == 4


@pytest.mark.parametrize(("options", "first"), [("ndots:3", "_data._tcp.example.test."), ("ndots:1", "_data._tcp.")])
def test_ndots_of_resolv_conf_says_whether_the_search_list_comes_first(
    proxy: LyingProxy, resolv_conf: Callable[[str], None], options: str, first: str
) -> None:
    resolv_conf(options)
    proxy.lie = lambda name, _kind: Lie.NXDOMAIN if name == "_data._tcp." else None
    assert len(targets(ask(proxy, "_data._tcp", search=True, **SYSTEM))) == 3
    assert proxy.asked[0][0] == first


def test_edns0_and_rotate_of_resolv_conf_are_taken_over(proxy: LyingProxy, resolv_conf: Callable[[str], None]) -> None:
    for options, expected in (("rotate edns0", (True, 0)), ("debug", (False, -1))):
        resolv_conf(options)
        servers = SrvResolver(SrvTerms())._servers
        assert (servers.addresses.rotate, servers.addresses.edns) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ResolvConf()),
        ("nameserver 192.0.2.1\nnameserver ::1\nnameserver dns.example\n", ResolvConf(("192.0.2.1", "::1"))),
        ("search a b\ndomain c\n", ResolvConf(search=("c",))),
        ("options ndots:99 timeout:99 attempts:99\n", ResolvConf(ndots=15, timeout=30, attempts=5)),
        ("options ndots:0 timeout:0 attempts:x ndots\n", ResolvConf(ndots=0)),
        ("options use-vc no-aaaa\noptions edns0 rotate\n", ResolvConf(use_vc=True, no_aaaa=True, edns0=True, rotate=True)),
        ("# options use-vc\n;options rotate\n", ResolvConf()),
    ],
)
def test_resolv_conf_is_read_as_the_c_library_reads_it(text: str, expected: ResolvConf) -> None:
    assert ResolvConf.parse(text) == expected


@pytest.mark.parametrize("lie", [Lie.DROP, Lie.SERVFAIL, Lie.REFUSED, Lie.TRUNCATE, Lie.WRONG_ID, Lie.GARBAGE])
def test_the_next_server_is_asked_when_the_first_fails(knot: Knot, proxy: LyingProxy, lie: Lie) -> None:
    proxy.lie = lie
    servers = (NameServer(proxy.address, proxy.port), NameServer(knot.address, knot.port))
    assert len(targets(ask(knot, f"_data._tcp.{ZONE}", nameservers=servers, timeout=0.5))) == 3


def test_a_port_where_nothing_listens_is_no_answer(knot: Knot) -> None:
    silent = NameServer("127.0.0.1", free_port("127.0.0.1"))
    assert isinstance(ask(knot, f"_data._tcp.{ZONE}", nameservers=(silent,), timeout=0.3), NoAnswer)


@pytest.mark.parametrize("lie", [Lie.NXDOMAIN, Lie.NO_DATA, Lie.HALF, Lie.DOT])
def test_an_answer_that_shrinks_counts_only_when_two_servers_agree(knot: Knot, proxy: LyingProxy, lie: Lie) -> None:
    proxy.lie = lie
    name = f"_data._tcp.{ZONE}"
    known = {name: frozenset(f"node{at}.{ZONE}:17912" for at in (1, 2, 3))}
    servers = (NameServer(proxy.address, proxy.port), NameServer(knot.address, knot.port))
    outcome = ask(knot, name, nameservers=servers, second_opinion=True, known=known)
    assert isinstance(outcome, ServerFailure)
    assert outcome.code == "DISAGREEMENT"

    liars = (NameServer(proxy.address, proxy.port), NameServer(proxy.address, proxy.port))
    believed = ask(knot, name, nameservers=liars, second_opinion=True, known=known)
    assert believed == ask(proxy, name)


def test_an_answer_that_grows_needs_no_second_opinion(knot: Knot, proxy: LyingProxy) -> None:
    name = f"_data._tcp.{ZONE}"
    servers = (NameServer(knot.address, knot.port), NameServer(proxy.address, proxy.port))
    ask(knot, name, nameservers=servers, second_opinion=True, known={name: frozenset([f"node1.{ZONE}:17912"])})
    assert proxy.asked == []


def test_a_second_opinion_needs_a_second_server(knot: Knot) -> None:
    with pytest.raises(SrvTermsError, match="second_opinion needs two name servers, there is 1"):
        ask(knot, ZONE, second_opinion=True)


def test_the_serial_is_that_of_the_zone_that_has_the_records(knot: Knot) -> None:
    # One name has its targets in the other zone, one is an alias, and one is the zone itself.
    knot.update(ZONE, ("delete", "@", "SRV"), ("add", "@", "30", "SRV", "0 0 17912 node1"))
    names = [f"{label}{ZONE}" for label in ("_data._tcp.", "_elsewhere._tcp.", "_alias._tcp.", "")]
    before = {name: serial(ask(knot, name, serial=True)) for name in names}
    touch(knot, "other.test.")
    assert {name: serial(ask(knot, name, serial=True)) for name in names} == before
    touch(knot)
    after = {name: serial(ask(knot, name, serial=True)) for name in names}
    assert len({*before.values()}) == len({*after.values()}) == 1
    assert min(after.values()) > max(before.values())


def test_the_serial_is_asked_for_only_when_it_is_wanted(proxy: LyingProxy) -> None:
    outcome = ask(proxy, f"_data._tcp.{ZONE}")
    assert isinstance(outcome, Records) and outcome.serial is None
    assert "SOA" not in [kind for _name, kind, _way in proxy.asked]


@pytest.mark.parametrize("lie", [Lie.DROP, Lie.SERVFAIL, Lie.REFUSED, Lie.NXDOMAIN, Lie.NO_DATA, Lie.TRUNCATE, Lie.WRONG_ID, Lie.GARBAGE])
def test_a_serial_that_is_not_said_is_no_failure(knot: Knot, proxy: LyingProxy, lie: Lie) -> None:
    proxy.lie = lambda _name, kind: lie if kind == "SOA" else None
    name = f"_data._tcp.{ZONE}"
    outcome = ask(proxy, name, serial=True, timeout=0.5)
    assert (name, "SOA", "udp") in proxy.asked
    assert isinstance(outcome, Records) and outcome.serial is None
    assert outcome.records == ask(knot, name).records  # type: ignore[union-attr]


def test_the_serial_is_asked_of_the_server_that_gave_the_records(knot: Knot, proxy: LyingProxy) -> None:
    proxy.lie = lambda _name, kind: Lie.SERVFAIL if kind == "SRV" else None
    servers = (NameServer(proxy.address, proxy.port), NameServer(knot.address, knot.port))
    assert serial(ask(knot, f"_data._tcp.{ZONE}", nameservers=servers, serial=True)) > 0
    assert "SOA" not in [kind for _name, kind, _way in proxy.asked]


def serial(outcome: Outcome) -> int:
    assert isinstance(outcome, Records) and outcome.serial is not None, outcome
    return outcome.serial


def test_many_names_are_asked_at_once_and_each_has_its_outcome(proxy: LyingProxy) -> None:
    proxy.lie = lambda name, _kind: Lie.SERVFAIL if name.startswith("_text") else None
    names = [f"{label}._tcp.{ZONE}" for label in ("_data", "_nope", "_text", "_gone", "_many")]
    found = resolve_all(names, SrvTerms(nameservers=(NameServer(proxy.address, proxy.port),), timeout=30.0))
    assert list(found) == names
    assert [outcome.kind for outcome in found.values()] == ["records", "no_such_name", "server_failure", "no_data", "records"]


def test_the_search_list_completes_names_only_when_asked_to(proxy: LyingProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configuration = tmp_path / "resolv.conf"
    configuration.write_text(f"nameserver {proxy.address}\nsearch example.test\n", encoding="utf-8")
    monkeypatch.setattr("ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.system_resolver.RESOLV_CONF", str(configuration))
    monkeypatch.setattr("ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver.DNS_PORT", proxy.port)
    proxy.lie = lambda name, _kind: Lie.NXDOMAIN if name == "_data._tcp." else None
    assert len(targets(ask(proxy, "_data._tcp", nameservers=(), search=True))) == 3
    assert isinstance(ask(proxy, "_data._tcp", nameservers=()), NoSuchName)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", ".".join(["x" * 60] * 5), "\\999.test"])
def test_a_name_that_is_none_is_refused(knot: Knot, name: str) -> None:
    with pytest.raises(SrvTermsError, match="is no DNS name"):
        ask(knot, name)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"timeout": 0}, "timeout is 0: expected 0.001 to 86400"),
        ({"attempts": 0}, "attempts is 0: expected 1 to 1000"),
        ({"timeout": float("inf")}, "timeout is inf: expected"),
        ({"timeout": float("nan")}, "timeout is nan: expected"),
        ({"attempts": 10**9}, "attempts is 1000000000: expected"),
        ({"tcp": "never"}, "tcp is 'never': expected auto or always"),
        ({"concurrency": 0}, "concurrency is 0: expected 1 to 10000"),
        ({"address_types": ("MX",)}, "address_types is .'MX'.: expected A, AAAA or both"),
        ({"address_types": ()}, "address_types is ..: expected A, AAAA or both"),
    ],
)
def test_terms_that_cannot_be_asked_on_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(SrvTermsError, match=says):
        SrvTerms(**wrong)  # type: ignore[arg-type]


def test_the_process_s_own_resolver_stays_unchanged(knot: Knot) -> None:
    before = dns.resolver.default_resolver, dns.resolver.override_system_resolver, socket.getaddrinfo
    ask(knot, f"_data._tcp.{ZONE}")
    assert (dns.resolver.default_resolver, dns.resolver.override_system_resolver, socket.getaddrinfo) == before
