# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete module topology as Ansible runs it: its refusals, its results, and its proofs over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import topology_file
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import service_start, start_with_topology
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_decision import Request
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.modules import topology
from ansible_collections.skywalking.banyandb.tests.unit.following import Network, Server
from ansible_collections.skywalking.banyandb.tests.unit.inotify import watched
from ansible_collections.skywalking.banyandb.tests.unit.modules.running import run_module
from ansible_collections.skywalking.banyandb.tests.unit.peers import Certificate, closed_port


def run(**arguments: Any) -> dict[str, Any]:
    """Return the module's result, and check that it has no traceback. ``check`` and ``diff`` are the modes."""
    arguments["_ansible_diff"] = arguments.pop("diff", False)
    result, stderr = asyncio.run(run_module("topology", **arguments))
    assert stderr == ""
    assert "Traceback" not in json.dumps(result)
    return result


@dataclass
class Host:
    """A host with a topology file of the nodes a and b, which both respond."""

    path: Path
    network: Network
    a: Node
    b: Node
    fine: str = field(init=False)

    def __post_init__(self) -> None:
        self.fine = Topology((self.a, self.b)).render()
        self.path.write_text(self.fine)

    def push(self, *nodes: Node | dict[str, Any], **arguments: Any) -> dict[str, Any]:
        entries = [node if isinstance(node, dict) else node.to_mapping() for node in nodes]
        return run(**{"path": str(self.path), "nodes": entries, "reach_timeout": 0.5, "lock_timeout": 0.5, **arguments})


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    directory = tmp_path / "etc"
    directory.mkdir()
    with Network() as network:
        yield Host(directory / "topology.yml", network, network.node("a"), network.node("b"))


