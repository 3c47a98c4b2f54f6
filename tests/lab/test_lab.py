# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the lab with real hosts, in the labs labtest and labtest2. A user's own lab stays unchanged."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import processes
from .errors import LabError
from .lab import Lab
from .shell import run, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def own_settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BANYANDB_LAB", "BANYANDB_LAB_SUBNET"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    lab = Lab("labtest")
    lab.down()
    lab.up(3)
    yield lab
    lab.down()


@pytest.fixture
def lab(shared: Lab) -> Lab:
    """Return a lab of three healthy hosts. Earlier tests leave no faults."""
    shared.heal()
    shared.up(3)
    return shared


@pytest.fixture
def other() -> Iterator[Lab]:
    """Yield a second lab without hosts."""
    lab = Lab("labtest2")
    lab.down()
    yield lab
    lab.down()


def reached(lab: Lab, host: str) -> set[str]:
    """Return the other hosts, and the controller, that respond to a ping from this host."""
    others = " ".join(sorted({"controller", "node1", "node2", "node3"} - {host}))
    asked = lab.run(host, f"for name in {others}; do ping -c1 -W0.3 $name > /dev/null 2>&1 && echo $name & done; wait")
    return set(asked.stdout.split())


def state(lab: Lab, name: str) -> str:
    return {host["name"]: str(host["state"]) for host in lab.describe()["hosts"]}[name]


def pids(lab: Lab, name: str) -> dict[str, int]:
    entry = next(host for host in lab.describe()["hosts"] if host["name"] == name)
    return {role: process["pid"] for role, process in entry["processes"].items()}


