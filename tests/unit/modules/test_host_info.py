# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete module host_info on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import digests, marked_file
from ansible_collections.skywalking.banyandb.plugins.modules import host_info
from ansible_collections.skywalking.banyandb.tests.unit.documented import documented_options
from ansible_collections.skywalking.banyandb.tests.unit.http2_peer import http2_server, settings
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module

UNIT = "banyandb-data.service"


def look(**arguments):
    result, err = asyncio.run(run_module("host_info", **arguments))
    assert err == ""
    return result


def test_a_host_as_it_should_be_differs_in_nothing(tmp_path):
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "file").write_text("")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    result = look(
        directories=[{"path": str(tmp_path)}],
        links=[{"path": str(tmp_path / "link"), "target": "a"}],
        files=[{"path": str(tmp_path / "file"), "sha256": empty}],
    )
    assert (result["changed"], result["differs"], result["services"]) == (False, [], {})


def test_no_result_has_the_digest_of_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("PASSWORD=hunter2\n")
    wanted, present = hashlib.sha256(b"PASSWORD=hunter3\n").hexdigest(), hashlib.sha256(path.read_bytes()).hexdigest()
    result = look(files=[{"path": str(path), "sha256": wanted}])
    assert result["differs"] == [{"what": "file", "path": str(path), "expected": {}, "found": {}}]
    assert wanted not in str(result) and present not in str(result)


def test_without_root_it_looks_and_refuses_only_for_who_is_going_to_change_something(monkeypatch):
    nothing = {option: [] for option in ("files", "links", "directories", "users", "services", "names", "beside")}
    nothing |= dict.fromkeys(("versions_dir", "storage", "topology", "topology_names", "guard", "push", "tls", "users_file", "firewall"))
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert host_info.look({**nothing, "root": False})["differs"] == []
    with pytest.raises(HostStateError, match="become: true"):
        host_info.look({**nothing, "root": True})


def test_a_host_without_a_firewall_has_none_of_its_files(tmp_path):
    clean = {"differs": False, "problems": [], "blocked": [], "unlisted": [], "resolved": [], "first": True}
    assert look(firewall={"paths": [str(tmp_path / "none")]})["firewall"] == clean
    (tmp_path / "link").symlink_to("nowhere")
    assert look(firewall={"paths": [str(tmp_path / "none"), str(tmp_path / "link")]})["firewall"] == {**clean, "differs": True, "first": False}


def test_a_firewall_with_an_unknown_option_or_a_name_without_an_address_is_not_compared():
    with pytest.raises(host_info.host_state.InvalidArgument, match="firewall: .*nets"):
        host_info.firewall_now({"ports": [["grpc", 17912, "", []]], "nets": []})
    assert look(firewall={"ports": [["grpc", 17912, "", []]]}, names=["no.such.name.invalid"])["firewall"] is None


def test_everything_that_differs_is_reported_at_once(tmp_path):
    path = str(tmp_path / "none")
    result = look(
        users=[{"name": "no-such-user"}],
        directories=[{"path": path, "mode": "0755"}],
        files=[{"path": path}],
        links=[{"path": path, "target": "a"}],
    )
    assert [(item["what"], item["path"]) for item in result["differs"]] == [
        ("user", "no-such-user"),
        ("directory", path),
        ("file", path),
        ("link", path),
    ]