@contextmanager
def serving(server: Server, certificate: Certificate | None = None, credentials: str = "") -> Iterator[str]:
    """Yield the URL of the HTTP port of ``server``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = f"Basic {base64.b64encode(credentials.encode()).decode()}"
            view = server.ask()
            if credentials and self.headers["Authorization"] != expected:
                status, body = 401, b"{}"
            elif self.path != "/api/v1/cluster/state" or isinstance(view, Failure):
                status, body = 503, b"{}"
            else:
                tables = {
                    name: {
                        "registered": [
                            {
                                "metadata": {"name": node.node_name},
                                "grpcAddress": node.grpc_address,
                                "roles": list(node.roles),
                                "labels": dict(node.labels),
                            }
                            for node in table.registered
                        ],
                        "active": [],
                        "evictable": [],
                    }
                    for name, table in view.tables.items()
                }
                status, body = 200, json.dumps({"routeTables": tables}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.path, certificate.key_path)
            http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def proof(url: str, **options: Any) -> dict[str, Any]:
    return {"name": "a", "role": "data", "url": url, "timeout": 10, **options}


# Refusals


GOOD = {"name": "c", "grpc_address": "127.0.0.1:1", "node_name": "n:1"}
TLS = {**GOOD, "tls_enabled": True}


@pytest.mark.parametrize(
    ("nodes", "arguments", "says"),
    [
        ([], {}, "list of nodes is empty.*Put at least one node into nodes"),
        (["a"], {}, "refusing to drop b, which is not in the inventory. Add the host to the inventory, or to banyandb_remove"),
        (["a", {"name": "b"}], {}, "missing required arguments: grpc_address found in nodes"),
        (["a", {"name": "b", "grpc_address": "h"}], {}, "node 'b': grpc_address 'h': expected host:port with a port from 1 to 65535"),
        (["a", {"name": "b", "grpc_address": "h:99999"}], {}, "expected host:port with a port from 1 to 65535"),
        (["a", {"name": "b", "grpc_address": "ho st:1"}], {}, "'ho st' is not a host name"),
        (["a", {"name": " b", "grpc_address": "h:1"}], {}, "node name ' b': expected printable text"),
        (["a", "a"], {}, "node_name .* is listed twice|name 'a' is listed twice"),
        (["a", "b", {"name": "a", "grpc_address": "127.0.0.1:2"}], {}, "name 'a' is listed twice"),
        (["a", GOOD, {**GOOD, "name": "d", "grpc_address": "h:2"}], {}, "node_name 'n:1' is listed twice"),
        (["a", "b", TLS], {}, "node 'c': tls_enabled needs ca_cert_path"),
        (["a", "b", {**TLS, "ca_cert_path": "/no/ca.pem"}], {}, "ca_cert_path /no/ca.pem does not exist on this host"),
        (["a", "b", {**GOOD, "role": "liaison"}], {}, "node 'c': .* a liaison is listed on its internal port 18912"),
        (["a", "b", {**GOOD, "role": "standalone"}], {}, "value of role must be one of: data, liaison"),
        (["a", {"name": "b", "grpc_address": "127.0.0.1:1"}], {}, "refusing to change the address of b. .*readdress: stage"),
        (["a", "b"], {"remove": ["b"]}, "b: in nodes and in remove. Take"),
        (["a", "b"], {"refresh": ["b"]}, "takes two writes.* Set prove"),
        (["a", "b"], {"refresh": ["x"]}, "refresh: x not found in nodes"),
        (["a", "b"], {"path": "topology.yml"}, "path 'topology.yml': expected an absolute path"),
        (["a", "b"], {"path": "/no/such/topology.yml"}, "/no/such: No such file or directory.*existing directory"),
        (["a", "b"], {"mode": "rw"}, "mode 'rw': expected octal permission bits"),
        (["a", "b"], {"mode": "4755"}, "mode '4755': expected octal permission bits"),
        (["a", "b"], {"mode": True}, "mode True: expected octal permission bits"),
        (["a", "b"], {"owner": "nobody-of-that-name"}, "owner 'nobody-of-that-name': no such user on this host"),
        (["a", "b"], {"group": "nobody-of-that-name"}, "group 'nobody-of-that-name': no such group on this host"),
        (["a", "b"], {"batch": 0}, "batch 0: expected 1 or more"),
        (["a"], {"unread": True}, "unread is for admit: start, because a server that runs loses .*. Leave it out."),
        (["a", "b"], {"reach_timeout": 0}, "reach_timeout is 0.0: expected seconds, at least 0.001"),
        (["a", "b"], {"lock_timeout": "inf"}, "lock_timeout is inf: expected seconds, at least 0.001 and at most 86400"),
        (["a", "b"], {"readdress": "yes"}, "value of readdress must be one of: refuse, stage"),
        (["a", "b"], {"admit": "start"}, "admit is start but all of the following are missing: start"),
        (["a", "b"], {"start": {"name": "a", "service": "x"}}, "start is for admit: start"),
        (["a", "b"], {"admit": "start", "start": {"name": "a"}}, "missing required arguments: service found in start"),
        (["a", "b"], {"admit": "start", "start": {"name": "a", "service": "x", "timeout": 0}}, "start.timeout is 0.0: expected seconds"),
        (["a", "b"], {"admit": "start", "start": {"name": "a", "service": "x", "needs": ["c"]}}, "start.needs names c, which nodes does not list"),
        (["a", "b"], {"admit": "start", "start": {"name": "a", "service": "x"}, "prove": proof("http://127.0.0.1:1")}, "mutually exclusive"),
        (["a", "b"], {"prove": {"name": "a"}}, "missing required arguments: role found in prove"),
        (["a", "b"], {"prove": proof("127.0.0.1:17913")}, "prove.url '127.0.0.1:17913': expected http://host:port"),
        (["a", "b"], {"prove": proof("http://127.0.0.1")}, "prove.url 'http://127.0.0.1': '127.0.0.1': expected host:port"),
        (["a", "b"], {"prove": proof("https://127.0.0.1:1")}, "prove.url 'https://127.0.0.1:1': https needs ca_path"),
        (["a", "b"], {"prove": proof("https://127.0.0.1:1", ca_path="/no/ca.pem")}, "ca_path /no/ca.pem: No such file"),
        (["a", "b"], {"prove": proof("http://127.0.0.1:1", timeout=-1)}, "prove.timeout is -1.0: expected seconds"),
        (["a", "b"], {"prove": proof("http://127.0.0.1:1", username="u")}, "parameters are required together: username, password"),
        (["a", "b"], {"nodse": []}, "Unsupported parameters for .*: nodse"),
    ],
)
def test_bad_input_is_refused_with_what_to_do_and_nothing_changes(host: Host, nodes: list[Any], arguments: dict[str, Any], says: str) -> None:
    before = host.path.stat()
    entries = [{"a": host.a, "b": host.b}[node] if isinstance(node, str) else node for node in nodes]
    result = host.push(*entries, **arguments)
    assert result["failed"] is True
    assert result.get("changed", False) is False
    assert re.search(says, result["msg"]), result["msg"]
    assert host.path.read_text() == host.fine
    assert host.path.stat().st_ino == before.st_ino and host.path.stat().st_mtime_ns == before.st_mtime_ns
    assert os.listdir(host.path.parent) == [host.path.name]


def make_link(path: Path) -> None:
    path.rename(path.parent / "real.yml")
    path.symlink_to("real.yml")


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_link, "is a symbolic link, .* Use the path of a regular file"),
        (make_directory, "is not a regular file"),
        (lambda path: path.write_bytes(b"\xff"), "is not UTF-8 text"),
        (lambda path: path.write_text("nodes: ["), "is not a topology: .*Repair the file or move it away"),
    ],
    ids=["link", "directory", "not UTF-8", "not YAML"],
)
def test_a_bad_file_is_refused_with_what_to_do(host: Host, make: Callable[[Path], object], says: str) -> None:
    make(host.path)
    before = host.path.lstat()
    result = host.push(host.a, host.b)
    assert (result["failed"], result["changed"]) == (True, False)
    assert re.search(says, result["msg"]), result["msg"]
    assert host.path.lstat().st_mtime_ns == before.st_mtime_ns


def test_without_pyyaml_its_own_files_are_read_and_others_refused(host: Host) -> None:
    assert host.push(host.a, host.b, without=["yaml"])["changed"] is False
    host.path.write_text(f"nodes: [{{name: a, grpc_address: '{host.a.grpc_address}'}}]\n")
    result = host.push(host.a, host.b, without=["yaml"])
    assert (result["failed"], result["changed"]) == (True, False)
    assert "no PyYAML" in result["msg"] and "Install python3-yaml" in result["msg"]


# Changes


def test_a_push_without_proof_says_so(host: Host) -> None:
    new = host.network.node("c")
    result = host.push(host.b, new, host.a, backup=True, mode=0o640)
    text = host.path.read_text()
    assert text == Topology((host.a, host.b, new)).render()
    backup = result.pop("backup_file")
    assert Path(backup).read_text() == host.fine
    assert {key: value for key, value in result.items() if key != "invocation"} == {
        "changed": True,
        "added": ["c"],
        "removed": [],
        "readdressed": [],
        "renamed": [],
        "refreshed": [],
        "held_back": [],
        "away": [],
        "unready": {},
        "writes": 1,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "proved": False,
        "verdict": "unknown",
        "pairs": [],
    }
    assert host.path.stat().st_mode & 0o777 == 0o640
    again = host.push(host.a, host.b, new, mode="0640")
    assert (again["changed"], again["writes"], again["sha256"]) == (False, 0, result["sha256"])


def test_check_and_diff_show_what_the_push_then_does(host: Host) -> None:
    arguments = {"remove": ["b"], "diff": True}
    foreseen = host.push(host.a, check=True, **arguments)
    assert host.path.read_text() == host.fine
    assert foreseen["diff"]["before"] == host.fine
    done = host.push(host.a, **arguments)
    assert host.path.read_text() == done["diff"]["after"]
    assert foreseen == done
    assert (done["changed"], done["removed"]) == (True, ["b"])


# Starts

UNIT = "banyandb-data.service"


@pytest.fixture
def port() -> Iterator[int]:
    """Yield a port on which this process listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