def traces(lab: Lab) -> dict[str, list[str]]:
    """Return what a lab has on this machine outside of its state directory."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return {
        "mounts": [mount for mount in mounts if mount.startswith(f"{lab.state}/") or f"banyandb-lab-{lab.name}-" in mount],
        "links": [line for line in run(["ip", "-brief", "link"]).splitlines() if line.startswith((f"lab-{lab.name} ", f"lab-{lab.name}-"))],
        "tables": [line for line in run(["nft", "list", "tables"]).splitlines() if line.endswith(f" banyandb_lab_{lab.name}")],
        "processes": [str(process) for process in processes.find(lab.state / "hosts")],
        "control groups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/banyandb-lab-{lab.name}-*")],
    }


def command(lab: Lab, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lab", "--lab", lab.name, *words], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_hosts_are_systemd_machines_that_know_each_other_by_name(lab: Lab) -> None:
    for name in ("node1", "node2", "node3"):
        assert lab.run(name, "hostname; ps -o comm= 1; systemctl is-system-running").stdout.split() == [name, "systemd", "running"]
    assert reached(lab, "node1") == {"node2", "node3", "controller"}


def test_the_unprivileged_user_becomes_root_by_sudo_without_a_password(lab: Lab) -> None:
    assert lab.run("node1", "id -un; sudo -n id -un").stdout.split() == ["ops", "root"]


def test_a_command_runs_on_each_host_and_one_that_fails_is_named(lab: Lab) -> None:
    assert lab.run_each("hostname") == {name: f"{name}\n" for name in ("node1", "node2", "node3")}
    with pytest.raises(LabError, match="node2: status 3"):
        lab.run_each("test $(hostname) != node2 || exit 3")


def test_root_may_log_in_by_key_and_no_user_by_password(lab: Lab) -> None:
    assert lab.run("node1", "id -un", user="root").stdout.strip() == "root"
    without_key = [*lab.ssh_command("node1"), "-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes", "true"]
    refused = subprocess.run(without_key, capture_output=True, text=True, timeout=10, check=False)
    assert refused.returncode == 255 and "(publickey)" in refused.stderr


def test_a_hosts_services_log_to_its_journal(lab: Lab) -> None:
    said = lab.run("node1", "sudo systemd-run --quiet --wait --unit=hello echo good day; sudo journalctl -u hello -o cat").stdout
    assert "good day" in said.splitlines()


def test_a_host_meets_only_its_own_processes_in_its_control_groups(lab: Lab) -> None:
    # The kernel shows a process of another pid namespace as 0. systemd cannot kill a group with such a process.
    shown = lab.run("node1", "sudo find /sys/fs/cgroup -name cgroup.procs -exec cat {} +").stdout.split()
    assert "1" in shown and "0" not in shown


def test_a_service_that_ignores_sigterm_is_ended_by_its_own_systemd(lab: Lab) -> None:
    deaf = 'trap "" TERM; touch /run/deaf; while :; do sleep 1; done'
    lab.run("node1", f"sudo systemd-run --unit=deaf -p TimeoutStopSec=0.2 sh -c '{deaf}'; until [ -e /run/deaf ]; do sleep 0.05; done")
    assert lab.run("node1", "sudo systemctl stop deaf; systemctl show -P Result deaf", timeout=10).stdout == "timeout\n"


def test_up_again_leaves_running_hosts_alone(lab: Lab) -> None:
    before = [pids(lab, name) for name in ("node1", "node2", "node3")]
    lab.up(3)
    assert [pids(lab, name) for name in ("node1", "node2", "node3")] == before


def test_a_killed_host_falls_silent_and_keeps_its_disk(lab: Lab) -> None:
    lab.run("node2", "echo kept | sudo tee /var/lib/fact; sync")
    with socket.create_connection((lab.host("node2").address, 22), timeout=5) as connection:
        assert connection.recv(4) == b"SSH-"
        lab.kill("node2")
        connection.settimeout(0.3)
        with pytest.raises(socket.timeout):
            while connection.recv(1000):  # an end of the stream would be a packet too
                pass
    assert state(lab, "node2") == "off"
    assert traces(lab)["mounts"].count(str(lab.host("node2").root)) == 0
    lab.start("node2")
    assert lab.run("node2", "cat /var/lib/fact").stdout == "kept\n"
    assert "node2" in reached(lab, "node1")


def test_a_host_reboots_by_itself(lab: Lab) -> None:
    before = pids(lab, "node2")
    boot = lab.run("node2", "cat /proc/sys/kernel/random/boot_id").stdout
    lab.run("node2", "sudo systemctl reboot")
    assert wait_until(lambda: pids(lab, "node2").get("init", before["init"]) != before["init"], 20)
    lab.up(["node2"])
    assert pids(lab, "node2")["shell"] == before["shell"]
    assert lab.run("node2", "cat /proc/sys/kernel/random/boot_id").stdout not in ("", boot)


def test_a_partition_stops_its_two_hosts_only_and_heal_ends_it(lab: Lab) -> None:
    lab.partition("node1", "node2")
    assert reached(lab, "node1") == {"node3", "controller"}
    assert reached(lab, "node2") == {"node3", "controller"}
    assert reached(lab, "node3") == {"node1", "node2", "controller"}
    lab.heal()
    assert reached(lab, "node1") == {"node2", "node3", "controller"}


def test_faults_outlive_a_power_cut_and_a_host_healed_while_it_is_off_comes_back_healthy(lab: Lab) -> None:
    before = lab.run("node1", "cat /etc/resolv.conf").stdout
    lab.partition("node1", "node2")
    lab.blackhole_dns("node1")
    lab.kill("node1")
    lab.start("node1")
    assert reached(lab, "node1") == {"node3", "controller"}
    assert lab.network().silent_dns in lab.run("node1", "cat /etc/resolv.conf").stdout
    lab.kill("node1")
    lab.heal()
    lab.start("node1")
    assert reached(lab, "node1") == {"node2", "node3", "controller"}
    assert lab.run("node1", "cat /etc/resolv.conf").stdout == before


def test_a_cut_host_reaches_only_the_controller(lab: Lab) -> None:
    lab.cut("node1")
    assert reached(lab, "node1") == {"controller"}
    assert reached(lab, "node2") == {"node3", "controller"}


def test_faults_leave_a_hosts_own_firewall_alone(lab: Lab) -> None:
    lab.run("node1", "sudo nft add table inet own")
    lab.partition("node1", "node2")
    lab.heal()
    assert lab.run("node1", "sudo nft list tables").stdout == "table inet own\n"
    lab.run("node1", "sudo nft delete table inet own")


def test_a_nameserver_is_that_of_all_hosts_until_it_is_taken_back(lab: Lab) -> None:
    before = lab.run("node1", "cat /etc/resolv.conf").stdout
    lab.nameserver(lab.network().controller)
    lab.blackhole_dns("node2")
    own, silent = (f"nameserver {address}\n" for address in (lab.network().controller, lab.network().silent_dns))
    assert [lab.run(f"node{number}", "cat /etc/resolv.conf").stdout for number in (1, 2, 3)] == [own, silent, own]
    lab.heal()
    assert lab.run("node2", "cat /etc/resolv.conf").stdout == own
    lab.nameserver("")
    assert lab.run("node1", "cat /etc/resolv.conf").stdout == before
    with pytest.raises(LabError, match="'dns.example.org' is no nameserver"):
        lab.nameserver("dns.example.org")


def test_a_blackholed_nameserver_never_answers_and_heal_restores_the_old_one(lab: Lab) -> None:
    before = lab.run("node1", "cat /etc/resolv.conf").stdout
    lab.blackhole_dns("node1")
    nameserver = lab.network().silent_dns
    assert lab.run("node1", "cat /etc/resolv.conf").stdout == f"nameserver {nameserver}\n"
    assert lab.run("node2", "cat /etc/resolv.conf").stdout == before
    ask = f"""python3 -c '
