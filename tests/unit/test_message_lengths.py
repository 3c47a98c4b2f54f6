# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages with long but ordinary values: a path of 60 characters, a URL of 74, five hosts with names of 36. Each has at most 200 characters and
ends with what to do.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release import artifact
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import READABLE
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import data_directory, foreign_topology, installed_release, topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import nftables
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import last_good_state, systemd_services
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout import destruction, removal, server_change
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.rollout_limits import Limits
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import preflight_findings, unknown_names
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import Cluster, clusters, merged
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, message
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import plan
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology

HOSTS = [f"data{number}.banyandb.eu-west-1.example.org" for number in range(1, 6)]
TARBALL = "skywalking-banyandb-0.11.0-banyand.tgz"
URL = f"https://mirror.example.org/released/{TARBALL[:-4]}.tgz"
NODES = [Node(host, f"{host}:17912") for host in HOSTS]
MEMBERS = [{"name": host, "node_name": f"{host}:17912", "role": "data", "labels": {}, "roles": ["ROLE_DATA"]} for host in HOSTS]


@pytest.fixture
def folder() -> Iterator[str]:
    """Return a directory whose path has 60 characters."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        path = os.path.join(directory, "x" * (59 - len(directory)))
        os.mkdir(path)
        assert len(path) == 60
        yield path


def text_of(act: Callable[[], Any]) -> str:
    """Return the message of the error that ``act`` raises."""
    with pytest.raises(Exception) as raised:
        act()
    return str(raised.value)


def check(text: str, *remedies: str) -> None:
    """Check the text before message() and after it. A text that message() must shorten has lost a value."""
    assert len(text) <= MOST, text
    assert message(text) == text.replace("....", "...") and "\n" not in text
    assert text.endswith(remedies), text


def test_the_values_are_as_long_as_the_first_lines_say():
    assert len(URL) == 74 and {len(host) for host in HOSTS} == {36}


# ---- releases


def release_of(root: str, marker: str) -> installed_release.Release:
    found = installed_release.Release(root, "0.11.0", installed_release.source("a" * 128, "static"))
    os.makedirs(os.path.join(found.directory, "bin"))
    Path(found.directory, installed_release.PROGRAM).touch(0o755)
    Path(found.directory, installed_release.MARKER).write_text(marker)
    return found


@pytest.mark.parametrize("marker", [installed_release.source("b" * 128, "slim"), "b" * 900])
def test_a_version_of_another_artifact(folder, marker):
    text = text_of(lambda: installed_release.is_installed(release_of(folder[:-16], marker)))
    check(text, "Check both, or set another banyandb_version.")
    assert "banyandb_artifact_checksum has SHA-512 aaaaaaaa... static" in text


def test_a_version_that_is_incomplete(folder):
    found = release_of(folder[:-16], "")
    check(text_of(lambda: installed_release.is_installed(found)), "then run this again.")


def test_a_link_that_is_a_directory(folder):
    os.mkdir(f"{folder}/current")
    found = installed_release.Release(folder, "0.11.0", None)
    check(text_of(lambda: installed_release.linked_version(found)), "Move it away, then run this again.")
    Path(folder, "versions").touch()
    brought = installed_release.Release(folder, "0.11.0", "sha512:ab static\n")
    check(text_of(lambda: installed_release.install(brought, "/dev/null", "ab")), "Repair the disk, then run this again.")


def test_a_program_that_arrives_damaged(folder):
    wanted = installed_release.Release(folder, "0.11.0", "sha512:ab static\n")
    text = text_of(lambda: installed_release.install(wanted, "/dev/null", "a" * 64))
    check(text, "Remove banyandb_cache_dir, then run this again.")
    assert "expected SHA-256 aaaaaaaa..., found e3b0c442..." in text


def tarball(path: str, *names: str) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return hashlib.sha512(Path(path).read_bytes()).hexdigest()


BUILDS = [f"bin/banyand-server-{flavor}-linux-{machine}" for flavor in ("static", "slim") for machine in ("amd64", "arm64")]


@pytest.mark.parametrize("names", [BUILDS, []])
def test_a_release_without_the_build_of_a_host(folder, names):
    path = f"{folder}/{TARBALL}"
    digest = tarball(path, *names)

    def unpack() -> None:
        artifact.program(path, f"sha512:{digest}", "riscv64", "static", f"{folder}/cache", open_nothing)

    check(text_of(unpack), "Set another banyandb_flavor or banyandb_artifact.", "Set banyandb_artifact to skywalking-banyandb-<version>-banyand.tgz.")


def open_nothing(_url: str) -> Any:
    raise OSError(f"Request failed: <urlopen error [Errno -3] Temporary failure in name resolution> for {URL}")


@pytest.mark.parametrize(
    ("source", "checksum", "remedy"),
    [
        (URL, f"{URL}.sha512", "Check the address and the proxy, or set the path of a copy."),
        (URL, f"sha512:{'a' * 128}", "Check the address and the proxy, or set the path of a copy."),
        (URL, f"sha512:{'a' * 127}", "Correct it."),
        ("{folder}/none.tgz", f"sha512:{'a' * 128}", "Set the path of a release tarball."),
        ("{folder}/none.tgz", "{folder}/none.tgz.sha512", "or set banyandb_artifact_checksum: sha512:<hex>."),
        (URL, "{folder}/checksums", "Write it with sha512sum."),
        ("{folder}/checksums", f"sha512:{'a' * 128}", "Fetch it again, or correct banyandb_artifact_checksum."),
    ],
)
def test_an_artifact_that_is_not_there_or_not_right(folder, source, checksum, remedy):
    Path(folder, "checksums").write_text("<html>")
    source, checksum = source.format(folder=folder), checksum.format(folder=folder)
    check(text_of(lambda: artifact.program(source, checksum, "amd64", "static", f"{folder}/cache", open_nothing)), remedy)


# ---- files


@pytest.mark.parametrize("what", ["no directory", "a link", "a directory", "text of another writer", "not UTF-8", "a broken entry", "twice"])
def test_a_topology_file_that_cannot_be_read(folder, what, monkeypatch):
    monkeypatch.setattr(foreign_topology, "yaml", None)
    path = f"{folder}/topology.yml"
    contents = {
        "text of another writer": b"# a comment of somebody else, which is long\nother: " + b"x" * 200,
        "not UTF-8": b"\xff",
        "a broken entry": b'nodes:\n- {"name": "' + HOSTS[0].encode() + b'", "grpc_address": "' + b"x" * 90 + b'"}\n',
        "twice": b"nodes:\n" + 2 * b'- {"name": "a", "grpc_address": "a:1"}\n',
    }
    if what == "a link":
        os.symlink("nowhere", path)
    elif what == "a directory":
        os.mkdir(path)
    elif what in contents:
        Path(path).write_bytes(contents[what])
    text = text_of(lambda: read_locked(f"{folder}/none/topology.yml" if what == "no directory" else path))
    check(message(text), *(f"{what}." for what in ("the file away", "this away", "it away", "push again", "regular file", "makes it")))


def read_locked(path: str) -> None:
    with topology_file.locked(path, 1.0):
        topology_file.read(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize(
    "act",
    [
        lambda path: topology_file.write(path, "", READABLE),
        lambda path: topology_file.own(path, READABLE),
        lambda path: last_good_state.keep(path, {}),
        lambda path: data_directory._write(path, "", 0o600),
    ],
)
def test_a_file_that_cannot_be_written(folder, act, number, monkeypatch):
    def fail(*_arguments: Any, **_more: Any) -> None:
        raise OSError(number, os.strerror(number))

    for module, name in (
        (topology_file.whole_files, "write"),
        (topology_file, "give"),
        (last_good_state, "write"),
        (data_directory, "write"),
    ):
        monkeypatch.setattr(module, name, fail)
    path = f"{folder}/topology.yml"
    Path(path).touch()
    check(text_of(lambda: act(path)), "push again.", "run this again.", "become: true.")


def test_a_disk_that_is_mounted_read_only(folder, monkeypatch):
    seen = data_directory.Seen(folder, folder, what="directory")
    monkeypatch.setattr(os, "access", lambda *_: False)
    check(text_of(lambda: data_directory.require_writable([seen])), f"Run: mount -o remount,rw {folder}")


# ---- commands


@pytest.mark.parametrize(
    ("run", "remedy"),
    [
        (lambda command: systemd_services.run([command, "daemon-reload"]), "Run the command on this host."),
        (lambda command: systemd_services.services(HOSTS, command), "Run the command on this host."),
        (lambda command: nftables._run(["-f", "-"]), "list tables"),
    ],
)
@pytest.mark.parametrize("denied", ["Access denied, Operation not permitted", ""])
def test_a_command_that_says_much(folder, run, remedy, denied, monkeypatch):
    command = f"{os.path.dirname(folder)}/command"
    script = f"echo '{denied}' >&2\nseq --format='line %g of a program that fails' 9 >&2\nexit 3\n"
    Path(command).write_text(f"#!/bin/sh\n{script}")
    os.chmod(command, 0o755)
    monkeypatch.setattr(nftables, "program", lambda: command)
    check(text_of(lambda: run(command)), "Run this with become: true." if denied else remedy)


# ---- names of hosts


def node_of(host: str, role: str) -> dict[str, Any]:
    return {**next(node for node in MEMBERS if node["name"] == host), "role": role}


@pytest.mark.parametrize(
    ("act", "remedy"),
    [
        (lambda: plan(Topology(tuple(NODES)), NODES[:1], answering=[NODES[0].grpc_address]), "or to banyandb_remove."),
        (lambda: plan(Topology(), NODES, answering=[]), "or correct their addresses."),
        (lambda: plan(Topology(), NODES, answering=[], needs=HOSTS), "then run deploy."),
        (lambda: plan(Topology(), NODES, answering=[], remove=HOSTS), "or out of remove."),
        (lambda: plan(Topology(), NODES[:1], answering=[], refresh=HOSTS), "Correct refresh."),
        (
            lambda: plan(Topology(tuple(NODES)), [Node(host, f"{host}:17913") for host in HOSTS], answering=[], readdress="refuse"),
            "or set readdress: stage.",
        ),
        (lambda: server_change.requested_restarts({}, HOSTS, [], []), "banyandb_liaison or banyandb_standalone."),
        (lambda: server_change.requested_restarts({}, HOSTS, [], HOSTS), "make it reachable."),
    ],
)
def test_a_refusal_with_five_hosts(act, remedy):
    check(text_of(act), remedy)


@pytest.mark.parametrize(
    ("variables", "remedy"),
    [
        ({"banyandb_has_meta_role": False}, "or let one keep banyandb_has_meta_role: true."),
        ({"banyandb_node_host": "127.0.0.1"}, "Correct ansible_host or banyandb_node_host."),
        ({"banyandb_node_host": "storage.banyandb.eu-west-1.example.org"}, "Correct ansible_host or banyandb_node_host."),
        ({"banyandb_env": {"BYDB_NODE_DISCOVERY_FILE_PATH": "/a"}}, "Set banyandb_config_dir instead."),
        ({"banyandb_node_labels": {"zone": "a,b"}}, "Use other characters."),
        ({"banyandb_node_labels": {"": "a"}}, "Give the label a name."),
        ({"banyandb_node_labels": {" zone": "a"}}, "Delete the spaces."),
        ({"banyandb_node_labels": {1: "a", "1": "b"}}, "Delete one."),
    ],
)
def test_a_variable_of_a_group_that_is_wrong_on_five_hosts(variables, remedy):
    found = clusters({"banyandb_data": HOSTS}, {host: dict(variables) for host in HOSTS})["default"]
    texts = merged(found.problems, HOSTS)
    assert any(text.endswith(remedy) for text in texts), texts
    assert all(len(message(text)) == len(text) <= MOST for text in texts), texts


def test_a_liaison_with_another_internal_port_and_a_host_in_two_groups():
    hostvars = {host: {"banyandb_env": {"BYDB_LIAISON_SERVER_GRPC_PORT": 28912}} for host in HOSTS}
    (text,) = merged(clusters({"banyandb_liaison": HOSTS}, hostvars)["default"].problems, HOSTS)
    check(text, "Delete BYDB_LIAISON_SERVER_GRPC_PORT.")
    (text,) = merged(clusters({"banyandb_liaison": HOSTS, "banyandb_data": HOSTS}, {host: {} for host in HOSTS})["default"].problems, HOSTS)
    check(text, "leave it in one.")


def test_findings_of_the_preflight():
    machine = {"boot_id": "a", "pid_namespace": "b", "product_uuid": "c", "machine_id": "d"}
    found = preflight_findings.machine_findings(dict.fromkeys(HOSTS, machine))
    found += preflight_findings.machine_findings({host: {**machine, "boot_id": host} for host in HOSTS})
    described = {"default": {"nodes": [{"name": host, "grpc_address": f"{host}:17912"} for host in HOSTS]}}
    found += preflight_findings.name_findings({host: dict.fromkeys(HOSTS, "no_answer") for host in HOSTS}, described)
    found += unknown_names.unknown_variables({host: ["banyandb_memroy_max"] for host in HOSTS}, ["banyandb_memory_max"])
    found += unknown_names.unknown_groups({"banyandb_date": HOSTS})
    assert len(found) == 5
    for finding in found:
        check(finding.message, "ansible_host.", "systemd-machine-id-setup.", "/etc/hosts.", "?")


def test_hosts_that_must_not_leave():
    limits = {"default": Limits(minimum={"data": 5})}
    for problem in removal.problems({"default": [node_of(host, "data") for host in HOSTS]}, HOSTS[:4], limits, HOSTS[4:]):
        check(problem, "Add another first.", "}.", "Run this without --limit.")
    (problem,) = removal.problems({"default": []}, HOSTS, limits, HOSTS)
    check(problem, "run skywalking.banyandb.topology.")


def test_clusters_that_must_not_be_destroyed():
    described = {"default": Cluster(nodes=list(MEMBERS), remove=HOSTS)}
    texts = destruction.problems(described, ["default"], HOSTS, []) + destruction.problems(described, ["default"], [], ["banyandb_cluster"])
    texts += destruction.problems(described, HOSTS, HOSTS, []) + destruction.problems(described, [], HOSTS, [])
    assert len(texts) == 5
    for text in texts:
        check(text, "banyandb_remove.", "hosts.", "destroy.", "Correct the name.", "banyandb_confirm=NAME.")