def test_the_machine_is_described(tmp_path):
    (tmp_path / "0.11.0").mkdir()
    result = look(versions_dir=str(tmp_path))
    assert result["versions"] == ["0.11.0"]
    assert result["python_version"] == platform.python_version()
    assert result["architecture"] == {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def storage(tmp_path, **more):
    facts = {"user": "daemon", "cluster": "default", "host": "data1", "node": "h:17912", "role": "data"}
    return {**facts, "roots": {"/nonexistent/data": ["measure"]}, "record": str(tmp_path / "record"), "unit_file": str(tmp_path / "unit"), **more}


def test_the_storage_of_a_node_is_reported_with_the_space_that_it_has(tmp_path):
    result = look(storage=storage(tmp_path))
    (root,) = result["storage"]["roots"]
    assert 0 < root.pop("free") <= root.pop("total")
    path = "/nonexistent/data"
    assert root == {"path": path, "real_path": path, "stores": ["measure"], "state": "new", "reason": None, "former_host": ""}
    assert result["storage"]["differs"] and result["problems"] == []
    assert [item["path"] for item in result["differs"]] == [path, f"{path}/.banyandb-node.json", str(tmp_path / "record")]


def test_what_forbids_a_change_is_reported_and_nothing_of_it_counts_as_to_be_changed(tmp_path):
    result = look(storage=storage(tmp_path, roots={"/usr": []}), users=[{"name": "root", "named": True}])
    assert ["all rights" in problem or "/usr has other content" in problem for problem in result["problems"]] == [True, True]
    assert (result["storage"]["differs"], result["differs"]) == (False, [])
    assert result["storage"]["roots"][0]["reason"] == "other_content"


def test_a_running_server_is_ready_when_its_own_process_listens(systemd):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        systemd.unit(UNIT, MainPID=os.getpid(), UnitFileState="enabled")
        before = look(services=[{"name": UNIT, "ports": [port]}])["services"][UNIT]
        server.listen()
        after = look(services=[{"name": UNIT, "ports": [port]}])["services"][UNIT]
    assert (before["ready"], before["silent_ports"]) == (False, [port])
    assert (after["ready"], after["silent_ports"], after["enabled"], after["main_pid"]) == (
        True,
        [],
        "enabled",
        os.getpid(),
    )


def test_why_a_server_has_to_be_restarted_is_reported_without_its_values(systemd):
    sleep = shutil.which("sleep")
    environment = digests({"BYDB_A": "hunter2"})
    with subprocess.Popen([sleep, "60"], env={"BYDB_A": "hunter1", "BYDB_B": "hunter1"}) as server:
        try:
            systemd.unit(UNIT, MainPID=server.pid)
            found = look(services=[{"name": UNIT, "environment": environment, "program": sleep, "program_target": "/opt/t"}])
        finally:
            server.kill()
    assert found["services"][UNIT]["needs_restart"] == [
        {"reason": "environment_changed", "variables": ["BYDB_A"]},
        {"reason": "environment_left_over", "variables": ["BYDB_B"]},
        {"reason": "program_changed", "running": os.path.realpath(sleep), "wanted": "/opt/t"},
    ]
    assert "hunter" not in str(found) and environment["BYDB_A"] not in str(found)


@pytest.mark.parametrize(("found", "wanted", "switches"), [({}, {}, False), ({"BYDB_TLS": "true"}, {}, True), ({}, {"BYDB_TLS": "true"}, True)])
def test_another_value_of_tls_is_reported_for_a_process_and_for_the_file_of_a_stopped_server(systemd, tmp_path, found, wanted, switches):
    def switched():
        return look(services=[{"name": UNIT, "environment": digests(wanted)}])["services"][UNIT]["switches_tls"]

    with subprocess.Popen([shutil.which("sleep"), "60"], env=found) as server:
        try:
            systemd.unit(UNIT, MainPID=server.pid)
            assert switched() is switches
        finally:
            server.kill()
    file = tmp_path / "data.env"
    systemd.unit(UNIT, EnvironmentFiles=f"{file} (ignore_errors=no)")
    assert switched() is False, "a host without the file was never configured"
    file.write_text(marked_file(found))
    assert switched() is switches


def test_other_units_are_reported_from_the_same_call(systemd):
    systemd.unit(UNIT, MainPID=7, UnitFileState="enabled")
    found = look(beside=[UNIT])
    assert (found["services"], found["beside"]) == ({}, {UNIT: {"main_pid": 7, "enabled": "enabled"}})


def test_a_service_that_is_not_there_is_no_error(systemd):
    found = look(services=[{"name": UNIT, "ports": [17912], "environment": {"A": "0" * 64}}])["services"][UNIT]
    assert (found["exists"], found["ready"], found["silent_ports"], found["needs_restart"]) == (
        False,
        False,
        [17912],
        [],
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"files": [{"path": "etc/a"}]}, "files: path 'etc/a': expected an absolute path"),
        ({"files": [{"path": "/a", "mode": "u+w"}]}, "files: mode of /a: expected octal digits in quotes"),
        ({"directories": [{"path": "/a", "mode": "9"}]}, "directories: mode of /a: expected octal digits"),
        (
            {"files": [{"path": "/a", "sha256": "abc"}]},
            "files: sha256 of /a: expected 64 hexadecimal digits",
        ),
    ],
)
def test_what_no_host_could_fulfil_is_refused(arguments, expected):
    result = look(**arguments)
    assert (result["failed"], result["error_type"]) == (True, "invalid_argument")
    assert result["msg"].startswith(expected)


def test_a_host_without_systemd_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = look(services=[{"name": UNIT}])
    assert (result["failed"], result["error_type"]) == (True, "no_systemd")