import socket
for kind, port in ((socket.SOCK_DGRAM, 53), (socket.SOCK_STREAM, 53), (socket.SOCK_STREAM, 54)):
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(0.5)
    try:
        s.connect(("{nameserver}", port)); s.send(b"?"); s.recv(1)
    except OSError as error:
        print(type(error).__name__)
'"""
    assert lab.run("node1", ask).stdout.split() == ["TimeoutError", "TimeoutError", "ConnectionRefusedError"]
    assert {host["name"]: host["asked_silent_dns"] > 0 for host in lab.describe()["hosts"]} == {"node1": True, "node2": False, "node3": False}
    lab.heal()
    assert lab.run("node1", "cat /etc/resolv.conf").stdout == before


def test_what_is_left_of_a_host_without_its_nspawn_is_removed_by_the_next_command(lab: Lab) -> None:
    left = pids(lab, "node2")
    os.kill(left["nspawn"], signal.SIGKILL)
    assert wait_until(lambda: "nspawn" not in pids(lab, "node2"), 10)
    assert state(lab, "node2") == "broken" and "init" in pids(lab, "node2")
    lab.heal()
    assert state(lab, "node2") == "off" and not lab.network().plugged(2)
    assert not any("node2" in mount for mount in traces(lab)["mounts"])
    assert state(lab, "node1") == "running"


def test_a_process_that_the_lab_did_not_start_is_never_killed(lab: Lab) -> None:
    # This process has the mark of a host, as has every process that a shell with the lab's environment starts.
    environment = dict(os.environ, **{processes.MARK: str(lab.host("node3").directory)})
    with subprocess.Popen(["sleep", "60"], env=environment) as bystander:
        lab.kill("node3")
        assert bystander.poll() is None
        bystander.kill()


def test_a_pid_that_was_given_away_is_not_killed() -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        stale = processes.Process(stranger.pid, start=1, host=Path("/nowhere"), role="init")
        assert processes.kill([stale]) == []
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("stage", ["links", "mounts", "processes"])
def test_up_completes_what_a_killed_up_left_behind(other: Lab, stage: str) -> None:
    first = command(other, "up", "2")
    assert wait_until(lambda: bool(traces(other)[stage]), 20)
    first.kill()
    first.communicate()
    other.up(2)
    assert [host["state"] for host in other.describe()["hosts"]] == ["running", "running"]
    assert other.run("node1", "systemctl is-system-running").stdout == "running\n"


def test_two_commands_at_once_do_not_get_in_each_others_way(other: Lab) -> None:
    both = [command(other, "up", "2"), command(other, "up", "2")]
    assert [(process.communicate(timeout=60)[1], process.returncode)[1] for process in both] == [0, 0]
    assert [host["state"] for host in other.describe()["hosts"]] == ["running", "running"]