RUNS = f"printf 'LoadState=loaded\\nActiveState=active\\nMainPID={os.getpid()}\\n' >{UNIT}.unit\n"
"""Effect of a start on the unit: its process is this process."""


@pytest.fixture
def comes_up(systemd: Any, host: Host) -> Iterator[threading.Event]:
    """Make a start turn the unit active with this process, and keep the file of that start. A moment later the process watches
    the file and sets the event.
    """
    started, watches, over = systemd.directory / "started-with", threading.Event(), threading.Event()
    systemd.on_start(UNIT, f"cp {host.path} new; mv new {started}; {RUNS}")

    def watch() -> None:
        while not started.exists():
            if over.wait(0.02):
                return
        over.wait(0.5)
        with watched(host.path):
            watches.set()
            over.wait()

    thread = threading.Thread(target=watch)
    thread.start()
    yield watches
    over.set()
    thread.join()


def starting(**options: Any) -> dict[str, Any]:
    return {"admit": "start", "start": {"name": "b", "service": UNIT, "timeout": 30, **options}}


def to_start(host: Host) -> Request:
    return Request(str(host.path), [host.a, host.b], {}, Ownership(None, None, 0o644), admit="start", silent=["b"])


def orders(systemd: Any) -> list[str]:
    return [line.split()[0] for line in (systemd.directory / "calls").read_text().splitlines() if not line.startswith("show")]


