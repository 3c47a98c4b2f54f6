# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""node_certificates: from the variables of the hosts to the files that each host gets."""

from __future__ import annotations

import grp
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_authority import retire
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_reading import certificate_values, certificates
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.node_certificates import (
    REPLACE,
    TRUST,
    Wishes,
    begin,
    decide,
    files_of,
    rows,
    settings_of,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.certificate_files import Owner, found_files, put_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_table import lines
from ansible_collections.skywalking.banyandb.tests.unit.certificates import DAY, NOW, Made, secrets_of, texts_of

ME = Owner(pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
PASSPHRASE = "canary-passphrase"
HOSTS = ("data1", "data2")


class Cluster:
    """Two hosts, each a directory, and the directory of the inventory."""

    def __init__(self, folder: Path, **variables: Any) -> None:
        self.folder = folder
        self.variables = {"banyandb_ca_passphrase": PASSPHRASE, "inventory_dir": str(folder), "banyandb_user": ME.user, **variables}

    def directory(self, host: str) -> str:
        return str(self.folder / host / "tls")

    def settings(self) -> dict[str, Any]:
        return {host: settings_of(host, {**self.variables, "ansible_host": f"10.0.0.{number}"}) for number, host in enumerate(HOSTS, 1)}

    def look(self, host: str) -> dict[str, Any]:
        """Return what the module host_info returns, as JSON gives it back."""
        found = found_files(self.directory(host))
        files = {name: getattr(found, name)._asdict() for name in ("ca", "certificate", "key")}
        served = [found.certificate.text] if found.certificate.text else []
        return json.loads(json.dumps({**files, "pair": found.pair, "served": served, "kept": []}))

    def run(self, now: Any = NOW) -> dict[str, list[str]]:
        """Do what the playbook does. Return host -> reasons, for each host that got files."""
        looks = {host: self.look(host) for host in HOSTS}
        decisions = decide(self.settings(), looks, now)
        assert decisions.problems == []
        for host, order in decisions.orders.items():
            put_files(self.directory(host), ME, *files_of(host, self.settings()[host], order, looks[host], now))
        return {host: order["reasons"] for host, order in decisions.orders.items()}


def test_the_first_run_makes_the_ca_and_a_certificate_for_each_host_and_the_second_run_makes_nothing(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    assert cluster.run() == {"data1": ["no_certificate"], "data2": ["no_certificate"]}
    assert cluster.run() == {}
    values = certificate_values(certificates(cluster.look("data1")["certificate"]["text"].encode())[0])
    assert values.names == {"data1", "localhost"} and values.addresses == {"10.0.0.1", "127.0.0.1", "::1"}
    assert cluster.look("data1")["ca"] == cluster.look("data2")["ca"]
    assert cluster.look("data1")["key"]["mode"] == "0600"
    assert os.listdir(tmp_path / ".banyandb-ca") == ["ca-1.pem"]


def test_a_server_that_listens_on_one_address_has_a_certificate_for_it(tmp_path: Path) -> None:
    environment = {"BYDB_GRPC_HOST": "10.7.7.7", "BYDB_HTTP_HOST": "0.0.0.0"}
    found = settings_of("data1", {**Cluster(tmp_path).variables, "banyandb_env": environment}).identity
    assert "10.7.7.7" in found.addresses and "0.0.0.0" not in found.addresses


def test_a_decision_makes_no_ca(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    decisions = decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW)
    assert sorted(decisions.orders) == ["data1", "data2"] and not (tmp_path / ".banyandb-ca").exists()


def test_a_renewal_keeps_the_key_and_a_lost_key_gives_a_new_one(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.run(NOW - 300 * DAY)
    key = Path(cluster.directory("data1"), "node.key")
    before = key.read_bytes()
    assert cluster.run() == {"data1": ["renewal_due"], "data2": ["renewal_due"]}
    assert key.read_bytes() == before
    key.unlink()
    assert cluster.run() == {"data1": ["key_mismatch"]}
    assert key.read_bytes() != before


def test_a_run_without_every_host_makes_no_ca(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    looks = {"data1": cluster.look("data1"), "data2": None}
    decisions = decide(cluster.settings(), looks, NOW)
    assert decisions.orders == {} and "data2: not in this run" in decisions.problems[0].message and "--limit" in decisions.problems[0].message
    cluster.run()
    Path(cluster.directory("data1"), "node.crt").unlink()
    decisions = decide(cluster.settings(), {**looks, "data1": cluster.look("data1")}, NOW)
    assert (list(decisions.orders), decisions.problems) == (["data1"], [])


@pytest.mark.parametrize("looked_at", [["data1"], ["data1", "data2"]])
def test_hosts_with_a_ca_that_the_directory_lacks_are_refused(tmp_path: Path, looked_at: list[str]) -> None:
    Cluster(tmp_path).run()
    for ca_dir in (tmp_path / "empty", tmp_path / "other"):
        cluster = Cluster(tmp_path, banyandb_ca_dir=str(ca_dir))
        decisions = decide(cluster.settings(), {host: cluster.look(host) for host in looked_at}, NOW)
        assert decisions.orders == {} and "data1" in decisions.problems[0].message and "Restore this directory" in decisions.problems[0].message


def test_a_renewal_keeps_the_names_of_the_present_certificate(tmp_path: Path) -> None:
    Cluster(tmp_path).run()
    moved = Cluster(tmp_path)
    settings = {host: settings_of(host, {**moved.variables, "ansible_host": "10.9.9.9"}) for host in HOSTS}
    looks = {host: moved.look(host) for host in HOSTS}
    order = decide(settings, looks, NOW).orders["data1"]
    assert order["reasons"] == ["name_missing"]
    text = files_of("data1", settings["data1"], order, looks["data1"], NOW).certificate
    assert {"10.0.0.1", "10.9.9.9"} <= certificate_values(certificates(text.encode())[0]).addresses


def test_files_that_others_can_read_and_a_certificate_that_is_not_served_are_no_success(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.run(NOW - 300 * DAY)
    earlier = cluster.look("data2")["certificate"]["text"]
    cluster.run()
    looks = {host: cluster.look(host) for host in HOSTS}
    looks["data1"]["key"]["mode"] = "0644"
    looks["data2"]["served"] = [earlier]
    orders = decide(cluster.settings(), looks, NOW).orders
    assert {host: order["reasons"] for host, order in orders.items()} == {"data1": ["attributes"], "data2": ["not_served"]}
    assert files_of("data1", cluster.settings()["data1"], orders["data1"], looks["data1"], NOW) == ("", "", "")


@pytest.mark.parametrize("days", ["abc", 0, -5, 99999])
def test_a_wrong_number_of_days_names_the_host(tmp_path: Path, days: Any) -> None:
    with pytest.raises(ValueError, match=f"data1: banyandb_certificate_days is {days}: expected days"):
        Cluster(tmp_path, banyandb_certificate_days=days).settings()


@pytest.mark.parametrize(
    ("variables", "says"),
    [({"banyandb_ca_passphrase": ""}, "Set banyandb_ca_passphrase"), ({"banyandb_ca_passphrase": "another"}, "banyandb_ca_passphrase does not open")],
)
def test_without_the_passphrase_nothing_is_decided(tmp_path: Path, variables: dict[str, Any], says: str) -> None:
    Cluster(tmp_path).run()
    cluster = Cluster(tmp_path, **variables)
    decisions = decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW)
    assert decisions.orders == {} and says in decisions.problems[0].message


def of_files(folder: Path, **variables: Any) -> tuple[Cluster, Made]:
    """Return a cluster with the files of the user's own CA, and the CA."""
    authority = Made("CA")
    made = Made("node", authority, hosts=["data1", "data2", "10.0.0.1", "10.0.0.2", "localhost", "127.0.0.1", "::1"])
    (folder / "key.pem").write_text(made.key_pem)
    files = {"banyandb_tls_ca": authority.pem, "banyandb_tls_certificate": made.pem, "banyandb_tls_key": str(folder / "key.pem")}
    return Cluster(folder, banyandb_tls_source="files", **{**files, **variables}), made


def test_the_files_of_the_user_come_to_each_host_once(tmp_path: Path) -> None:
    cluster, made = of_files(tmp_path)
    assert cluster.run() == {"data1": ["certificate_changed"], "data2": ["certificate_changed"]}
    assert Path(cluster.directory("data2"), "node.crt").read_text() == made.pem
    assert cluster.run() == {}
    assert not (tmp_path / ".banyandb-ca").exists()


def test_the_ca_of_the_user_is_replaced_in_three_deployments(tmp_path: Path) -> None:
    cluster, made = of_files(tmp_path)
    cluster.run()
    hosts = ["data1", "data2", "10.0.0.1", "10.0.0.2", "localhost", "127.0.0.1", "::1"]
    authority = Made("next CA")
    following = Made("node", authority, hosts=hosts, key=made.key)
    present = cluster.variables["banyandb_tls_ca"]

    def problems(ca: str, certificate: str) -> list[str]:
        cluster.variables.update(banyandb_tls_ca=ca, banyandb_tls_certificate=certificate)
        return [each.message for each in decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW).problems]

    assert "drops a CA" in problems(authority.pem, following.pem)[0]
    assert "does not trust yet" in problems(present + authority.pem, following.pem)[0]
    for ca, certificate in ((present + authority.pem, made.pem), (present + authority.pem, following.pem), (authority.pem, following.pem)):
        assert problems(ca, certificate) == []
        assert sorted(cluster.run()) == ["data1", "data2"]
    assert cluster.run() == {}


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    cluster, _made = of_files(tmp_path, banyandb_tls_ca=Made("another CA").pem)
    decisions = decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW)
    assert ["data1" in problem.message and "banyandb_tls_certificate" in problem.message for problem in decisions.problems] == [True, False]
    assert "no CA of banyandb_tls_ca signed it" in decisions.problems[0].message


def test_no_text_form_has_a_secret(tmp_path: Path) -> None:
    cluster, made = of_files(tmp_path)
    settings = cluster.settings()["data1"]
    files = files_of("data1", settings, {"action": "issue"}, {}, NOW)
    shown = " ".join(f"{value!r} {value}" for value in (settings, files)) + " ".join(texts_of(decide(cluster.settings(), {}, NOW)))
    assert PASSPHRASE not in shown
    assert not any(secret in shown for secret in secrets_of(made.key))


# ---- Rotation of the CA


def rotate(cluster: Cluster, **wishes: Any) -> list[dict[str, Any]]:
    """Do what the rounds of the playbook do, until a round has nothing to do. Return the orders of each round."""
    rounds = []
    while not rounds or rounds[-1]:
        looks = {host: cluster.look(host) for host in HOSTS}
        decisions = decide(cluster.settings(), looks, NOW, Wishes(rotation=REPLACE, **wishes))
        assert decisions.problems == []
        if decisions.begun:
            begin(decisions.begun, cluster.settings(), NOW)
            decisions = decide(cluster.settings(), looks, NOW, Wishes(rotation=REPLACE, **wishes))
        for host, order in decisions.orders.items():
            put_files(cluster.directory(host), ME, *files_of(host, cluster.settings()[host], order, looks[host], NOW))
        for directory, newest in decisions.retired.items():
            retire(directory, newest)
        rounds.append(decisions.orders)
    return rounds


def test_a_rotation_has_three_rounds_with_changes_and_keeps_the_keys(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.run()
    before, key = cluster.look("data1"), Path(cluster.directory("data1"), "node.key").read_bytes()
    rounds = rotate(cluster)
    assert [{host: (order["action"], order["ca_changes"]) for host, order in orders.items()} for orders in rounds] == [
        dict.fromkeys(HOSTS, ("keep", True)),
        dict.fromkeys(HOSTS, ("renew", False)),
        dict.fromkeys(HOSTS, ("keep", True)),
        {},
    ]
    after, ca_dir = cluster.look("data1"), tmp_path / ".banyandb-ca"
    assert not set(before["ca"]["sha256"]) & set(after["ca"]["sha256"]) and after["pair"]
    assert Path(cluster.directory("data1"), "node.key").read_bytes() == key
    assert sorted(os.listdir(ca_dir)) == ["ca-2.pem"]
    assert cluster.run() == {}


def test_check_mode_predicts_the_rounds_of_a_rotation_and_makes_no_ca(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.run()
    looks = {host: cluster.look(host) for host in HOSTS}
    predicted = [decide(cluster.settings(), looks, NOW, Wishes(rotation=REPLACE, predicted=done)) for done in range(4)]
    assert os.listdir(tmp_path / ".banyandb-ca") == ["ca-1.pem"]
    real = rotate(cluster)
    assert [{host: order["action"] for host, order in each.orders.items()} for each in predicted] == [
        {host: order["action"] for host, order in orders.items()} for orders in real
    ]
    assert [bool(each.retired) for each in predicted] == [False, False, False, True]


def test_trust_ends_when_every_host_trusts_both_cas_and_deploy_does_not_go_on(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.run()

    def look_and_decide(**wishes: Any) -> Any:
        return decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW, Wishes(**wishes))

    begin([str(tmp_path / ".banyandb-ca")], cluster.settings(), NOW)
    waiting = look_and_decide()
    assert waiting.orders == {} and "rotation is under way" in waiting.warnings[0] and "banyandb_rotate_ca=true" in waiting.warnings[0]
    orders = look_and_decide(rotation=TRUST).orders
    for host, order in orders.items():
        put_files(cluster.directory(host), ME, *files_of(host, cluster.settings()[host], order, cluster.look(host), NOW))
    assert sorted(orders) == list(HOSTS) and len(cluster.look("data1")["ca"]["sha256"]) == 2
    assert look_and_decide(rotation=TRUST).orders == look_and_decide().orders == {}
    assert len(rotate(cluster)) == 3


@pytest.mark.parametrize("rotation", [TRUST, REPLACE])
def test_a_host_outside_of_the_run_blocks_a_rotation_before_the_new_ca(tmp_path: Path, rotation: str) -> None:
    cluster = Cluster(tmp_path)
    cluster.run()
    decisions = decide(cluster.settings(), {"data1": cluster.look("data1")}, NOW, Wishes(rotation=rotation))
    assert (decisions.orders, decisions.begun) == ({}, [])
    assert decisions.problems[0].hosts == ("data2",) and "Run without --limit" in decisions.problems[0].message


def test_a_renewal_on_request(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.run()
    looks = {host: cluster.look(host) for host in HOSTS}
    orders = decide(cluster.settings(), looks, NOW, Wishes(renewed=["data2"])).orders
    assert {host: order["reasons"] for host, order in orders.items()} == {"data2": ["renewal_requested"]}
    assert decide(cluster.settings(), looks, NOW, Wishes(renewed=["data2"], predicted=1)).orders == {}


def test_an_expired_ca_is_found_before_it_signs_and_a_ca_that_ends_soon_is_a_warning(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, banyandb_ca_days=400)
    cluster.run()
    looks = {host: cluster.look(host) for host in HOSTS}
    soon = decide(cluster.settings(), looks, NOW + 100 * DAY)
    assert soon.problems == [] and "this CA expires on" in soon.warnings[0]
    late = decide(cluster.settings(), looks, NOW + 401 * DAY)
    assert late.orders == {} and "this CA expired on" in late.problems[0].message and late.problems[0].hosts == HOSTS
    assert decide(cluster.settings(), looks, NOW + 401 * DAY, Wishes(rotation=REPLACE)).expired == set(HOSTS)


@pytest.mark.parametrize("source", ["own_ca", "files"])
@pytest.mark.parametrize("name", ["ca.crt", "node.crt", "node.key"])
def test_a_foreign_file_is_not_replaced(tmp_path: Path, source: str, name: str) -> None:
    cluster = of_files(tmp_path)[0] if source == "files" else Cluster(tmp_path)
    path = Path(cluster.directory("data1"), name)
    path.parent.mkdir(parents=True)
    path.write_text("of another program")
    decisions = decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW)
    assert "data1" not in decisions.orders
    (problem,) = decisions.problems
    assert problem.hosts == ("data1",) and f"data1: /etc/banyandb/tls/{name}: " in problem.message and "Move it away" in problem.message


def test_a_foreign_certificate_is_not_replaced(tmp_path: Path) -> None:
    cluster, _made = of_files(tmp_path)
    path = Path(cluster.directory("data1"), "node.crt")
    path.parent.mkdir(parents=True)
    path.write_text(Made("of another program").pem)
    (problem,) = decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW).problems
    assert "data1: /etc/banyandb/tls/node.crt is not the certificate" in problem.message and "Move it away" in problem.message


def test_a_rotation_with_files_says_how(tmp_path: Path) -> None:
    cluster, _made = of_files(tmp_path)
    decisions = decide(cluster.settings(), {host: cluster.look(host) for host in HOSTS}, NOW, Wishes(rotation=REPLACE))
    assert decisions.orders == {} and "Deploy three times instead" in decisions.problems[0].message


def test_the_table_has_the_cas_and_a_row_for_each_host(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.run()
    # The gossip port of data2 serves the certificate of its start.
    waits = {**cluster.look("data2"), "kept": [cluster.look("data1")["certificate"]["text"]]}
    assert rows(HOSTS, {"data2": waits}, {})[-1].to_do == "restart: run deploy"
    assert rows(HOSTS, {"data2": {**waits, "kept": [waits["certificate"]["text"]]}}, {})[-1].to_do == ""
    found = rows(HOSTS, {"data1": cluster.look("data1")}, {"data1": {"action": "renew", "reasons": ["renewal_due"], "issuer": "x"}})
    printed = lines("prod", found, NOW)
    assert [row.kind for row in found] == ["CA", "node", "node"]
    assert "3649" in printed[2] or "3650" in printed[2]
    assert printed[3].split()[:2] == ["data1", "node"] and printed[3].endswith("new certificate: renewal due") and " BanyanDB CA " in printed[3]
    assert printed[4].endswith("not in this run, or unreachable")
