# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers stop when a running cluster changes TLS, and when the run refuses the change."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.tls_switch import Switch, findings, lines, switches

NODES = [{"name": name, "role": role} for name, role in (("l2", "liaison"), ("l1", "liaison"), ("d1", "data"), ("d2", "data"))]
ALL = ["l1", "l2", "d1", "d2"]
CHANGED = [{"reason": "environment_changed", "variables": ["BYDB_TLS"]}]


def service(switches_tls=True, pid=7, reasons=CHANGED, ready=True):
    return {"main_pid": pid, "ready": ready, "needs_restart": reasons if pid else [], "switches_tls": switches_tls}


def switch_of(services, nodes=NODES, reached=ALL):
    return switches({"default": nodes}, services, reached).get("cluster default")


def test_all_servers_stop_and_the_liaisons_before_the_data_nodes():
    found = switch_of({host: service() for host in ALL})
    assert found == Switch("default", ("l1", "l2"), ("d1", "d2"), (), ("d1", "d2", "l1", "l2")) and found.stops == ("l1", "l2", "d1", "d2")


def test_without_a_server_with_the_other_value_nothing_stops():
    assert switch_of({host: service(False) for host in ALL}) is None
    assert switch_of({}) is None


def test_after_an_interruption_the_rest_of_the_servers_stop():
    changed, stopped = service(False, reasons=[]), service(False, pid=0)
    found = switch_of({"l1": stopped, "l2": stopped, "d1": changed, "d2": service()})
    assert found == Switch("default", (), ("d2",), (), ("d1", "d2", "l1", "l2"))


def test_a_server_with_another_change_stops_with_the_others():
    other = service(False, reasons=[{"reason": "program_replaced"}])
    found = switch_of({"l1": other, "l2": service(), "d1": service(False, reasons=[]), "d2": other})
    assert found == Switch("default", ("l1", "l2"), ("d2",), (), ("d1", "d2", "l1", "l2"))


def test_a_stopped_server_that_was_configured_with_the_other_value_needs_all_hosts_and_no_stop():
    found = switch_of({"d1": service(pid=0)}, reached=["d1"])
    assert found == Switch("default", (), (), ("d2", "l1", "l2"), ("d1",)) and lines({"cluster default": found}) == []


@pytest.mark.parametrize(
    ("other", "liaisons", "drained"),
    [
        (service(ready=False), ("l2", "l1"), ("l1",)),
        (service(reasons=[*CHANGED, {"reason": "login_refused"}]), ("l2", "l1"), ("l2", "l1")),
        # It listens on the ports of its start.
        (service(ready=False, reasons=[{"reason": "environment_changed", "variables": ["BYDB_TLS", "BYDB_GRPC_PORT"]}]), ("l1", "l2"), ("l1", "l2")),
    ],
)
def test_a_liaison_that_shows_no_view_blocks_the_drain_of_no_other_liaison(other, liaisons, drained):
    found = switch_of({**{host: service() for host in ALL}, "l2": other})
    assert (found.liaisons, found.drained) == (liaisons, drained)
    assert [line for line in lines({"cluster default": found}) if "drain" in line] == [
        *(["  stop without a drain, since it does not listen: l2"] if len(drained) == 1 else []),
        f"  drain and stop: {', '.join(drained)}, one after another",
    ]


def test_a_standalone_server_is_a_cluster_of_its_own():
    alone = [{"name": "s", "role": "standalone"}]
    found = switches({"default": NODES + alone}, {"s": service(), **{host: service(False, reasons=[]) for host in ALL}}, ["s"])
    assert found == {"s": Switch("default", (), ("s",), (), ("s",))}
    (finding,) = findings(found, {"default": False}, True)
    assert finding.message.startswith("s: a change of banyandb_tls stops all servers")
    assert lines(found)[-1] == "  stop: s"


def said(found, allowed=False, changes_tls=True):
    return [finding.message for finding in findings({"cluster default": found}, {"default": allowed}, changes_tls)]


@pytest.mark.parametrize(
    ("found", "allowed", "changes_tls", "words"),
    [
        (Switch("default", ("l1",), ("d1",), ()), False, True, "stops all servers for a short time. Accept this with banyandb_allow_downtime: true"),
        (Switch("default", ("l1",), ("d1",), ("d2",)), True, True, "this run does not reach d2. A change of banyandb_tls needs every host"),
        (Switch("default", (), (), ("d2",)), False, True, "this run does not reach d2."),
        (Switch("default", ("l1",), (), ()), True, False, "this run cannot change it. Run deploy first, without tags."),
        (Switch("default", (), (), ()), True, False, "this run cannot change it."),
    ],
)
def test_a_change_is_refused_with_what_to_do(found, allowed, changes_tls, words):
    (message,) = said(found, allowed, changes_tls)
    assert message.startswith("cluster default: ") and words in message and len(message) <= 200


@pytest.mark.parametrize("found", [Switch("default", ("l1",), ("d1",), ()), Switch("default", (), (), ())])
def test_an_accepted_change_has_no_finding(found):
    assert said(found, allowed=True) == []
    assert said(Switch("default", (), (), ())) == [], "nothing runs, so nothing stops"


def test_the_plan_has_the_order_of_the_stops():
    assert lines({"cluster default": Switch("default", ("l1", "l2"), ("d1",), ())}) == [
        "cluster default: banyandb_tls changes, so all its servers stop; clients wait until they start again",
        "  drain and stop: l1, l2, one after another",
        "  then stop: d1",
        "  then start the data nodes, and then the liaisons",
    ]