def test_a_server_is_started_with_those_that_answer(host: Host, systemd: Any, port: int, comes_up: threading.Event) -> None:
    systemd.unit(UNIT, ActiveState="inactive")
    with closed_port() as silent:
        result = host.push(host.a, host.b, {"name": "c", "grpc_address": silent}, diff=True, **starting(ports=[port]))
    assert (result["changed"], result["held_back"], result["writes"]) == (True, ["b", "c"], 1)
    assert result["started"]["main_pid"] == os.getpid() and result["started"]["seconds"] >= 0
    assert [(each["before"], each["after"]) for each in result["diff"]] == [(host.fine, host.path.read_text()), ("inactive\n", "active\n")]
    assert (systemd.directory / "started-with").read_text() == host.path.read_text()
    assert orders(systemd) == ["start"]
    assert comes_up.is_set(), "what is written from now on is read at once"


def test_a_server_that_never_watches_its_file_is_left_to_what_proves_it(host: Host, systemd: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_with_topology, "WATCH_PATIENCE", 0.2)
    systemd.unit(UNIT, ActiveState="inactive")
    systemd.on_start(UNIT, RUNS)
    _outcome, _difference, ready = start_with_topology.start(to_start(host), start_with_topology.Server(UNIT, [port], 30))
    assert ready is not None and ready.service.main_pid == os.getpid()


def test_a_server_that_runs_is_stopped_before_its_file_is_written(host: Host, systemd: Any, port: int, comes_up: threading.Event) -> None:
    systemd.unit(UNIT, MainPID=os.getpid())
    result = host.push(host.a, host.b, diff=True, **starting(ports=[port]))
    assert (result["changed"], result["held_back"]) == (True, ["b"])
    assert result["diff"][1] == {"before": "active\n", "after": "active, restarted\n"}
    assert orders(systemd) == ["stop", "start"]


def test_a_server_that_ran_lists_again_what_it_listed_once_it_listens(host: Host, systemd: Any, port: int, comes_up: threading.Event) -> None:
    with closed_port() as silent:
        away = Node("away", silent)
        host.path.write_text(Topology((host.a, away, host.b)).render())
        systemd.unit(UNIT, MainPID=os.getpid())
        result = host.push(host.a, host.b, away, diff=True, **starting(ports=[port]))
    assert result["held_back"] == ["away", "b"]
    assert (systemd.directory / "started-with").read_text() == Topology((host.a,), (away, host.b)).render()
    assert host.path.read_text() == result["diff"][0]["after"] == Topology((host.a, host.b, away)).render()


def test_a_server_that_does_not_come_up_again_leaves_the_file_that_stood(host: Host, systemd: Any) -> None:
    before = host.path.read_text()
    systemd.unit(UNIT, MainPID=os.getpid())
    systemd.on_start(UNIT, f"printf 'LoadState=loaded\\nActiveState=failed\\nMainPID=0\\nExecMainCode=1\\nExecMainStatus=1\\n' >{UNIT}.unit\n")
    assert host.push(host.a, host.b, **starting(ports=[1]))["failed"]
    assert host.path.read_text() == before


def test_a_start_also_uses_a_file_that_is_right_already(host: Host, systemd: Any, port: int, comes_up: threading.Event) -> None:
    host.path.write_text(Topology((host.a,), (host.b,)).render())
    systemd.unit(UNIT, ActiveState="failed")
    result = host.push(host.a, host.b, **starting(ports=[port]))
    assert (result["changed"], result["writes"]) == (True, 0)
    assert orders(systemd) == ["start"]


def test_what_is_refused_leaves_a_server_running(host: Host, systemd: Any) -> None:
    systemd.unit(UNIT, MainPID=os.getpid())
    assert "refusing to drop b" in host.push(host.a, **starting())["msg"]
    result = host.push(host.a, host.b, **starting(needs=["b"]))
    assert re.search(r"^b: no response, and this server starts only while one of these nodes responds", result["msg"])
    assert result["failed"] and not result["changed"]
    host.path.write_text("nodes: [")
    assert "Repair the file" in host.push(host.a, host.b, **starting())["msg"]
    assert orders(systemd) == []
    unknown = host.push(host.a, host.b, **starting(name="c", service="other.service"))
    assert unknown["msg"].startswith("other.service: systemd does not know this unit.")
    assert host.path.read_text() == "nodes: ["