def test_a_topology_file_is_reported_with_its_responding_nodes(tmp_path):
    path = tmp_path / "topology.yml"
    assert look(topology=str(path))["topology"] is None
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and not listening
        listed, held = ({"name": name, "grpc_address": f"127.0.0.1:{port}"} for name, port in (("a", bound.getsockname()[1]), ("b", 9)))
        path.write_text(f"nodes:\n- {json.dumps(listed)}\n# held back: {json.dumps(held)}\n", encoding="utf-8")
        assert look(topology=str(path))["topology"] == {"listed": [listed], "held_back": [held], "answering": []}
        assert look(topology_names=str(path))["topology_names"] == ["a"]
    path.write_text("node: {", encoding="utf-8")
    assert look(topology_names=str(path))["topology_names"] == []
    failed = look(topology=str(path))
    assert failed["failed"] and failed["error_type"] == "unreadable" and str(path) in failed["msg"]


@pytest.mark.parametrize(("content", "differs"), [("# ours; x\n", False), ("# theirs, hunter2\n", True), ("# our", True), ("", True)])
def test_a_file_of_another_writer_is_recognised_without_its_content(tmp_path, content, differs):
    path = tmp_path / "data.env"
    path.write_text(content)
    found = look(files=[{"path": str(path), "mark": "# ours"}])["differs"]
    assert found == ([{"what": "file", "path": str(path), "expected": {"mark": "# ours"}, "found": {"mark": ""}}] if differs else [])


def test_a_topology_that_would_lose_a_node_is_reported_with_the_refusal_of_the_push(tmp_path):
    path = tmp_path / "topology.yml"
    with http2_server(lambda peer: peer.send(settings())) as responds, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        places = {"a": "127.0.0.1:9", "b": responds, "c": f"127.0.0.1:{silent.getsockname()[1]}"}
        a, b, c = ({"name": name, "grpc_address": place} for name, place in places.items())

        def dropped(nodes, remove=()):
            return look(topology_names=str(path), guard={"nodes": nodes, "remove": list(remove)})["dropped"]

        assert dropped([a]) == "", "without a file nothing can be lost"
        path.write_text("node: {", encoding="utf-8")
        assert dropped([a]) == "", "the push reports an invalid file"
        path.write_text(f"nodes:\n- {json.dumps(a)}\n- {json.dumps(c)}\n# held back: {json.dumps(b)}\n", encoding="utf-8")
        assert dropped([a, b, c]) == dropped([a], ["b", "c"]) == dropped([a, b, {**c, "name": "renamed"}]) == ""
        assert dropped([a, b]).startswith("topology.yml: refusing to drop c, which is not in the inventory.")
        assert dropped([a, c]).startswith("topology.yml: refusing to drop b,"), "held back, and responds"
        path.write_text(f"nodes:\n- {json.dumps(a)}\n# held back: {json.dumps(c)}\n", encoding="utf-8")
        assert dropped([a]) == "", "held back, and does not respond"
    failed = look(topology_names=str(path), guard={"nodes": [{"name": "a"}]})
    assert failed["error_type"] == "invalid_argument" and failed["msg"].startswith("guard: nodes[0]: grpc_address is missing")


def test_a_unit_is_reported_with_its_file_and_what_its_drop_ins_set(systemd, tmp_path):
    drop_in = tmp_path / f"{UNIT}.d" / "local.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nEnvironment=TOKEN=hunter2\n")
    systemd.unit(UNIT, LoadState="masked", FragmentPath="/lib/systemd/system/x.service", DropInPaths=drop_in)
    found = look(services=[{"name": UNIT}])["services"][UNIT]
    assert (found["load_state"], found["fragment_path"]) == ("masked", "/lib/systemd/system/x.service")
    assert found["drop_ins"] == [
        {"path": str(drop_in), "settings": [{"section": "Service", "option": "Environment", "reset": False, "variables": ["TOKEN"]}]}
    ]


def test_the_documentation_names_every_option_and_return_value(tmp_path):
    documented = documented_options(host_info)
    assert {name: set(option.get("suboptions", {})) for name, option in documented.items()} == {
        name: set(argument.get("options", {})) for name, argument in host_info.ARGUMENTS.items()
    }
    none = str(tmp_path / "none")
    files = {"topology": none, "topology_names": none, "tls": none, "users_file": {"path": none}, "firewall": {"paths": [none]}}
    found = look(storage=storage(tmp_path), guard={"nodes": []}, **files)
    returned = set(found) - {"changed", "invocation"}
    assert returned == set(yaml.safe_load(host_info.RETURN)) - {"error_type", "push"}
