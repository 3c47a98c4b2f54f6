# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node of each record, the possible changes of running nodes, and the records that servers in DNS mode must not see."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.dns_nodes import (
    Found,
    Hosts,
    Live,
    Memory,
    Servers,
    Wanted,
    followed,
    found,
    wanted_topology,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.sighting import Apart, Candidate, SeenNode, Sighting
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import (
    NoData,
    NoSuchName,
    Records,
    ServerFailure,
    SrvRecord,
    Standing,
    TargetProblem,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity

DATA, LIAISON = "_data._tcp.lab.test.", "_liaison._tcp.lab.test."
REFUSED = Failure(ErrorKind.REFUSED, "nothing listens there")
ROLES = {"data": ["ROLE_META", "ROLE_DATA"], "liaison": ["ROLE_LIAISON"]}


def entry(name: str, address: str, role: str = "data") -> dict[str, Any]:
    node = f"{address}:{18912 if role == 'liaison' else 17912}"
    return {"name": name, "role": role, "grpc_address": node, "node_name": node, "roles": ROLES[role], "labels": {}}


def hosts(**known_as: tuple[str, ...]) -> Hosts:
    """Return d1, d2, d3 and l1 at 10.0.0.1, .2, .3 and .11."""
    nodes = {name: entry(name, f"10.0.0.{number}") for name, number in (("d1", 1), ("d2", 2), ("d3", 3))}
    nodes["l1"] = entry("l1", "10.0.0.11", "liaison")
    places = {name: frozenset({name, node["grpc_address"].partition(":")[0], *known_as.get(name, ())}) for name, node in nodes.items()}
    return Hosts(nodes, places)


HOSTS = hosts()


def candidate(name: str, number: int, port: int = 17912) -> Candidate:
    return Candidate(f"{name}.lab.test", port, LIAISON if port == 18912 else DATA, (f"10.0.0.{number}",))


def silent(*each: Candidate, failure: Failure = REFUSED) -> tuple[Apart, ...]:
    return tuple(Apart(one.host, one, failure) for one in each)


def answering(one: Candidate, node_name: str = "", roles: tuple[str, ...] = ("ROLE_META", "ROLE_DATA")) -> SeenNode:
    return SeenNode(one.host, one, Identity(node_name or f"{one.addresses[0]}:{one.port}", roles=roles))


RECORDS = (candidate("d1", 1), candidate("d2", 2), candidate("d3", 3), candidate("l1", 11, 18912))
MEMBERS = {one.host.partition(".")[0]: f"{one.host}.:{one.port}" for one in RECORDS}
ALL = Sighting(apart=silent(*RECORDS))
LIVE = Live({name: node["grpc_address"] for name, node in HOSTS.entries.items()}, frozenset(HOSTS.entries))
NONE = Live({}, frozenset())


def without(*names: str) -> Sighting:
    return Sighting(apart=silent(*(one for one in RECORDS if one.host.partition(".")[0] not in names)))


def topology(
    sighting: Sighting,
    live: Live = LIVE,
    memory: Memory | None = None,
    whole: bool = True,
    override: str = "",
    remove: tuple[str, ...] = (),
    hosts: Hosts = HOSTS,
    cas: dict[str, str] | None = None,
) -> Wanted:
    memory = memory or Memory()
    return wanted_topology(found(sighting, hosts, live, memory), whole, hosts, live, memory, remove, override, cas or {})


def addresses(wanted: Wanted) -> dict[str, str]:
    return {name: node["grpc_address"] for name, node in wanted.entries.items()}


def test_a_silent_record_is_a_node_when_its_address_is_a_hosts_of_the_inventory() -> None:
    wanted = topology(ALL, NONE)
    assert wanted.entries == HOSTS.entries
    assert (wanted.problems, wanted.warnings, wanted.remove) == ((), (), ())


def test_a_silent_stranger_is_left_out_with_the_reason() -> None:
    wanted = topology(Sighting(apart=silent(*RECORDS, candidate("x", 99))))
    assert "x.lab.test" not in wanted.entries
    assert wanted.warnings == ("x.lab.test is in DNS and left out: nothing listens there",)


@pytest.mark.parametrize("remembered", [Memory(), Memory(members={"x": "x.lab.test.:17912"})])
def test_a_stranger_that_is_unreachable_is_left_out_unless_it_is_listed(remembered: Memory) -> None:
    one = SeenNode("x.lab.test", candidate("x", 99))
    wanted = topology(Sighting((one,), silent(*RECORDS)), memory=remembered)
    assert set(wanted.entries) == set(HOSTS.entries)
    assert "Install grpcio on the controller" in wanted.warnings[0]
    listed = Live({**LIVE.addresses, "x": "10.0.0.99:17912"}, frozenset())
    assert addresses(topology(Sighting((one,), silent(*RECORDS)), listed, remembered))["x"] == "10.0.0.99:17912"


def test_a_stranger_that_answers_is_a_node_under_the_name_of_its_target() -> None:
    wanted = topology(Sighting((answering(candidate("x", 99), "x:17912", ("ROLE_DATA",)),), silent(*RECORDS)))
    expected = {"name": "x.lab.test", "role": "data", "grpc_address": "10.0.0.99:17912", "node_name": "x:17912", "roles": ["ROLE_DATA"], "labels": {}}
    assert wanted.entries["x.lab.test"] == expected


def test_a_node_that_says_it_is_a_host_of_the_inventory_is_that_one_wherever_its_address_is() -> None:
    wanted = topology(Sighting((answering(candidate("nat", 99), "10.0.0.3:17912"),), silent(*RECORDS[:2], RECORDS[3])))
    assert addresses(wanted)["d3"] == "10.0.0.99:17912"


def test_a_record_with_the_wrong_port_is_a_problem() -> None:
    wanted = topology(Sighting(apart=silent(*RECORDS[:3], candidate("l1", 11, 17912))))
    assert wanted.problems[0] == "_data._tcp.lab.test. leads to l1 on port 17912, and that liaison node is listed on 18912: correct the record"


@pytest.mark.parametrize("roles", [(), ("ROLE_DATA", "ROLE_LIAISON")])
def test_what_is_no_node_of_a_cluster_is_a_problem(roles: tuple[str, ...]) -> None:
    wanted = topology(Sighting((answering(candidate("x", 99), roles=roles),), silent(*RECORDS)))
    assert "neither data node nor liaison" in wanted.problems[0]


def six(spelling: str, *addresses: str, unanswered: tuple[str, ...] = ()) -> tuple[Live, Sighting]:
    """Return d1, listed at an IPv6 address in this spelling, and DNS's records of d1."""
    one = Candidate("d1.lab.test", 17912, DATA, addresses, unanswered)
    return Live({**LIVE.addresses, "d1": f"[{spelling}]:17912"}, LIVE.answering), Sighting(apart=silent(one, *RECORDS[1:]))


@pytest.mark.parametrize("spelling", ["2001:db8::1", "2001:db8:0::1", "2001:DB8:0:0::1"])
def test_an_ipv6_address_in_another_spelling_is_the_same_and_keeps_its_spelling(spelling: str) -> None:
    live, seen = six(spelling, "2001:db8::1")
    known = hosts(d1=("2001:db8::1",))
    assert addresses(topology(seen, live, hosts=known))["d1"] == f"[{spelling}]:17912"
    assert addresses(topology(seen, live))["d1"] == f"[{spelling}]:17912"


def test_an_ipv6_address_that_is_another_is_taken_from_dns() -> None:
    live, seen = six("2001:db8::1", "2001:db8::2")
    assert addresses(topology(seen, live, Memory(members=MEMBERS)))["d1"] == "[2001:db8::2]:17912"


def test_a_live_address_of_a_type_that_dns_did_not_tell_of_stays() -> None:
    live, seen = six("2001:db8::1", "10.0.0.1", unanswered=("AAAA",))
    assert addresses(topology(seen, live))["d1"] == "[2001:db8::1]:17912"
    live, seen = six("2001:db8::1", "10.0.0.1", unanswered=("A",))
    assert addresses(topology(seen, live))["d1"] == "10.0.0.1:17912"


def test_a_name_of_a_host_that_is_listed_already_stays_while_dns_leads_to_it() -> None:
    live = Live({**LIVE.addresses, "d1": "node-d1:17912"}, LIVE.answering)
    assert addresses(topology(ALL, live, hosts=hosts(d1=("node-d1",))))["d1"] == "node-d1:17912"
    assert addresses(topology(ALL, live))["d1"] == "10.0.0.1:17912"


def test_an_address_that_changed_in_dns_is_the_new_one_alone() -> None:
    moved = Sighting(apart=silent(candidate("d1", 51), *RECORDS[1:]))
    memory = Memory(members={"d1": "d1.lab.test.:17912"})
    wanted = topology(moved, memory=memory)
    assert addresses(wanted) == {**addresses(topology(ALL)), "d1": "10.0.0.51:17912"}
    assert wanted.memory.missing == {}


def test_a_target_without_an_address_leaves_its_node_where_it_was() -> None:
    bare = Apart("d1.lab.test", Candidate("d1.lab.test", 17912, DATA), Failure(ErrorKind.UNRESOLVED, "has no address"))
    wanted = topology(Sighting(apart=(bare, *silent(*RECORDS[1:]))), memory=Memory(members=MEMBERS), whole=False)
    assert addresses(wanted) == LIVE.addresses
    assert addresses(topology(Sighting(apart=(bare,)), NONE, hosts=hosts(d1=("d1.lab.test",))))["d1"] == "10.0.0.1:17912"


def test_one_of_several_addresses_that_is_listed_stays() -> None:
    both = Candidate("d1.lab.test", 17912, DATA, ("10.0.0.0", "10.0.0.1"))
    assert addresses(topology(Sighting(apart=silent(both, *RECORDS[1:]))))["d1"] == "10.0.0.1:17912"
    assert addresses(topology(Sighting(apart=silent(both, *RECORDS[1:])), NONE))["d1"] == "10.0.0.0:17912"


def test_nodes_of_a_name_with_a_ca_speak_tls() -> None:
    nodes = topology(ALL, cas={LIAISON: "/etc/ca.pem"}).entries
    assert (nodes["l1"]["tls_enabled"], nodes["l1"]["ca_cert_path"]) == (True, "/etc/ca.pem")
    assert "tls_enabled" not in nodes["d1"]


def test_an_ipv6_address_stands_in_brackets() -> None:
    six = Candidate("d1.lab.test", 17912, DATA, ("2001:db8::1",))
    assert addresses(topology(Sighting(apart=silent(six)), NONE, hosts=hosts(d1=("2001:db8::1",))))["d1"] == "[2001:db8::1]:17912"


def test_what_a_whole_answer_leaves_out_stays_while_it_answers() -> None:
    wanted = topology(without("d3"))
    assert wanted.entries == HOSTS.entries
    (warning,) = wanted.warnings
    assert warning.startswith("d3 stays, though DNS no longer lists it: it still answers")
    assert warning.endswith(f"run with banyandb_override={wanted.digest}")
    assert wanted.memory.missing == {"d3": 1}


def test_what_is_left_out_and_silent_leaves_at_the_third_observation() -> None:
    live = Live(LIVE.addresses, frozenset({"d1", "d2", "l1"}))
    memory = Memory()
    for _observation in range(2):
        wanted = topology(without("d3"), live, memory)
        assert "d3" in wanted.entries
        memory = wanted.memory
    wanted = topology(without("d3"), live, memory)
    assert (set(wanted.entries), wanted.remove) == ({"d1", "d2", "l1"}, ("d3",))
    assert wanted.warnings == (
        "d3 is gone from DNS for good and leaves the topology",
        "d3 is in the inventory, and no SRV record leads to it, so no server lists it. Add the record",
    )


def test_what_left_leaves_at_once_again_when_a_host_that_was_unreachable_still_lists_it() -> None:
    live = Live(LIVE.addresses, frozenset({"d1", "d2", "l1"}))
    left = topology(without("d3"), live, Memory(missing={"d3": 2})).memory
    without_it = Live({name: address for name, address in LIVE.addresses.items() if name != "d3"}, live.answering)
    between = topology(without("d3"), without_it, left).memory
    assert topology(without("d3"), live, between).remove == ("d3",)
    listed_meanwhile = topology(ALL, without_it, between).memory
    assert listed_meanwhile.missing == {}
    assert topology(without("d3"), live, listed_meanwhile).remove == ()


@pytest.mark.parametrize("look", [{"whole": False}, {"remove": ("d3",)}])
def test_what_dns_lists_in_part_or_beside_a_requested_removal_is_counted_again_when_it_is_left_out(look: dict[str, Any]) -> None:
    live = Live(LIVE.addresses, frozenset({"d1", "d2", "l1"}))
    listed = topology(ALL, live, Memory(missing={"d3": 2}), **look).memory
    left_out = topology(without("d3"), live, listed)
    assert (left_out.remove, left_out.memory.missing) == ((), {"d3": 1})


def test_an_override_names_one_plan_only() -> None:
    digest = topology(without("d3")).digest
    assert topology(without("d3"), override=digest).remove == ("d3",)
    assert topology(without("d2", "d3"), override=digest).remove == ()


def test_nothing_leaves_while_dns_answers_in_part_and_its_records_are_taken() -> None:
    live = Live({"d1": LIVE.addresses["d1"], "old": "10.0.0.77:17912"}, frozenset())
    wanted = topology(without("d1"), live, Memory(missing={"old": 2}), whole=False)
    assert addresses(wanted) == {**LIVE.addresses, "old": "10.0.0.77:17912"}
    assert wanted.memory.missing == {"old": 2}


def test_without_any_answer_the_live_nodes_keep_their_description() -> None:
    stranger = {**entry("x", "10.0.0.99"), "node_name": "x:17912", "labels": {"type": "hot"}}
    live = Live({**LIVE.addresses, "x": "10.0.0.99:17912"}, frozenset())
    wanted = topology(Sighting(complete=False), live, Memory(entries={"x": stranger}), whole=False)
    assert wanted.entries == {**HOSTS.entries, "x": stranger}


def test_a_live_node_of_which_nothing_is_known_is_listed_by_its_address_alone() -> None:
    live = Live({"x": "10.0.0.99:18912"}, frozenset({"x"}))
    wanted = topology(Sighting(), live, hosts=Hosts({}, {}))
    expected = {"name": "x", "role": "liaison", "grpc_address": "10.0.0.99:18912", "node_name": "10.0.0.99:18912", "roles": None, "labels": None}
    assert wanted.entries == {"x": expected}


def test_a_record_of_a_listed_entry_is_no_reason_to_drop_it_though_it_is_silent() -> None:
    live = Live({**LIVE.addresses, "x": "10.0.0.99:17912"}, frozenset())
    wanted = topology(Sighting(apart=silent(*RECORDS, candidate("x", 99))), live, Memory(missing={"x": 2}))
    assert "x" in wanted.entries and wanted.memory.missing == {}


def test_an_entry_that_goes_by_another_name_now_is_the_same_node() -> None:
    live = Live({**{name: address for name, address in LIVE.addresses.items() if name != "d3"}, "d3.lab.test": "10.0.0.3:17912"}, frozenset())
    wanted = topology(ALL, live)
    assert set(wanted.entries) == set(HOSTS.entries) and wanted.warnings == ()


def test_a_node_in_remove_leaves_for_any_answer_of_dns() -> None:
    wanted = topology(ALL, remove=("d3",))
    assert set(wanted.entries) == {"d1", "d2", "l1"} and wanted.warnings == ()
    assert topology(without("d3"), remove=("d3",)).memory.missing == {}


def test_nothing_at_all_is_never_a_topology() -> None:
    wanted = topology(Sighting(complete=False), NONE, whole=False)
    assert wanted.problems == ("DNS gives no node and no host lists one: an empty topology is never written",)


def test_live_is_what_any_host_lists_and_who_answers_anywhere() -> None:
    one = {"listed": [{"name": "a", "grpc_address": "a:1"}], "held_back": [{"name": "b", "grpc_address": "b:1"}], "answering": ["a"]}
    two = {"listed": [{"name": "b", "grpc_address": "b:2"}], "held_back": [], "answering": ["b"]}
    assert Live.of([one, two]) == Live({"a": "a:1", "b": "b:2"}, frozenset({"a", "b"}))


# Servers that ask DNS

IDLE = Servers((), True, 30)
GOOD = {name: Standing(Records(name, (), "127.0.0.1 port 53")) for name in (DATA, LIAISON)}


def servers(
    sighting: Sighting = ALL,
    standings: Any = None,
    memory: Memory | None = None,
    these: Servers = IDLE,
    override: str = "",
    remove: tuple[str, ...] = (),
) -> Wanted:
    memory = memory or Memory()
    seen: Found = found(sighting, HOSTS, NONE, memory)
    return followed(seen, {**GOOD, **(standings or {})}, HOSTS, memory, remove, override, these)


def test_servers_should_show_what_the_records_lead_to() -> None:
    wanted = servers()
    assert (wanted.entries, wanted.problems, wanted.warnings) == (HOSTS.entries, (), ())
    assert wanted.memory.members == MEMBERS


def problem_kinds(kind: str) -> dict[str, Standing]:
    bad = TargetProblem("d9.lab.test.", kind, "target d9.lab.test. is bad")
    return {DATA: Standing(Records(DATA, (SrvRecord("d9.lab.test.", 1, 0, 0, 1),), "server", (bad,)))}


@pytest.mark.parametrize("kind", ["alias", "withdrawn"])
def test_a_zone_that_no_server_may_see_is_refused(kind: str) -> None:
    assert servers(standings=problem_kinds(kind)).problems == (f"{DATA}: target d9.lab.test. is bad. Correct the record before a server asks DNS",)


def test_a_target_without_an_address_troubles_no_server() -> None:
    assert servers(standings=problem_kinds("no_data")).problems == ()


def test_a_withdrawn_name_is_refused_whether_something_is_started_or_not() -> None:
    (problem,) = servers(standings={DATA: Standing(NoData(DATA, f"{DATA}: withdrawn", withdrawn=True))}).problems
    assert "a server that asks DNS drops every node" in problem


@pytest.mark.parametrize("outcome", [NoData(DATA, "no data"), NoSuchName(DATA, "NXDOMAIN"), ServerFailure(DATA, "SERVFAIL", code="SERVFAIL")])
def test_a_name_that_gives_nothing_is_refused_only_when_a_server_would_start_without_it(outcome: Any) -> None:
    wanted = servers(without("d1", "d2", "d3"), {DATA: Standing(outcome)})
    assert wanted.problems == () and wanted.warnings == (f"{outcome.message}. Running servers keep their nodes",)
    wanted = servers(without("d1", "d2", "d3"), {DATA: Standing(outcome)}, these=Servers(("d1",), True, 30))
    assert wanted.problems == (f"{outcome.message}. Running servers keep their nodes (d1 would be started or restarted, with what DNS says now)",)


def test_a_host_without_a_record_is_refused_only_when_a_server_would_start_without_it() -> None:
    assert servers(without("d3")).entries == HOSTS.entries
    assert servers(without("d3")).warnings == ("no SRV record leads to d3: a server that asks DNS does not know it. Add the record",)
    (problem,) = servers(without("d3"), these=Servers(("d3",), True, 30)).problems
    assert problem.startswith("no SRV record leads to d3") and "(d3 would be started" in problem


def test_two_records_of_one_node_are_refused() -> None:
    (problem,) = servers(Sighting(apart=silent(*RECORDS, candidate("alt3", 3)))).problems
    assert problem.startswith("alt3.lab.test.:17912 and d3.lab.test.:17912 are one node, d3")


def test_another_target_for_a_known_node_is_refused_while_servers_poll() -> None:
    moved = Sighting(apart=silent(*RECORDS[:2], candidate("alt3", 3), RECORDS[3]))
    memory = Memory(members=MEMBERS)
    (problem,) = servers(moved, memory=memory).problems
    assert "d3 from d3.lab.test.:17912 to alt3.lab.test.:17912" in problem and "wait 30 s" in problem
    assert servers(moved, memory=memory, these=Servers((), False, 30)).problems == ()
    digest = servers(moved, memory=memory).digest
    agreed = servers(moved, memory=memory, override=digest)
    assert agreed.problems == () and agreed.memory.members["d3"] == "alt3.lab.test.:17912"
    assert problem.endswith(f"banyandb_override={digest}")


def test_the_same_in_two_steps_is_fine() -> None:
    between = servers(without("d3"), memory=Memory(members=MEMBERS)).memory
    assert "d3" not in between.members
    assert servers(Sighting(apart=silent(*RECORDS[:2], candidate("alt3", 3), RECORDS[3])), memory=between).problems == ()


def test_a_failure_is_not_taken_for_the_first_of_two_steps() -> None:
    failed = servers(Sighting(complete=False), {DATA: Standing(NoSuchName(DATA, "NXDOMAIN"))}, Memory(members=MEMBERS))
    assert failed.memory.members == MEMBERS
    assert failed.entries == HOSTS.entries


def test_a_removed_node_that_is_still_in_dns_is_reported() -> None:
    wanted = servers(remove=("d3",))
    assert "d3" not in wanted.entries
    assert wanted.warnings == ("d3 is in banyandb_remove, and DNS still lists it. Delete its record",)