def test_one_that_is_needed_and_answers_is_enough(host: Host, systemd: Any, port: int, comes_up: threading.Event) -> None:
    systemd.unit(UNIT, ActiveState="inactive")
    assert host.push(host.a, host.b, **starting(ports=[port], needs=["a", "b"]))["changed"] is True


def test_a_server_that_ends_while_it_starts_is_reported(host: Host, systemd: Any) -> None:
    systemd.unit(UNIT, ActiveState="inactive")
    systemd.on_start(UNIT, f"printf 'LoadState=loaded\\nActiveState=failed\\nMainPID=0\\nExecMainCode=1\\nExecMainStatus=1\\n' >{UNIT}.unit\n")
    result = host.push(host.a, host.b, **starting(ports=[1]))
    assert result["failed"] and result["msg"] == "banyandb-data did not start: it exited with status 1. Log: journalctl -u banyandb-data."
    reported = host.push(host.a, host.b, **starting(ports=[1], report_failure=True))
    assert not reported.get("failed") and reported["failure"]["reason"] == "banyandb-data did not start: it exited with status 1"


def test_a_file_that_cannot_be_written_names_the_server_that_was_stopped_for_it(host: Host, systemd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology_file, "write", Mock(side_effect=topology_file.TopologyFileError("no space", "Free some.")))
    systemd.unit(UNIT, MainPID=os.getpid())
    with pytest.raises(service_start.NotReady, match=f"no space. {UNIT} is stopped: repair this, then run deploy"):
        start_with_topology.start(to_start(host), start_with_topology.Server(UNIT, [], 1))
    assert orders(systemd) == ["stop"]
    systemd.unit(UNIT, ActiveState="inactive")
    with pytest.raises(topology_file.TopologyFileError, match="^no space. Free some.$"):
        start_with_topology.start(to_start(host), start_with_topology.Server(UNIT, [], 1))


def test_check_mode_foresees_a_start_and_does_nothing(host: Host, systemd: Any, port: int) -> None:
    for state, before in (({"MainPID": os.getpid()}, "active\n"), ({"ActiveState": "inactive"}, "inactive\n"), (None, "absent\n")):
        if state is None:
            (systemd.directory / f"{UNIT}.unit").unlink()
        else:
            systemd.unit(UNIT, **state)
        # `needs`: check mode has only predicted the start of b.
        foreseen = host.push(host.a, host.b, check=True, diff=True, **starting(ports=[port], needs=["b"]))
        assert (foreseen["changed"], foreseen["held_back"], foreseen["diff"][1]["before"]) == (True, ["b"], before)
        assert "started" not in foreseen and host.path.read_text() == host.fine
    assert orders(systemd) == []