def test_down_leaves_nothing_behind(other: Lab) -> None:
    other.up(2)
    other.partition("node1", "node2")
    other.blackhole_dns("node1")
    other.kill("node2")
    assert all(traces(other)[kind] for kind in ("mounts", "links", "tables", "processes"))
    other.down()
    assert traces(other) == {"mounts": [], "links": [], "tables": [], "processes": [], "control groups": []}
    assert not other.state.exists()
    other.down()  # a second `down` is no error


def test_down_removes_a_lab_whose_memory_is_lost(other: Lab) -> None:
    other.up(1)
    (other.state / "lab.json").unlink()
    other.down()
    assert not any(traces(other).values()) and not other.state.exists()


def test_one_host_goes_with_its_disk_and_the_others_stay(other: Lab) -> None:
    other.up(2)
    other.partition("node1", "node2")
    other.run("node2", "sudo touch /var/lib/fact")
    other.down(["node2"])
    assert [host["name"] for host in other.describe()["hosts"]] == ["node1"] and state(other, "node1") == "running"
    other.up(2)
    assert other.run("node2", "ls /var/lib/fact").returncode != 0
    assert reached(other, "node1") == {"node2", "controller"}


def test_the_inventory_opens_the_hosts(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "hosts.yml"
    assert command(lab, "inventory", "--output", str(file)).wait(20) == 0
    assert file.read_text() == lab.inventory()
    ansible = [str(Path(sys.executable).with_name("ansible")), "-i", str(file), "lab", "-b", "-m", "ping"]
    done = subprocess.run(ansible, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.count('"ping": "pong"') == 3, done.stdout + done.stderr


def test_what_python_compiles_of_a_zip_file_is_kept_and_follows_its_source(other: Lab) -> None:
    def said(user: str, *texts: str) -> list[str]:
        lines = [
            f"echo 'print(\"{text}\")' > said.py; rm -f it.zip; python3 -m zipfile -c it.zip said.py; (cd /; PYTHONPATH=$z python3 -m said)"
            for text in texts
        ]
        done = other.run("node1", "; ".join(["cd $(mktemp -d)", "z=$PWD/it.zip", *lines]), user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def kept() -> list[str]:
        return other.run("node1", "ls -1 /var/cache/compiled-python | sed 's/[.][0-9a-f]*$//'").stdout.split()

    other.up(1)
    other.keep_compiled()
    assert said("root", "one", "one", "two") == ["one", "one", "two"]
    assert kept() == ["said.py", "said.py"]
    # A user without write access reads the kept files and compiles the rest.
    assert said("ops", "two", "three") == ["two", "three"]
    assert kept() == ["said.py", "said.py"]


def test_a_subnet_in_use_is_refused_before_anything_is_made(lab: Lab, other: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANYANDB_LAB_SUBNET", str(lab.network().subnet))
    with pytest.raises(LabError, match=r"10\.213\.3\.0/24.*BANYANDB_LAB_SUBNET"):
        other.up(1)
    assert not any(traces(other).values())


def test_a_lab_of_the_same_name_elsewhere_is_not_touched(lab: Lab) -> None:
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/var/tmp") as elsewhere:
        namesake = Lab(lab.name, Path(elsewhere))
        for change in (lambda: namesake.up(1), namesake.down):
            with pytest.raises(LabError, match=f"belongs to the lab in {lab.state}"):
                change()
    assert state(lab, "node1") == "running" and reached(lab, "node1") == {"node2", "node3", "controller"}


@pytest.mark.parametrize(
    "words, said",
    [
        (["kill", "node9"], "no host 'node9'"),
        (["up", "web1"], "expected node1 to node40"),
        (["up", "node1=woody"], "node1 runs bookworm"),
        (["partition", "node1", "node1"], "between two hosts"),
    ],
)
def test_a_wrong_command_says_what_is_wrong_without_a_traceback(lab: Lab, words: list[str], said: str) -> None:
    process = command(lab, *words)
    error = process.communicate(timeout=20)[1]
    assert process.returncode == 1 and said in error and "Traceback" not in error


def test_without_root_the_lab_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="as root"):
        Lab("labtest").up(1)
