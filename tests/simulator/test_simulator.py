# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Test the simulator as a program and as a release. tests/contract tests the behaviour that it copies from the real server."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from .pack import BINARIES, DEFAULT_VERSION, ROOT, PackError, executable, tarball

OLDEST_PYTHON = (3, 9)
DNS = ("--node-discovery-mode=dns", "--node-discovery-dns-srv-addresses=_grpc._tcp.example.org.")


@pytest.fixture(scope="module")
def server() -> Path:
    return executable()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tarball(output=tmp_path_factory.mktemp("release"))


def run(server: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run([server, *words], capture_output=True, text=True, timeout=20, env=environment, check=False)


# The release


def test_a_release_has_the_layout_and_the_names_of_a_real_one(release: Path) -> None:
    assert release.name == f"skywalking-banyandb-{DEFAULT_VERSION}-banyand.tgz"
    with tarfile.open(release) as archive:
        members = {member.name: member for member in archive}
    assert set(members) == {*BINARIES, "LICENSE", "README.md"}
    assert all(members[name].mode == 0o755 for name in BINARIES)


def test_a_release_says_that_it_is_a_simulator(release: Path) -> None:
    with tarfile.open(release) as archive:
        readme = archive.extractfile("README.md")
        assert readme is not None
        assert "simulator" in readme.read().decode()


def test_the_checksum_file_is_the_one_of_the_tarball(release: Path) -> None:
    assert Path(f"{release}.sha512").read_text() == f"{digest(release)}  {release.name}\n"


def digest(path: Path) -> str:
    """Return a digest, because pytest would show the differences of megabytes."""
    return hashlib.sha512(path.read_bytes()).hexdigest()


def test_the_binary_for_this_machine_runs_from_the_release(release: Path, tmp_path: Path) -> None:
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    with tarfile.open(release) as archive:
        archive.extract(f"bin/banyand-server-static-linux-{arch}", tmp_path)
    assert DEFAULT_VERSION in run(tmp_path / "bin" / f"banyand-server-static-linux-{arch}", "--version").stdout


def test_packing_again_changes_nothing(release: Path, server: Path, tmp_path: Path) -> None:
    before = server.stat()
    assert digest(tarball(output=tmp_path)) == digest(release)
    assert (server.stat().st_ino, server.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_same_sources_make_the_same_bytes(server: Path) -> None:
    packed = digest(server)
    (server.parent / "key").unlink()
    assert digest(executable()) == packed


def test_another_process_makes_the_same_bytes(server: Path) -> None:
    packed = digest(server)
    (server.parent / "key").unlink()
    subprocess.run([sys.executable, "-c", "from tests.simulator.pack import executable; executable()"], check=True, cwd=ROOT)
    assert digest(server) == packed


def test_a_version_that_would_leave_its_folder_is_refused() -> None:
    with pytest.raises(PackError, match="expected letters"):
        executable("../elsewhere")


def test_two_versions_lie_side_by_side(server: Path) -> None:
    other = executable("0.11.1-sim")
    assert other != server
    assert "0.11.1-sim" in run(other, "--version").stdout
    assert DEFAULT_VERSION in run(server, "--version").stdout


def test_it_needs_nothing_but_an_old_python(server: Path) -> None:
    with zipfile.ZipFile(server) as archive:
        names = archive.namelist()
        assert not [name for name in names if name.endswith((".so", ".pyd"))]
        for name in names:
            if name.endswith(".py"):
                ast.parse(archive.read(name), filename=name, feature_version=OLDEST_PYTHON)
    # -I: ignore the environment and the packages of the Python that runs the tests.
    done = subprocess.run([sys.executable, "-I", "-S", server, "data", "--nope"], capture_output=True, text=True, timeout=20, check=False)
    assert "unknown flag: --nope" in done.stderr


# The program


def test_the_first_line_of_its_log_says_that_it_is_a_simulator(server: Path) -> None:
    first = run(server, "data", "--node-discovery-mode=file").stderr.splitlines()[0]
    assert "simulator" in json.loads(first)["message"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "--grpc-port=many"], 'invalid argument "many" for "--grpc-port" flag'),
        (["data", "--node-discovery-file-fetch-interval", "10"], 'invalid argument "10"'),
        (["data", "--grpc-port"], "flag needs an argument: --grpc-port"),
        (["data", "--node-discovery-mode=etcd"], "invalid node-discovery-mode: etcd"),
        (["data", "--node-discovery-mode=dns"], "DNS mode requires non-empty DNS SRV addresses"),
        (["liaison", *DNS, "--node-discovery-dns-tls"], "no CA certificate files were provided"),
        (["liaison", *DNS, "--node-discovery-dns-tls", "--node-discovery-dns-ca-certs=a,b"], "(2) must match number of SRV addresses (1)"),
        (["data", *DNS, "--node-discovery-dns-fetch-interval=30"], 'invalid argument "30"'),
        (["data", "--http-grpc-addr=localhost:17912"], "unknown flag: --http-grpc-addr"),
        (["server"], 'unknown command "server"'),
    ],
)
def test_a_wrong_command_line_is_refused_with_what_is_wrong(server: Path, words: list[str], message: str) -> None:
    done = run(server, *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_it_writes_into_its_roots_only_and_no_other_user_may_read_them(server: Path, tmp_path: Path) -> None:
    home, roots = tmp_path / "home", tmp_path / "roots"
    home.mkdir()
    ports = free_ports(6)
    flags = [f"--{kind}-root-path={roots}" for kind in ("measure", "stream", "trace", "property", "schema-server")]
    flags += [f"--grpc-port={ports[0]}", f"--http-port={ports[1]}"]
    flags += [f"--schema-server-grpc-port={ports[2]}", f"--property-repair-gossip-grpc-port={ports[3]}"]
    flags += [f"--observability-listener-addr=127.0.0.1:{ports[4]}", f"--pprof-listener-addr=127.0.0.1:{ports[5]}"]
    flags += ["--node-host-provider=flag", "--node-host=127.0.0.1"]
    process = subprocess.Popen([server, "data", *flags], cwd=home, env={"PATH": os.environ["PATH"], "HOME": str(home)})
    try:
        wait_for_port(ports[0], process)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert not list(home.iterdir())
    folders = [roots, *(path for path in roots.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server has exited"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port} after 20 s")
