# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keywords of every play of the playbooks: no ansible.cfg can change their effect."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
FILES = sorted([*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("plays/*.yml")])
# Keyword -> its value in every play. In brackets: the setting of ansible.cfg that applies to a play without the keyword.
REQUIRED = {
    "debugger": "never",  # (enable_task_debugger) a failed task would wait for an answer before its rescue
    "gather_facts": False,  # (gathering) each play would ask each host for facts
    "strategy": "ansible.builtin.linear",  # (strategy) waves and gates need all hosts at the same task
    "timeout": 0,  # (task_timeout) a long drain or start would be stopped in the middle
}
FIRST_PLAY = "plays/cluster_hosts.yml"


def entries(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


PLAYS = [(path, entry) for path in FILES for entry in entries(path) if "hosts" in entry]
NAMES = [f"{path.name}: {play['name']}" for path, play in PLAYS]


@pytest.mark.parametrize("play", [play for _path, play in PLAYS], ids=NAMES)
def test_a_play_sets_all_that_ansible_cfg_would_decide(play: dict[str, Any]) -> None:
    assert {keyword: play.get(keyword) for keyword in REQUIRED} == REQUIRED


@pytest.mark.parametrize("play", [play for _path, play in PLAYS], ids=NAMES)
def test_one_host_that_is_down_ends_the_run_of_no_other(play: dict[str, Any]) -> None:
    # (any_errors_fatal) While a liaison of a cluster to be destroyed has points in memory, its data nodes must not stop.
    assert play.get("any_errors_fatal") is (play["name"] in ("Drain the liaisons", "Stop the liaisons", "Check the data to delete"))


@pytest.mark.parametrize("play", [play for _path, play in PLAYS], ids=NAMES)
def test_a_play_is_for_a_group_that_an_earlier_play_has_made_or_for_no_host(play: dict[str, Any]) -> None:
    # A pattern without a host gives a warning, or with host_pattern_mismatch an error; an empty list is all hosts.
    assert play["name"] == "Find the hosts of the clusters" or re.fullmatch(
        r"\{\{ (groups\.\w+|groups\['\w+' ~ __banyandb_round \| default\(0\)\]) \| default\('!all'\) \}\}", play["hosts"]
    )


@pytest.mark.parametrize("path", [path for path in FILES if path.parent == PLAYBOOKS], ids=lambda path: path.name)
def test_the_first_play_of_every_playbook_makes_the_group_of_its_hosts(path: Path) -> None:
    first = entries(path)[0].get("ansible.builtin.import_playbook")
    assert first == FIRST_PLAY or entries(path)[0]["ansible.builtin.import_playbook"] == "deploy.yml"


def importers(imported: str) -> list[Path]:
    """Return the playbooks that import the file ``imported``."""
    return [path for path in FILES if imported in path.read_text(encoding="utf-8")]


def test_every_playbook_with_the_push_decides_which_hosts_take_part_in_the_push() -> None:
    # Without the group __banyandb_push_hosts, the push has no host, and the run proves nothing.
    paths = importers("plays/push.yml")
    assert {path.name for path in paths} == {"deploy.yml", "remove.yml", "topology.yml"}
    for path in paths:
        decided = [{"__banyandb_pushes", "__banyandb_looks_at_push"} & {*play.get("vars", {})} for play in entries(path)]
        assert len([names for names in decided if names]) == 1, path


def test_every_playbook_with_a_plan_of_waves_reports_wrong_limits_after_the_plan() -> None:
    # rollout_plan leaves wrong limits to preflight_report.
    paths = importers("tasks/plan.yml")
    assert {path.name for path in paths} == {"deploy.yml", "restart.yml"}
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert 0 < text.index("tasks/plan.yml") < text.index("tasks/refuse.yml"), path


def test_every_filter_of_the_collection_that_a_template_names_exists() -> None:
    root = PLAYBOOKS.parent
    texts = [path.read_text(encoding="utf-8") for folder in ("playbooks", "roles") for path in (root / folder).rglob("*.yml")]
    named = {name for text in texts for name in re.findall(r"\|\s*skywalking\.banyandb\.(\w+)", text)}
    there = {
        name
        for path in (root / "plugins" / "filter").glob("*.py")
        for name in re.findall(r'"(\w+)": ', path.read_text().partition("FilterModule")[2])
    }
    assert named and named <= there, named - there


# Tag -> the plays of deploy that it runs, in their order, beside the first one, which is in all.
CHECK, STOP = "Preflight: check the inventory and every host", "Preflight: stop the run if a host failed"
DRAINABLE, RELEASES = "Preflight: check whether the liaisons can be drained", "Preflight: check the releases to install"
CONFIGURE = "Install and configure the hosts that need no wave"
STARTS = [
    "Start the standalone servers that do not run",
    "Start the data nodes that do not run",
    "Start the data nodes without the META role that do not run",
    "Start the first liaison of each cluster",
    "Start the other liaisons that do not run",
    "Reopen the ports of started liaisons",
]
CERTIFY, USERS, FORGET = "Give hosts their certificates", "Give servers their users", "Remove users that no server has"
SWITCH, WAVES = "Stop the servers of clusters that change TLS", "Change the running servers, one wave at a time"
OPEN, CLOSE = "Open the ports for new nodes on every host", "Close the ports for nodes that left"
LEAVES, LOST = "Check the leaving nodes", "Check the points of lost disks"
TAGS = {
    "preflight": [CHECK, DRAINABLE, RELEASES, STOP, LEAVES, LOST],
    "install": [CHECK, RELEASES, STOP, CONFIGURE],
    "configure": [CHECK, STOP, LOST, CONFIGURE, OPEN, CERTIFY, USERS],
    "rollout": [CHECK, DRAINABLE, RELEASES, STOP, LEAVES, LOST, OPEN, CERTIFY, USERS, SWITCH, *STARTS, WAVES, FORGET],
    "topology": [CHECK, STOP, LEAVES, OPEN, "Push the complete topology to every server", CLOSE],
}


def tags_of(entry: dict[str, Any]) -> set[str]:
    return {*entry.get("tags", ()), *(tag for task in entry.get("tasks", ()) for tag in task.get("tags", ()))}


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_of_deploy_runs_the_preflight_that_it_needs(tag: str) -> None:
    assert [entry["name"] for entry in entries(PLAYBOOKS / "deploy.yml") if tag in tags_of(entry)] == TAGS[tag]


@pytest.mark.parametrize("name", ["deploy", "topology", "remove"])
def test_the_ports_are_closed_for_nodes_that_left_only_after_the_push(name: str) -> None:
    steps = [entry["name"] for entry in entries(PLAYBOOKS / f"{name}.yml")]
    pushes = [each for each in steps if each.startswith(("Push ", "Drop "))]
    # The play that stops servers ends the run if every host that leaves is unreachable.
    assert steps[-2:] == [*pushes, CLOSE] if name != "remove" else steps[-3:] == [*pushes, CLOSE, "Stop the servers of the dropped nodes"]
    looks = [each for each in steps if each == "Find the hosts that change their firewall or get a push"]
    assert len(looks) == (name == "topology") and all(steps.index(each) < steps.index(OPEN) for each in looks)
    starts = [each for each in steps if each.startswith(("Start ", "Push ", "Change ", "Give "))]
    assert name == "remove" or (starts and all(steps.index(OPEN) < steps.index(each) for each in starts))


def test_only_a_run_with_a_preflight_of_the_firewall_loads_the_first_firewall_of_a_host() -> None:
    # A preflight finds a node that connects from an address which the firewall of the other hosts would block.
    loading = {
        path.name: {bool(task["vars"].get("__banyandb_first_firewall"))}
        for path in FILES
        for entry in entries(path)
        for task in entry.get("tasks", ())
        if task.get("ansible.builtin.import_role", {}).get("tasks_from") == "firewall"
    }
    assert loading == {"deploy.yml": {True}, "remove.yml": {False}, "topology.yml": {False}}


@pytest.mark.parametrize(
    ("tags", "skipped", "changes"),
    [
        (["all"], [], True),
        (["all"], ["rollout"], False),
        (["topology"], [], False),
        (["configure", "topology"], [], False),
        (["rollout", "topology"], [], True),
        (["preflight"], [], True),
    ],
)
def test_deploy_pushes_a_change_of_tls_only_after_the_change_of_the_servers(tags: list[str], skipped: list[str], changes: bool) -> None:
    (play,) = [play for _path, play in PLAYS if play["name"] == STOP]
    template = NativeEnvironment().from_string(play["vars"]["__banyandb_changes_tls"])
    assert template.render(ansible_run_tags=tags, ansible_skip_tags=skipped) is changes


def tasks(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((PLAYBOOKS / "tasks" / f"{name}.yml").read_text(encoding="utf-8"))
    return found


def names_of(found: list[dict[str, Any]]) -> list[str]:
    return [task["name"] for task in found]


def test_a_change_of_tls_restores_only_what_this_run_has_saved() -> None:
    # An earlier deployment left another saved state.
    configure, *rest = tasks("tls_switch")
    saved = next(task for task in configure["block"] if "__banyandb_state_saved_for_switch" in task.get("ansible.builtin.set_fact", ()))
    assert names_of(configure["block"]).index(saved["name"]) == 1, "right after the task that saves"
    (restore,) = [task for task in rest if task.get("ansible.builtin.include_role", {}).get("tasks_from") == "roll_back"]
    assert "__banyandb_state_saved_for_switch is defined" in restore["when"]


def test_a_change_of_tls_gives_a_server_that_sees_no_writes_its_users_after_its_stop() -> None:
    *others, last = tasks("tls_switch")
    assert last["ansible.builtin.include_role"]["tasks_from"] == "users" and "groups.__banyandb_users_in_wave" in last["when"]
    assert others[-1]["ansible.builtin.systemd_service"]["state"] == "stopped"


def test_a_liaison_that_does_not_stop_ends_the_change_of_tls_of_its_own_cluster_alone() -> None:
    end = tasks("stop_drained")[-1]
    assert "run_once" not in end and end["when"][0].startswith("__banyandb_local_servers[inventory_hostname].cluster == ")
    assert "set banyandb_tls back" in end["ansible.builtin.fail"]["msg"]


def test_check_runs_the_checks_of_deploy_that_need_no_plan() -> None:
    checks = [name for name in TAGS["preflight"] if name not in (STOP, DRAINABLE)]
    assert [entry["name"] for entry in entries(PLAYBOOKS / "check.yml") if entry["name"] in checks] == checks


def test_every_tag_makes_the_group_of_hosts_and_always_is_none_of_them() -> None:
    # With `always`, a tag of a site's own playbook would check all hosts of all clusters.
    first = set(entries(PLAYBOOKS / FIRST_PLAY)[0]["tags"])
    assert first == {tag for path in FILES for entry in entries(path) for tag in tags_of(entry)} == {*TAGS, "status"}


def test_the_roles_of_one_play_have_a_tag_each() -> None:
    # Tasks of an included role have the tags of the block around the include, and not those of the include.
    (play,) = [play for _path, play in PLAYS if play["name"] == CONFIGURE]
    assert [(task["tags"], list(task["block"][0])) for task in play["tasks"]] == [
        (["install"], ["name", "ansible.builtin.include_role"]),
        (["configure"], ["name", "ansible.builtin.include_role"]),
    ]


def test_a_removal_of_the_data_deletes_every_record_of_the_former_cluster() -> None:
    root = PLAYBOOKS.parent / "roles"
    record = yaml.safe_load((root / "topology" / "vars" / "main.yml").read_text(encoding="utf-8"))["__banyandb_departure_record"]
    tasks = yaml.safe_load((root / "node" / "tasks" / "remove.yml").read_text(encoding="utf-8"))
    (deletes,) = (task for task in tasks if task["name"] == "Remove the configuration and the record of the node")
    assert record in deletes["loop"] and "__banyandb_storage_record" in str(deletes["loop"])
    assert "banyandb_remove_data" in deletes["when"], "without banyandb_remove_data, deploy starts the same cluster again"


def test_a_removal_knows_the_other_nodes_whose_data_it_must_keep() -> None:
    for name in ("remove_check", "remove"):
        tasks = yaml.safe_load((PLAYBOOKS.parent / "roles" / "node" / "tasks" / f"{name}.yml").read_text(encoding="utf-8"))
        (removal,) = (task["skywalking.banyandb.data_removal"] for task in tasks if "skywalking.banyandb.data_removal" in task)
        assert removal["storage"] == "{{ __banyandb_setup.storage | combine({'others': __banyandb_other_nodes}) }}"
