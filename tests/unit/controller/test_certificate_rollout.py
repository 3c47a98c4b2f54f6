# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All parts together: a CA directory, hosts that are directories, the plan, and a real TLS handshake from each host to each host after each file."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import random
import ssl
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_authority import (
    authorities,
    begin_rotation,
    bundle,
    ensure,
    issue,
    retire,
    unlock,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_reading import certificates, held
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.certificate_files import Owner, found_files, put_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_plan import Action, Step, plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import node_identity
from ansible_collections.skywalking.banyandb.tests.unit.certificates import DAY, NOW

ME = Owner(pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name)
#: The certificates are due now. OpenSSL compares with the real time.
DEPLOYED = NOW - 300 * DAY
PASSPHRASE = "passphrase"
HOSTS = ("data1", "data2", "liaison1")


class Cluster:
    """The hosts of a cluster, each a directory, and the CA directory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ca = folder, str(folder / "ca")
        self.wanted = {host: node_identity(host, f"{host}.example.org") for host in HOSTS}
        self.now = DEPLOYED

    def directory(self, host: str) -> str:
        return str(self.folder / host / "tls")

    def look(self):
        """Return the plan, from what the hosts report as JSON."""
        found = {}
        for host in HOSTS:
            report = json.loads(json.dumps(found_files(self.directory(host))._asdict()))
            (_ca, certificate), bundle_text = (report["certificate"][0], report["certificate"][5]), report["ca"][5]
            found[host] = held(certificate, bundle_text, report["pair"], [certificate] if certificate else [])
        return plan(self.wanted, found, [each.key_id for each in authorities(self.ca)], self.now)

    def carry_out(self, order) -> None:
        cas = authorities(self.ca)
        present = None
        if order.action is Action.RENEW:
            (present,) = certificates(Path(self.directory(order.host), "node.crt").read_bytes())
        put_files(self.directory(order.host), ME, ca=bundle(cas, order.bundle) if order.bundle_changes else "")
        self.check()
        if order.issuer:
            signer = unlock(next(each for each in cas if each.key_id == order.issuer), PASSPHRASE)
            made = issue(signer, order.host, self.wanted[order.host], 365, self.now, present)
            key = made.key.reveal().decode() if made.key else ""
            assert bool(key) == (order.action is Action.ISSUE)
            put_files(self.directory(order.host), ME, certificate=made.certificate, key=key)
        self.check()

    def check(self) -> None:
        ready = [host for host in HOSTS if os.path.exists(os.path.join(self.directory(host), "node.crt"))]
        for host in ready:
            for other in ready:
                handshake(self.directory(host), self.directory(other), f"{other}.example.org")


def handshake(client: str, server: str, name: str) -> None:
    """Connect a client with ca.crt of one host to a server with the pair of another host, in memory. Raises ssl.SSLError."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(os.path.join(server, "node.crt"), os.path.join(server, "node.key"))
    asking = ssl.create_default_context(cafile=os.path.join(client, "ca.crt"))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [asking.wrap_bio(back, there, server_hostname=name), serving.wrap_bio(there, back, server_side=True)]
    for _turn in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    assert ends[0].getpeercert()


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    ensure(cluster.ca, PASSPHRASE, 3650, DEPLOYED)
    for order in cluster.look().orders:
        cluster.carry_out(order)
    return cluster


def test_a_second_run_changes_nothing(cluster):
    found = cluster.look()
    assert found.step is Step.STABLE and not found.changes and {order.action for order in found.orders} == {Action.KEEP}


def test_a_renewal_keeps_the_key_of_each_host(cluster):
    keys = {host: Path(cluster.directory(host), "node.key").read_bytes() for host in HOSTS}
    cluster.now = NOW
    for order in cluster.look().orders:
        assert order.action is Action.RENEW
        cluster.carry_out(order)
    assert not cluster.look().changes
    assert keys == {host: Path(cluster.directory(host), "node.key").read_bytes() for host in HOSTS} and len(set(keys.values())) == 3


@pytest.mark.parametrize("seed", range(4))
def test_an_interrupted_rotation_goes_on_and_every_handshake_works(cluster, seed):
    choose = random.Random(seed)
    cluster.now = NOW
    new = begin_rotation(cluster.ca, PASSPHRASE, 3650, NOW)[-1]
    steps = []
    for _run in range(40):
        found = cluster.look()
        steps.append(found.step)
        if found.step is Step.RETIRE:
            retire(cluster.ca, new.key_id)
            break
        orders = [order for order in found.orders if order.changes]
        for order in choose.sample(orders, choose.randint(0, len(orders))):  # the run dies after some hosts
            cluster.carry_out(order)
    assert [step for index, step in enumerate(steps) if step not in steps[:index]] == [Step.TRUST_BOTH, Step.REISSUE, Step.TRUST_NEW, Step.RETIRE]
    assert cluster.look().step is Step.STABLE and not cluster.look().changes
    for host in HOSTS:
        assert held(*(found_files(cluster.directory(host))[index].text for index in (1, 0)), True).issuers == {new.key_id}
