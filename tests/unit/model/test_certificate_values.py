# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of nodes, what certificates cover, when they are due; the steps of a rotation by name; findings and status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import (
    CA_VARIABLE,
    CERTIFICATE_VARIABLE,
    KEY_VARIABLE,
    Fault,
    Given,
    expiry,
    file_findings,
    files_of_others,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_plan import (
    Action,
    Blocked,
    Held,
    Plan,
    Reason,
    Step,
    after,
    plan,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import (
    Certificate,
    Identity,
    days_left,
    identity,
    is_due,
    missing,
    node_identity,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG = [f"data{number}.banyandb.eu-west-1.example.org" for number in range(1, 6)]
DAY = timedelta(days=1)


def certificate(*hosts: str, start: int = -10, end: int = 355, **said: Any) -> Certificate:
    """Return a certificate for ``hosts`` that is valid from ``start`` to ``end`` days from now."""
    names = frozenset(host for host in hosts if not host[0].isdigit() and ":" not in host)
    values = {"key_id": "", "issuer_key_id": "a", "public_key": "key", "sha256": "leaf", **said}
    return Certificate(names, frozenset(hosts) - names, 1, NOW + start * DAY, NOW + end * DAY, **values)


CA = certificate(start=-100, end=3000, key_id="a", sha256="ca", is_authority=True)


# ---- names


def test_a_node_is_reached_by_its_host_its_inventory_name_and_as_the_local_machine():
    found = node_identity("Data1", "10.0.0.1", ["data1.example.org.", "[2001:DB8::0001]", "fe80::1%eth0"])
    assert found.names == {"data1", "data1.example.org", "localhost"}
    assert found.addresses == {"10.0.0.1", "127.0.0.1", "::1", "2001:db8::1", "fe80::1"}


def test_a_name_outside_ascii_has_its_idna_form_and_a_name_that_nobody_resolves_is_left_out():
    assert identity(["bücher.example", "a" * 64 + "é", "two words", "", "."]).names == {"xn--bcher-kva.example"}


def test_a_wildcard_covers_one_label():
    said = certificate("*.example.org", "10.0.0.1")
    assert missing(said, identity(["a.example.org", "10.0.0.1"])) == ()
    assert missing(said, identity(["example.org", "a.b.example.org", "org", "10.0.0.2"])) == ("10.0.0.2", "a.b.example.org", "example.org", "org")


def test_a_certificate_is_due_when_less_than_a_third_is_left():
    assert not is_due(certificate(start=-200, end=100), NOW) and is_due(certificate(start=-201, end=100), NOW)
    assert days_left(certificate(end=0), NOW) == 0 and days_left(certificate(end=0), NOW + timedelta(seconds=1)) == -1


# ---- the plan

WANTED = {"one": identity(["one"]), "two": identity(["two"])}


def held(host: str, bundle: str, issuer: str, served: str = "", **changed: Any) -> Held:
    return Held(certificate(host, issuer_key_id=issuer), True, frozenset(bundle), frozenset(served or issuer))._replace(**changed)


def steps(found: Plan) -> dict[str, tuple[Any, ...]]:
    return {order.host: (order.action, order.issuer, "".join(order.bundle), order.reasons) for order in found.orders}


def test_new_hosts_get_a_key_and_a_certificate():
    found = plan(WANTED, {"one": Held(), "two": Held()}, ["a"], NOW)
    assert found.step is Step.STABLE and found.changes
    assert steps(found) == {
        "one": (Action.ISSUE, "a", "a", (Reason.NO_CERTIFICATE,)),
        "two": (Action.ISSUE, "a", "a", (Reason.NO_CERTIFICATE,)),
    }


def test_hosts_with_all_that_they_need_stay_unchanged():
    found = plan(WANTED, {host: held(host, "a", "a") for host in WANTED}, ["a"], NOW)
    assert not found.changes and all(order.action is Action.KEEP for order in found.orders) and found.step is Step.STABLE


@pytest.mark.parametrize(
    ("changed", "reason", "action"),
    [
        ({"certificate": certificate("one", start=-300, end=65)}, Reason.RENEWAL_DUE, Action.RENEW),
        ({"certificate": certificate("one", start=-300, end=0)}, Reason.EXPIRED, Action.RENEW),
        ({"certificate": certificate("one", start=1)}, Reason.NOT_YET_VALID, Action.RENEW),
        ({"certificate": certificate("other")}, Reason.NAME_MISSING, Action.RENEW),
        ({"pair": False}, Reason.KEY_MISMATCH, Action.ISSUE),
        ({"certificate": certificate("one", key_type="RSAPublicKey")}, Reason.KEY_TYPE, Action.ISSUE),
        ({"certificate": certificate("one", issuer_key_id="x"), "served": frozenset()}, Reason.CA_CHANGED, Action.RENEW),
    ],
)
def test_each_reason_for_another_certificate(changed, reason, action):
    found = plan(WANTED, {"one": held("one", "a", "a", **changed), "two": held("two", "a", "a")}, ["a"], NOW)
    assert steps(found) == {"one": (action, "a", "a", (reason,)), "two": (Action.KEEP, "", "a", ())}


def test_the_three_steps_of_a_rotation():
    keep = (Action.KEEP, "", "ab", ())
    renew = (Action.RENEW, "b", "ab", (Reason.CA_CHANGED,))
    found = plan(WANTED, {"one": held("one", "a", "a"), "two": held("two", "ab", "a")}, ["a", "b"], NOW)
    assert (found.step, steps(found)) == (Step.TRUST_BOTH, {"one": keep, "two": keep})
    assert [order.bundle_changes for order in found.orders] == [True, False]
    found = plan(WANTED, {"one": held("one", "ab", "b"), "two": held("two", "ab", "a")}, ["a", "b"], NOW)
    assert (found.step, steps(found)) == (Step.REISSUE, {"one": keep, "two": renew})
    found = plan(WANTED, {"one": held("one", "ab", "b"), "two": held("two", "b", "b")}, ["a", "b"], NOW)
    assert (found.step, found.changes) == (Step.TRUST_NEW, True)
    assert [(order.bundle, order.bundle_changes) for order in found.orders] == [(("b",), True), (("b",), False)]
    found = plan(WANTED, {host: held(host, "b", "b") for host in WANTED}, ["a", "b"], NOW)
    assert (found.step, found.changes) == (Step.RETIRE, False)


def test_the_old_ca_stays_trusted_while_a_server_still_serves_its_certificate():
    found = plan(WANTED, {"one": held("one", "ab", "b", served="a"), "two": held("two", "ab", "b")}, ["a", "b"], NOW)
    assert found.step is Step.REISSUE and not found.changes


def test_a_host_that_does_not_answer_blocks_a_rotation_and_nothing_else():
    found = plan(WANTED, {"one": held("one", "ab", "b"), "two": None}, ["a", "b"], NOW)
    assert (found.step, found.blocked, found.blocking) == (Step.TRUST_BOTH, Blocked.UNKNOWN_HOST, ("two",)) and "two" in found.problem
    found = plan(WANTED, {"one": held("one", "a", "a")}, ["a"], NOW)
    assert found.blocked is None and not found.changes


def test_a_new_host_waits_when_no_host_answers_that_knows_the_step():
    found = plan(WANTED, {"one": Held(), "two": None}, ["a", "b"], NOW)
    assert steps(found)["one"][0] is Action.WAIT and not found.orders[0].issuer


def test_a_ca_that_hosts_trust_and_the_directory_lacks_stops_everything():
    found = plan(WANTED, {host: held(host, "x", "x") for host in WANTED}, ["a"], NOW)
    assert (found.blocked, found.blocking, found.orders) == (Blocked.UNKNOWN_CA, ("one", "two"), ())
    assert len(found.problem) <= MOST and message(found.problem) == found.problem


def test_a_renewal_on_request_keeps_the_key_and_a_new_key_is_a_second_request():
    now_held = {host: held(host, "a", "a") for host in WANTED}
    found = plan(WANTED, now_held, ["a"], NOW, renewed=["one", "two"], new_keys=["two"])
    assert steps(found) == {
        "one": (Action.RENEW, "a", "a", (Reason.RENEWAL_REQUESTED,)),
        "two": (Action.ISSUE, "a", "a", (Reason.KEY_REQUESTED, Reason.RENEWAL_REQUESTED)),
    }


def test_check_mode_predicts_each_step_of_a_rotation():
    now_held = {host: held(host, "a", "a") for host in WANTED}
    seen = []
    while not seen or seen[-1] is not Step.RETIRE:
        found = plan(WANTED, now_held, ["a", "b"], NOW)
        seen.append(found.step)
        assert {order.host for order in found.orders if order.changes} == (set() if found.step is Step.RETIRE else set(WANTED))
        now_held = {order.host: after(now_held[order.host], order, WANTED[order.host], NOW) for order in found.orders}
    assert seen == [Step.TRUST_BOTH, Step.REISSUE, Step.TRUST_NEW, Step.RETIRE]


def test_a_single_host_may_change_to_another_ca():
    found = plan({"one": WANTED["one"]}, {"one": held("one", "x", "x")}, ["a"], NOW)
    assert steps(found) == {"one": (Action.RENEW, "a", "a", (Reason.CA_CHANGED,))}


@pytest.mark.parametrize("blocked", list(Blocked))
def test_a_blocked_plan_names_long_hosts_in_one_line(blocked):
    problem = Plan(Step.TRUST_BOTH, (), blocked, tuple(LONG)).problem
    assert LONG[0] in problem and len(problem) <= MOST and message(problem) == problem and problem.endswith(".")


# ---- files of the user

HOST = LONG[0]
GIVEN = Given([certificate(HOST, "localhost"), CA], "key", [CA])
NEEDED = identity([HOST, "localhost"])


def leaf(**said: Any) -> Given:
    return GIVEN._replace(chain=[GIVEN.chain[0]._replace(**said), CA])


def test_files_that_fit_have_no_finding():
    assert file_findings(HOST, GIVEN, NEEDED, NOW, 30) == []


@pytest.mark.parametrize(
    ("given", "fault", "variable", "text"),
    [
        (GIVEN._replace(key="other"), Fault.KEY_MISMATCH, KEY_VARIABLE, "is not the key of banyandb_tls_certificate. Set both"),
        (GIVEN._replace(authorities=[GIVEN.chain[0]]), Fault.NO_AUTHORITY, CA_VARIABLE, "no CA certificate"),
        (GIVEN._replace(chain=GIVEN.chain[:1]), Fault.NOT_CHAINED, CERTIFICATE_VARIABLE, "no CA of banyandb_tls_ca signed it"),
        (leaf(names=frozenset({HOST})), Fault.NAME_MISSING, CERTIFICATE_VARIABLE, "lacks the names localhost. Let your CA add"),
        (leaf(serves=False), Fault.NO_SERVER_USE, CERTIFICATE_VARIABLE, "serverAuth"),
        (leaf(not_before=NOW + DAY), Fault.NOT_YET_VALID, CERTIFICATE_VARIABLE, "is valid from 2026-06-02 00:00 UTC, now is 2026-06-01 00:00 UTC"),
        (leaf(not_after=NOW), Fault.EXPIRED, CERTIFICATE_VARIABLE, "expired on 2026-06-01 00:00 UTC. Set a new"),
        (leaf(not_after=NOW + 29 * DAY), Fault.EXPIRES_SOON, CERTIFICATE_VARIABLE, "expires in 29 days, on 2026-06-30 00:00 UTC, expected 30 days"),
        (GIVEN._replace(chain=[GIVEN.chain[0], CA._replace(not_after=NOW)]), Fault.CA_EXPIRED, CA_VARIABLE, "a CA in the chain is valid from"),
    ],
)
def test_each_fault_is_a_finding_that_says_what_where_and_what_to_do(given, fault, variable, text):
    (finding,) = file_findings(HOST, given, NEEDED, NOW, 30)
    assert (finding.host, finding.fault, finding.variable) == (HOST, fault, variable)
    assert finding.message.startswith(f"{HOST}: {variable}: ") and text in finding.message
    assert len(finding.message) <= MOST and message(finding.message) == finding.message and finding.message.endswith(".")
    assert finding.is_warning == (fault is Fault.EXPIRES_SOON)


def test_all_faults_are_found_at_once_and_long_names_do_not_push_out_what_to_do():
    given = Given([certificate(start=-2, end=-1)], "other", [CA])
    found = file_findings(HOST, given, Identity(frozenset(LONG), frozenset()), NOW, 30)
    assert [finding.fault for finding in found] == [Fault.KEY_MISMATCH, Fault.NOT_CHAINED, Fault.NAME_MISSING, Fault.EXPIRED]
    assert all(len(finding.message) <= MOST and finding.message.endswith(".") for finding in found)
    assert "and 4 more. Let your CA" in found[2].message


def test_a_certificate_that_is_itself_in_the_ca_file_is_trusted():
    own = GIVEN.chain[0]._replace(is_authority=True)
    assert file_findings(HOST, Given([own], "key", [own]), NEEDED, NOW, 30) == []


# ---- status and foreign files


@pytest.mark.parametrize(
    ("days", "failing", "text"),
    [
        ({"one": 355, "two": 8}, [], "the first expires in 8 days, on 2026-06-09 00:00 UTC (two)"),
        ({"one": 1, "two": 7}, ["one"], "the first expires in 1 day, on"),
        ({"one": 355, "two": 0}, ["two"], "the first has expired, on 2026-06-01 00:00 UTC (two)"),
        ({"one": 355, "two": None}, ["two"], "two: no TLS port serves a certificate"),
        ({"one": None, "two": None}, ["one", "two"], "one, two: no TLS port serves a certificate"),
    ],
)
def test_status_fails_under_the_least_days(days, failing, text):
    found = expiry({host: None if left is None else NOW + timedelta(days=left) for host, left in days.items()}, NOW, {"one": 7, "two": 7})
    assert found.failing == failing and any(text in line for line in found.lines), found.lines
    assert all(len(line) <= MOST for line in found.lines)


def test_the_least_days_belong_to_a_host_and_a_cluster_without_tls_has_no_line():
    found = expiry({"one": NOW + timedelta(days=20), "two": NOW + timedelta(days=20)}, NOW, {"one": 7, "two": 30})
    assert found.failing == ["two"] and "fewer than 30 days. Run skywalking.banyandb.certificates." in found.lines[1]
    assert expiry({}, NOW, {}) == ([], [])


FILE, ABSENT = ({"what": what, "readable": True} for what in ("file", "absent"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, []),
        ({"ca": ABSENT}, []),
        ({"key": {"what": "other", "readable": True}}, ["/tls/node.key: expected a file, found a link or a directory"]),
        ({"certificate": {"what": "file", "readable": False}}, ["/tls/node.crt: has no certificate"]),
        ({"ca": ABSENT, "certificate": ABSENT}, ["/tls/node.key: a key without node.crt and ca.crt"]),
    ],
)
def test_a_file_that_this_collection_did_not_write_is_named(changed, says):
    found = files_of_others("/tls", {**dict.fromkeys(("ca", "certificate", "key"), FILE), **changed})
    assert len(found) == len(says) and all(said in message and "Move it away" in message for said, message in zip(says, found, strict=True))