def test_a_host_without_systemd_starts_nothing(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = host.push(host.a, host.b, **starting())
    assert result["failed"] and "systemctl cannot be run" in result["msg"]
    assert host.path.read_text() == host.fine


# Proofs


@pytest.fixture
def server(host: Host) -> Server:
    """Return the local server. It has read the file."""
    server = Server(host.path, host.network)
    server.load()
    return server


def test_a_push_is_proved_by_the_servers_own_view(host: Host, server: Server) -> None:
    new = host.network.node("c", zone="x")
    entry = {**new.to_mapping(), "labels": {"zone": "x"}, "roles": ["ROLE_DATA"]}
    with serving(server) as url:
        result = host.push(host.a, host.b, entry, prove=proof(url))
        assert (result["changed"], result["proved"], result["verdict"], result["pairs"]) == (True, True, "converged", [])
        assert result["reload_seconds"] >= 0.04
        shown = {node["node_name"]: node for node in result["view"]["property"]["registered"]}
        assert sorted(shown) == sorted(node.grpc_address for node in (host.a, host.b, new))
        assert shown[new.grpc_address]["labels"] == {"zone": "x"}
        again = host.push(host.a, host.b, entry, prove=proof(url))
        assert (again["changed"], again["writes"], again["proved"], again["verdict"]) == (False, 0, True, "converged")
        assert "reload_seconds" not in again


def test_a_new_address_is_staged_and_proved_in_one_execution(host: Host, server: Server) -> None:
    moved = host.network.node("b")
    with serving(server) as url:
        result = host.push(host.a, moved, readdress="stage", prove=proof(url))
    assert (result["writes"], result["proved"]) == (2, True)
    assert result["readdressed"] == [{"name": "b", "before": host.b.grpc_address, "after": moved.grpc_address}]
    assert server.lists[-2:] == [["a"], ["a", "b"]]


def test_a_view_that_does_not_come_fails_with_pairs_and_remedy(host: Host, server: Server) -> None:
    server.ask()
    server.delay = None
    new = host.network.node("c")
    with serving(server) as url:
        result = host.push(host.a, host.b, new, prove=proof(url, timeout=0.5))
    assert (result["failed"], result["changed"], result["proved"], result["writes"]) == (True, True, False, 1)
    assert "was written, but for" in result["msg"] and "c is missing in property" in result["msg"]
    assert [(pair["subject"], pair["seen"], bool(pair["remedy"])) for pair in result["pairs"]] == [("c", "missing", True)]
    assert result["verdict"] == "converging"


def test_a_server_that_cannot_be_asked_gets_no_file(host: Host, server: Server) -> None:
    new = host.network.node("c")
    server.failure = Failure("unavailable", "not yet")
    with closed_port() as closed, serving(server) as url:
        for where, kind in ((f"http://{closed}", "refused"), (url, "unavailable")):
            result = host.push(host.a, host.b, new, prove=proof(where))
            assert (result["failed"], result["changed"], result["writes"], result["verdict"]) == (True, False, 0, "unknown")
            assert kind in result["msg"] and "nothing was written" in result["msg"]
            assert "sha256" not in result
    assert host.path.read_text() == host.fine


def test_https_and_a_password_are_used_and_the_password_is_never_shown(host: Host, server: Server, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    with serving(server, certificate, credentials="operator:s3cret-word") as url:
        options = {"ca_path": str(certificate.path), "username": "operator"}
        result = host.push(host.a, host.b, prove=proof(url, **options, password="s3cret-word"))
        assert (result["proved"], result["verdict"]) == (True, "converged")
        assert "s3cret-word" not in json.dumps(result)
        result = host.push(host.a, host.b, prove=proof(url, **options, password="another-word"))
        assert result["failed"] and "auth" in result["msg"]
        assert "another-word" not in json.dumps(result)
        stranger = tmp_path / "stranger"
        stranger.mkdir()
        options["ca_path"] = str(Certificate(stranger).path)
        result = host.push(host.a, host.b, prove=proof(url, **options, password="s3cret-word"))
        assert result["failed"] and "tls" in result["msg"]


def test_warnings_reach_the_user(host: Host) -> None:
    result = host.push(host.a, path=str(host.path.parent / "missing" / "topology.yml"), check=True)
    assert (result["changed"], result["added"]) == (True, ["a"])
    assert "missing: not there yet. The role skywalking.banyandb.node makes the directory" in json.dumps(result["warnings"])
    # A prediction of the first deployment, which makes the directory.
    assert "warnings" not in host.push(host.a, path=str(host.path.parent / "missing" / "topology.yml"), check=True, admit="all")


# Its documentation


def test_the_documentation_lists_what_the_module_takes_and_gives(host: Host) -> None:
    documentation = yaml.safe_load(topology.DOCUMENTATION)

    def described(options: dict[str, Any]) -> dict[str, Any]:
        return {
            name: (
                option["type"],
                option.get("elements"),
                option.get("default"),
                option.get("required", False),
                option.get("choices"),
                described(option.get("suboptions", {})),
            )
            for name, option in options.items()
        }

    def taken(options: dict[str, Any]) -> dict[str, Any]:
        return {
            name: (
                option["type"],
                option.get("elements"),
                option.get("default"),
                option.get("required", False),
                option.get("choices"),
                taken(option.get("options", {})),
            )
            for name, option in options.items()
        }

    assert described(documentation["options"]) == taken(topology.ARGUMENTS)
    returned = yaml.safe_load(topology.RETURN)
    always = {name for name, value in returned.items() if value["returned"] == "always"}
    result = host.push(host.a, host.b)
    assert always <= set(result) <= set(returned) | {"changed", "invocation"}
