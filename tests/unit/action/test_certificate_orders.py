# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_orders: what the variables of a run ask for, and the groups of the rounds."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.action.preflight_report import certificate_findings
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_wishes import wishes_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.node_certificates import REPLACE, TRUST, Wishes
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.certificate_rounds import UNLOADED, groups_of, not_ended
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import waits_for_restart
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import Level

HOSTS = ["a", "b"]


def wishes(check: bool = False, extra: dict[str, Any] | None = None, **given: Any) -> Wishes:
    arguments = {"round": 1, "renew": [], "new_key": False, "rotate": False, **given}
    return wishes_of(arguments, HOSTS, {"banyandb_rotate_ca": arguments["rotate"]} if extra is None else extra, check)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Wishes([])),
        ({"renew": True}, Wishes(HOSTS)),
        ({"renew": "true", "new_key": True}, Wishes(HOSTS, HOSTS)),
        ({"renew": ["b"]}, Wishes(["b"])),
        ({"renew": "b"}, Wishes(["b"])),
        ({"renew": "false", "new_key": True}, Wishes([], [])),
        ({"renew": True, "round": 2}, Wishes([])),
        ({"rotate": True, "renew": True}, Wishes([], rotation=REPLACE)),
        ({"rotate": "yes"}, Wishes([], rotation=REPLACE)),
        ({"rotate": "trust"}, Wishes([], rotation=TRUST)),
        ({"rotate": "no"}, Wishes([])),
        ({"rotate": True, "round": 3, "check": True}, Wishes([], rotation=REPLACE, predicted=2)),
    ],
)
def test_the_variables_of_a_run(given: dict[str, Any], expected: Wishes) -> None:
    assert wishes(**given) == expected


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"renew": ["b", "c"]}, "banyandb_renew names c, which"),
        ({"rotate": True, "extra": {}}, "set in the inventory"),
        ({"rotate": "turst"}, "banyandb_rotate_ca is turst: expected true, false or trust"),
    ],
)
def test_a_wrong_variable_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wishes(**given)


KEEP = {"ca_changes": True, "reasons": [], "issuer": ""}
RENEW = {"ca_changes": False, "reasons": ["renewal_due"], "issuer": "ca"}
GIVEN = {"ca_changes": False, "reasons": ["certificate_changed"], "issuer": ""}
SERVES: dict[str, Any] = {"served": ["a certificate"], "kept": []}
# A data node: its gossip port serves the certificate of the start.
KEEPS = {**SERVES, "kept": ["a certificate"], "certificate": {"text": "a certificate"}}


def groups(
    orders: dict[str, Any], found: dict[str, Any], expired: tuple[str, ...] = (), number: int = 2, rotates: bool = False
) -> dict[str, list[str]]:
    return groups_of({"one": ["a", "b"], "two": ["c"]}, ["a", "b", "c"], found, orders, expired, number, rotates)


def test_servers_with_other_cas_change_one_after_the_other() -> None:
    found = groups({"a": KEEP, "b": RENEW}, {"a": SERVES, "b": SERVES})
    assert found == {
        "a": ["__banyandb_certify_one_by_one_2", "__banyandb_certificates_3"],
        "b": ["__banyandb_certify_2", "__banyandb_certificates_3"],
        "c": ["__banyandb_certificates_3"],
    }


@pytest.mark.parametrize(("expired", "alone"), [((), True), (("b",), False), (("c",), True)])
def test_a_cluster_with_an_expired_certificate_has_no_health_to_wait_for(expired: tuple[str, ...], alone: bool) -> None:
    assert groups({"a": KEEP}, {"a": SERVES}, expired)["a"][0] == ("__banyandb_certify_one_by_one_2" if alone else "__banyandb_certify_2")


def test_a_host_without_a_running_server_waits_for_nothing() -> None:
    assert groups({"a": KEEP}, {"a": {"served": [], "kept": []}}, number=0) == {"a": ["__banyandb_certify_0"]}


def test_a_server_waits_for_a_restart_while_a_port_serves_another_certificate_than_its_file() -> None:
    assert not waits_for_restart(KEEPS) and not waits_for_restart(None)
    assert waits_for_restart({**KEEPS, "kept": ["an earlier certificate"]})


@pytest.mark.parametrize(
    ("order", "found", "number", "waits"),
    [(RENEW, KEEPS, 0, True), (GIVEN, KEEPS, 0, True), (KEEP, KEEPS, 0, False), (RENEW, SERVES, 0, False), (RENEW, KEEPS, 1, False)],
)
def test_deploy_restarts_a_data_node_after_its_new_certificate(order: dict[str, Any], found: dict[str, Any], number: int, waits: bool) -> None:
    assert (UNLOADED in groups({"a": order}, {"a": found}, number=number)["a"]) is waits


def test_a_round_without_orders_is_the_last_one_unless_a_rotation_goes_on() -> None:
    assert groups({}, {}) == {}
    assert sorted(groups({}, {}, rotates=True)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("number", "rotates", "fails"), [(1, False, False), (2, False, True), (2, True, False), (3, True, False), (4, True, True)]
)
def test_hosts_that_need_a_change_after_the_last_round_are_a_failure(number: int, rotates: bool, fails: bool) -> None:
    said = not_ended({"a": RENEW, "b": KEEP}, number, rotates)
    assert bool(said) == fails and (not fails or "a, b still need a change (ca_changed, renewal_due)" in said)
    assert not_ended({}, number, rotates) == ""


def test_the_report_of_preflight_has_the_problems_for_their_hosts() -> None:
    (found,) = certificate_findings({"problems": [{"hosts": ["a"], "message": "a: its certificate expired."}]})
    assert (found.hosts, found.level, found.message) == (("a",), Level.FAIL, "a: its certificate expired.")
    assert certificate_findings(None) == certificate_findings({"skipped": True}) == []
