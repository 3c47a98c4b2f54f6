# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of preflight, and their texts for the user."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import (
    Check,
    Finding,
    Level,
    disabled_findings,
    machine_findings,
    name_findings,
    names_to_resolve,
    table,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST

MACHINE = {"machine_id": "m1", "boot_id": "b1", "pid_namespace": "pid:[1]", "product_uuid": "u1"}


def cluster(*addresses, **more):
    nodes = [{"name": f"n{number}", "role": "data", "grpc_address": address} for number, address in enumerate(addresses, 1)]
    return {"mode": "file", "source": "inventory", "nodes": nodes, **more}


def test_two_names_of_one_machine_fail_and_the_message_names_both():
    assert machine_findings({"data1": MACHINE, "data1b": MACHINE, "other": {**MACHINE, "machine_id": "m2", "boot_id": "b2"}}) == [
        Finding(
            ("data1", "data1b"),
            Check.MACHINE,
            Level.FAIL,
            "data1, data1b: these inventory names lead to one machine. Leave one of them in the inventory, or correct ansible_host.",
        )
    ]


@pytest.mark.parametrize("differs", ["boot_id", "pid_namespace", "product_uuid"])
def test_clones_of_one_image_are_two_machines_and_give_a_warning(differs):
    (found,) = machine_findings({"a": MACHINE, "b": {**MACHINE, differs: "another"}})
    assert (found.hosts, found.level) == (("a", "b"), Level.WARN)
    assert found.message.startswith("a, b: two machines with the same /etc/machine-id.")


def test_a_machine_under_two_names_is_not_also_its_own_clone():
    assert [finding.level for finding in machine_findings({"a": MACHINE, "b": MACHINE})] == [Level.FAIL]


def test_machines_that_say_nothing_of_themselves_are_not_compared():
    assert machine_findings({host: dict.fromkeys(MACHINE, "") for host in "ab"}) == []


def test_a_machine_without_a_machine_id_is_no_clone():
    assert machine_findings({"a": {**MACHINE, "machine_id": ""}, "b": {**MACHINE, "machine_id": "", "boot_id": "b2"}}) == []


def test_a_removed_host_that_is_still_in_the_inventory_gives_a_warning():
    stopped = {"enabled": "disabled", "main_pid": 0}
    services = {"n3": stopped, "n1": {"enabled": "enabled", "main_pid": 0}, "n2": {**stopped, "main_pid": 7}, "n4": {**stopped, "enabled": ""}}
    (found,) = disabled_findings(services)
    assert (found.hosts, found.level) == (("n3",), Level.WARN)
    assert found.message.startswith("n3: stopped and disabled, as after skywalking.banyandb.remove")
    (many,) = disabled_findings({f"data{number}.banyandb.eu-west-1.example.org": stopped for number in range(9)})
    assert len(many.message) <= MOST and many.message.endswith("Delete a removed host from the inventory.")
    assert disabled_findings({"n1": {"enabled": "enabled", "main_pid": 0}}) == []


def test_names_are_resolved_once_and_addresses_not_at_all():
    clusters = {"default": cluster("d1.example.org:17912", "d1.example.org:18912", "192.0.2.1:17912", "[2001:db8::1]:17912", "a:17912")}
    assert names_to_resolve("n3", clusters) == ["a", "d1.example.org"]


def test_the_names_are_those_of_the_hosts_own_cluster():
    two = cluster("b:17912")
    two["nodes"][0]["name"] = "other"
    assert names_to_resolve("other", {"one": cluster("a:17912"), "two": two}) == ["b"]
    assert names_to_resolve("leaving", {"one": cluster("a:17912"), "two": two}) == []


@pytest.mark.parametrize("more", [{"mode": "dns"}, {"source": "dns"}])
def test_names_that_dns_gives_are_not_those_of_the_inventory(more):
    assert names_to_resolve("n1", {"default": cluster("a:17912", **more)}) == []


def test_a_server_that_is_alone_resolves_no_name():
    alone = cluster("a:17912")
    alone["nodes"][0]["role"] = "standalone"
    assert names_to_resolve("n1", {"default": alone}) == []


def test_a_name_that_fails_on_many_hosts_is_one_finding():
    clusters = {"default": cluster("a:17912", "b:17912", "c:17912", "d:17912", "d5.example.org:17912")}
    found = name_findings({host: {"d5.example.org": "no_such_name"} for host in ("n1", "n2", "n3", "n4", "n5")}, clusters)
    assert [finding.message for finding in found] == [
        "n1, n2, n3 and 2 more: cannot resolve d5.example.org (no such name). Set banyandb_node_host of n5 to an address, or add the name to DNS or "
        "/etc/hosts."
    ]


def test_a_host_that_resolves_no_name_is_one_finding_in_one_line():
    clusters = {"default": cluster(*(f"host-with-a-long-name-{number}.example.org:17912" for number in range(30)))}
    names = {f"host-with-a-long-name-{number}.example.org": "no_answer" for number in range(30)}
    (found,) = name_findings({"n1": names, "n2": {}}, clusters)
    assert found.hosts == ("n1",) and "and 29 more (no answer from DNS)" in found.message
    assert len(found.message) <= MOST and found.message.endswith("or add the name to DNS or /etc/hosts.")


def test_a_row_for_each_host_and_a_column_for_each_check():
    findings = [
        Finding(("b",), Check.HOST, Level.FAIL, "b: no."),
        Finding(("a", "c"), Check.MACHINE, Level.WARN, "a, c: clones."),
        Finding(("c",), Check.NAMES, Level.FAIL, "c: cannot resolve x."),
        Finding(("b", "c"), Check.VARIABLES, Level.WARN, "b, c: banyandb_x is not known."),
    ]
    assert table(["a", "b", "c"], findings) == [
        "preflight  host  variables  machine  names",
        "a          pass  pass       warn     pass",
        "b          fail  warn       -        -",
        "c          pass  warn       warn     fail",
        "  fail: b: no.",
        "  warn: a, c: clones.",
        "  fail: c: cannot resolve x.",
        "  warn: b, c: banyandb_x is not known.",
    ]
