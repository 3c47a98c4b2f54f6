# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the simulator's DNS client: questions, resolv.conf, /etc/hosts and answers. tests/contract does not cover these."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from tests.dns import Knot, Lie, LyingProxy

from .banyand import dns_client, resolver
from .banyand.dns_client import LookupFailed, ResolvConf, Service, candidates, is_name, lookup_addresses, lookup_services

ZONE = "simulator.test."
RECORDS = """\
both A 192.0.2.1
both AAAA 2001:db8::1
four A 192.0.2.4
six AAAA 2001:db8::6
alias CNAME six
empty TXT "nothing else"
_grpc._tcp SRV 2 0 17912 four
_grpc._tcp SRV 1 5 18912 Six
_also._tcp CNAME _grpc._tcp
_number._tcp SRV 0 0 17912 192.0.2.4.
"""


@pytest.fixture(scope="module")
def nameserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LyingProxy]:
    with Knot(tmp_path_factory.mktemp("knot"), {ZONE: RECORDS}) as knot, LyingProxy((knot.address, knot.port)) as proxy:
        yield proxy


@pytest.fixture
def resolv_conf(tmp_path: Path, nameserver: LyingProxy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that the client reads. It has the nameserver's address."""
    path = tmp_path / "resolv.conf"
    path.write_text(f"nameserver {nameserver.address}\n")
    monkeypatch.setattr(dns_client, "_resolv_conf", ResolvConf(str(path)))
    monkeypatch.setattr(dns_client, "PORT", nameserver.port)
    monkeypatch.setattr(nameserver, "lie", None)
    return path


def settings(path: Path, text: str) -> dns_client.Settings:
    path.write_text(text)
    return ResolvConf(str(path)).read()


def test_three_nameservers_count_and_only_addresses(tmp_path: Path) -> None:
    text = "# nameserver 192.0.2.9\nnameserver ns.example.org\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver ::1\nnameserver 192.0.2.4\n"
    assert settings(tmp_path / "r", text).servers == ["192.0.2.1", "fe80::1%eth0", "::1"]


@pytest.mark.parametrize("text", ["", "search example.org\n", "nameserver\n"])
def test_without_a_nameserver_it_is_the_machine_itself(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path / "r", text).servers == ["127.0.0.1", "::1"]


def test_without_a_file_too(tmp_path: Path) -> None:
    assert ResolvConf(str(tmp_path / "none")).read().servers == ["127.0.0.1", "::1"]


def test_options_have_bounds_and_what_is_unknown_is_ignored(tmp_path: Path) -> None:
    found = settings(tmp_path / "r", "options ndots:99 timeout:0 attempts:x inet6 rotate\noptions use-vc\n")
    assert (found.ndots, found.timeout, found.attempts, found.rotate, found.tcp) == (15, 1, 1, True, True)
    found = settings(tmp_path / "r", "")
    assert (found.ndots, found.timeout, found.attempts, found.rotate, found.tcp) == (1, 5, 2, False, False)


def test_the_last_of_search_and_domain_counts_and_else_the_domain_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(tmp_path / "r", "search a.org b.org.\n").search == ["a.org.", "b.org."]
    assert settings(tmp_path / "r", "search a.org b.org\ndomain c.org d.org\n").search == ["c.org."]
    monkeypatch.setattr(dns_client.socket, "gethostname", lambda: "host.example.org")
    assert settings(tmp_path / "r", "search .\n").search == ["example.org."]
    monkeypatch.setattr(dns_client.socket, "gethostname", lambda: "host")
    assert settings(tmp_path / "r", "").search == []


def test_rotate_starts_with_another_nameserver_each_time(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_text("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\n")
    conf = ResolvConf(str(path))
    assert [conf.turn()[0] for _ in range(3)] == ["192.0.2.1", "192.0.2.2", "192.0.2.1"]


def test_a_changed_file_is_read_again_when_it_is_looked_at_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(dns_client.time, "monotonic", lambda: now)
    path = tmp_path / "r"
    path.write_text("nameserver 192.0.2.1\n")
    conf = ResolvConf(str(path))
    conf.read()
    path.write_text("nameserver 192.0.2.2\n")
    os.utime(path, ns=(1, 1))
    assert conf.read().servers == ["192.0.2.1"], "it is looked at every 5 s"
    now += 5
    assert conf.read().servers == ["192.0.2.2"]


def test_a_name_without_a_dot_at_its_end_goes_through_the_search_list(tmp_path: Path) -> None:
    found = settings(tmp_path / "r", "search a.org b.org\noptions ndots:2\n")
    assert candidates("x.y", found) == ["x.y.a.org.", "x.y.b.org.", "x.y."]
    assert candidates("x.y.z", found) == ["x.y.z.", "x.y.z.a.org.", "x.y.z.b.org."]
    assert candidates("x.", found) == ["x."]


def test_names_that_go_takes_for_names() -> None:
    assert all(map(is_name, ("a", "_grpc._tcp.example.org", "example.org.", ".", "1a.2b", "a" * 63 + ".b", ".".join(["a" * 62] * 4))))
    assert not any(map(is_name, ("", "192.0.2.4.", "-a.b", "a-.b", "a..b", ".a", "a" * 64, "a b", "ä.org", ".".join(["a" * 63] * 4))))


def test_addresses_of_both_families_are_found(resolv_conf: Path) -> None:
    assert asyncio.run(lookup_addresses("both." + ZONE)) == ["192.0.2.1", "2001:db8::1"]
    assert asyncio.run(lookup_addresses("four." + ZONE)) == ["192.0.2.4"]
    assert asyncio.run(lookup_addresses("alias." + ZONE)) == ["2001:db8::6"]
    resolv_conf.write_text(resolv_conf.read_text() + f"search {ZONE}\noptions use-vc\n")
    dns_client._resolv_conf.settings = None
    assert asyncio.run(lookup_addresses("six")) == ["2001:db8::6"]


@pytest.mark.parametrize("name", ["empty." + ZONE, "missing." + ZONE, "not a name", "elsewhere.test."])
def test_a_name_without_addresses_fails_and_says_which(resolv_conf: Path, name: str) -> None:
    with pytest.raises(LookupFailed, match=name):
        asyncio.run(lookup_addresses(name))


def test_services_come_by_priority_and_an_alias_has_those_of_its_target(resolv_conf: Path) -> None:
    services = asyncio.run(lookup_services("_grpc._tcp." + ZONE))
    assert [(one.priority, one.weight, one.port, one.target.lower()) for one in services] == [
        (1, 5, 18912, "six." + ZONE),
        (2, 0, 17912, "four." + ZONE),
    ]
    assert asyncio.run(lookup_services("_also._tcp." + ZONE)) == services


def test_weights_decide_who_comes_first_most_of_the_time() -> None:
    heavy, light, none = (Service("x.", 1, 0, weight) for weight in (1000, 10, 0))
    firsts = [dns_client._by_priority_and_weight([none, light, heavy])[0] for _ in range(1000)]
    assert firsts.count(heavy) > firsts.count(light) > 0 == firsts.count(none)


def test_a_target_that_is_an_address_fails_the_whole_name(resolv_conf: Path) -> None:
    with pytest.raises(LookupFailed, match="invalid names"):
        asyncio.run(lookup_services("_number._tcp." + ZONE))


@pytest.mark.parametrize("lie", [Lie.SERVFAIL, Lie.REFUSED, Lie.NXDOMAIN, Lie.NO_DATA, Lie.TRUNCATE, Lie.GARBAGE, Lie.WRONG_ID])
def test_a_lie_is_a_failed_lookup(resolv_conf: Path, nameserver: LyingProxy, lie: Lie) -> None:
    resolv_conf.write_text(resolv_conf.read_text() + "options timeout:1 attempts:1\n")
    dns_client._resolv_conf.settings = None
    nameserver.lie = lie
    with pytest.raises(LookupFailed, match=f"_grpc._tcp.{ZONE}"):
        asyncio.run(lookup_services("_grpc._tcp." + ZONE))


def test_each_nameserver_gets_its_attempts_unless_the_answer_is_final(resolv_conf: Path, nameserver: LyingProxy) -> None:
    for lie, questions in ((Lie.SERVFAIL, 2), (Lie.NXDOMAIN, 1)):
        nameserver.lie = lie
        nameserver.asked.clear()
        with pytest.raises(LookupFailed):
            asyncio.run(lookup_services("_grpc._tcp." + ZONE))
        assert len(nameserver.asked) == questions


def answer(*records: str) -> bytes:
    message = dns.message.make_response(dns.message.make_query("_grpc._tcp." + ZONE, "SRV"))
    message.answer = [dns.rrset.from_text("_grpc._tcp." + ZONE, 1, "IN", "SRV", *records)] if records else []
    return message.to_wire()


def test_an_answer_that_is_cut_off_or_points_at_itself_is_no_answer() -> None:
    whole = answer("0 0 17912 node." + ZONE)
    assert len(dns_client._records(whole, dns_client.SRV)) == 1
    for length in range(12, len(whole)):
        with pytest.raises((IndexError, ValueError, dns_client.struct.error)):
            dns_client._records(whole[:length], dns_client.SRV)
    with pytest.raises(ValueError, match="pointers"):
        dns_client._read_name(b"\xc0\x00", 0)


def test_an_empty_answer_of_a_server_that_neither_knows_nor_asks_others_is_a_referral() -> None:
    lame = bytearray(answer())
    with pytest.raises(OSError, match="lame referral"):
        dns_client._records(bytes(lame), dns_client.SRV)
    lame[3] |= 0x80  # recursion available
    with pytest.raises(OSError, match="no such host"):
        dns_client._records(bytes(lame), dns_client.SRV)


def test_the_hosts_file_comes_first_and_a_dot_at_the_end_counts_for_names_without_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.7 Node7 node7.example.org # comment node8\n2001:db8::7 node7\nnot-an-address node9\n")
    monkeypatch.setattr(resolver, "HOSTS", str(hosts))
    assert resolver._in_hosts_file("node7") == ["192.0.2.7", "2001:db8::7"]
    assert resolver._in_hosts_file("node7.example.org.") == ["192.0.2.7"]
    for name in ("node7.", "node8", "node9"):
        assert resolver._in_hosts_file(name) == []
