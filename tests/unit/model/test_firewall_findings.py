# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight finds about the firewall."""

from __future__ import annotations

import time

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.firewall_findings import firewall_findings, shut_out
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import Check, Finding, Level

CLEAN = {"differs": False, "problems": [], "blocked": [], "unlisted": [], "resolved": [], "first": False}


def findings(looks, members=("10.0.0.1", "10.0.0.2", "10.0.0.3"), **networks):
    nodes = [{"name": f"d{number}"} for number in (1, 2, 3)]
    firewall = {"networks": {"clients": [], "monitoring": [], "members": [], **networks}, "members": list(members), "leaving": []}
    found = {f"d{number}": {**CLEAN, **looks.get(f"d{number}", {})} for number in (1, 2, 3)}
    return firewall_findings(found, {"default": {"nodes": nodes, "firewall": firewall}})


def test_a_firewall_as_it_should_be_has_no_finding():
    assert findings({}) == []


def test_another_firewall_is_one_warning_of_all_its_hosts():
    text = "firewalld drops connections to port 17912. Run: firewall-cmd --permanent --add-port=17912/tcp"
    assert findings({"d1": {"blocked": [text]}, "d3": {"blocked": [text]}}) == [Finding(("d1", "d3"), Check.MACHINE, Level.WARN, f"d1, d3: {text}")]


def test_a_host_that_cannot_load_its_firewall_is_a_failure():
    text = "nft is not on this host, so the firewall cannot be loaded."
    assert findings({"d1": {"problems": [text]}, "d3": {"problems": [text]}}) == [Finding(("d1", "d3"), Check.MACHINE, Level.FAIL, f"d1, d3: {text}")]


def test_a_member_must_connect_from_an_address_that_the_others_accept():
    (found,) = findings({"d1": {"unlisted": ["10.9.0.1"]}})
    assert (found.hosts, found.level) == (("d1",), Level.FAIL)
    assert found.message == "d1: connects to other members from 10.9.0.1. Add 10.9.0.1/32 to banyandb_firewall_members."
    assert findings({"d1": {"unlisted": ["10.9.0.1"]}}, members=["10.0.0.2"]) == [found]
    assert findings({"d1": {"unlisted": ["10.9.0.1"]}}, members=["10.9.0.1"]) == []


def test_the_name_of_a_host_may_lead_to_loopback_on_this_host_alone():
    names = ["n1", "10.0.0.2", "10.0.0.3"]
    looks = {"d1": {"unlisted": ["10.0.0.1"]}, "d2": {"resolved": ["10.0.0.1/32"]}, "d3": {"resolved": ["10.0.0.1/32"]}}
    assert findings(looks, names) == []
    looks["d3"] = {"resolved": ["10.7.0.1/32"]}
    assert [finding.hosts for finding in findings(looks, names)] == [("d1",)]


def test_a_network_of_every_host_is_a_warning():
    (found,) = findings({}, clients=["0.0.0.0/0"])
    assert (found.hosts, found.check, found.level) == (("d1", "d2", "d3"), Check.VARIABLES, Level.WARN)


def test_a_thousand_hosts_whose_names_lead_to_loopback_on_themselves_are_judged_quickly():
    hosts = range(1000)
    nodes = [{"name": f"d{number}"} for number in hosts]
    resolved = [f"10.0.{number // 250}.{number % 250}/32" for number in hosts]
    firewall = {"networks": {"clients": [], "monitoring": [], "members": []}, "members": [f"n{number}" for number in hosts], "leaving": []}
    looks = {
        f"d{number}": {**CLEAN, "unlisted": [resolved[number].partition("/")[0]], "resolved": resolved[:number] + resolved[number + 1 :]}
        for number in hosts
    }
    began = time.process_time()
    assert firewall_findings(looks, {"default": {"nodes": nodes, "firewall": firewall}}) == []
    assert time.process_time() - began < 5


def new_nodes(starting, targeted, reached, firewall=True):
    nodes = [{"name": name, "role": "data"} for name in ("d1", "d2", "d3")] + [{"name": "s1", "role": "standalone"}]
    clusters = {"a": {"nodes": nodes, "firewall": {"members": []} if firewall else {}}}
    return [(finding.hosts, finding.level, finding.message) for finding in shut_out(clusters, starting, targeted, reached)]


def test_a_new_node_needs_the_ports_of_the_hosts_outside_of_the_run():
    blocked = "d3: the firewalls of d1, d2 block new nodes. Run deploy without --limit."
    assert new_nodes(["d3"], ["d3", "s1"], ["d3", "s1"]) == [(("d3",), Level.FAIL, blocked)]
    # No host starts, no firewall, a standalone server, and a run with every node.
    assert new_nodes([], ["d3"], ["d3"]) == new_nodes(["d3"], ["d3"], ["d3"], firewall=False) == []
    assert new_nodes(["s1"], ["s1"], ["s1"]) == new_nodes(["d1", "d2", "d3"], ["d1", "d2", "d3"], ["d1", "d2", "d3"]) == []


def test_an_unreachable_host_does_not_stop_a_new_node():
    warned = "d1, d3: the firewall of d2 blocks new nodes, and the host is unreachable. Run deploy again when the host responds."
    assert new_nodes(["d1", "d3"], ["d1", "d2", "d3"], ["d1", "d3"]) == [(("d1", "d3"), Level.WARN, warned)]
