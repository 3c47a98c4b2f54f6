# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node may use a directory."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup import storage
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import (
    BadMarker,
    Marker,
    NodeFacts,
    Reason,
    RemovalRefused,
    Seen,
    State,
    Wanted,
    check_removal,
    decide,
    read_marker,
    storage_problems,
)

FACTS = NodeFacts("default", "data1", "10.0.0.1:17912", "data")
OTHER = NodeFacts("default", "data2", "10.0.0.2:17912", "data")
ROOT = "/data/app/bdb"
ALL = tuple(storage.STORES)
WANTED = Wanted(FACTS, "banyandb", ALL)
OLD, NOW = "2026-01-01T00:00:00Z", "2026-11-28T10:00:00Z"
RECORD = Marker(FACTS, OLD, dict.fromkeys(ALL, ROOT))
EMPTY = Seen(ROOT, ROOT, what="directory", owner="root")
USED = Seen(ROOT, ROOT, what="directory", owner="banyandb", entries=("measure", "property"))


def marked(seen, facts=FACTS, since=OLD):
    return replace(seen, marker=Marker(facts, since, dict.fromkeys(ALL, ROOT)).text())


def refused(seen, wanted=WANTED, record=None):
    """Return the reason, and check the parts that every message has."""
    finding = decide(seen, wanted, record, NOW)
    assert (finding.state, finding.marker) == (None, None), finding
    assert len(f"node3: {finding.message}") <= 200 and "\n" not in finding.message
    assert seen.path in finding.message
    return finding.reason, finding.message


@pytest.mark.parametrize("seen", [Seen(ROOT, ROOT), EMPTY])
def test_an_absent_and_an_empty_directory_are_for_a_new_node(seen):
    finding = decide(seen, WANTED, None, NOW)
    assert finding.state is State.NEW
    assert finding.marker == Marker(FACTS, NOW, dict.fromkeys(ALL, ROOT))


def test_the_marker_of_the_node_tells_its_own_directory_and_keeps_since_when():
    finding = decide(marked(USED), WANTED, RECORD, NOW)
    assert (finding.state, finding.marker.since) == (State.OURS, OLD)


@pytest.mark.parametrize("changed", [{"node": "10.0.0.9:17912"}, {"host": "renamed"}])
def test_a_node_stays_itself_with_another_address_or_another_inventory_name(changed):
    facts = replace(FACTS, **changed)
    finding = decide(marked(USED, facts), WANTED, RECORD, NOW)
    assert finding.state is State.OURS and finding.marker.facts == FACTS


@pytest.mark.parametrize("facts", [OTHER, replace(OTHER, cluster="west"), replace(OTHER, role="liaison")])
def test_the_directory_of_another_node_is_refused_and_the_message_says_whose_it_is(facts):
    reason, message = refused(marked(USED, facts))
    assert reason is Reason.OTHER_NODE and f"belongs to {facts}" in message
    assert message.endswith("banyandb_adopt_data: [data1].")
    assert decide(marked(USED, facts), replace(WANTED, adopt=True), None, NOW).state is State.ADOPTED


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (
            replace(FACTS, host="data2"),
            f"{ROOT} belongs to data2, which the inventory has at 10.0.0.2:17912. Correct the address of data1 or data2.",
        ),
        (OTHER, f"{ROOT} belongs to data2, which the inventory has at 10.0.0.2:17912. Correct ansible_host of data1, or set another directory."),
        (
            replace(FACTS, cluster="west"),
            f"{ROOT} belongs to this host in cluster west, and banyandb_cluster is default. Set banyandb_cluster back to west.",
        ),
        (
            replace(FACTS, role="liaison"),
            f"{ROOT} belongs to the liaison of this host, and the host is in the group banyandb_data. Move the host back to banyandb_liaison.",
        ),
    ],
)
def test_a_wrong_inventory_is_named_and_not_adopted(facts, says):
    wanted = replace(WANTED, others={"data2": "10.0.0.2:17912"})
    assert refused(marked(USED, facts), wanted) == (Reason.OTHER_NODE, says)
    assert decide(marked(USED, facts), replace(wanted, adopt=True), None, NOW).state is State.ADOPTED


def test_two_nodes_with_exchanged_addresses_are_both_refused_and_keep_their_data():
    nodes = {"data1": "10.0.0.1:17912", "data2": "10.0.0.2:17912"}
    for host, other in (("data1", "data2"), ("data2", "data1")):
        found = replace(FACTS, host=host, node=nodes[host])
        wanted = replace(WANTED, facts=replace(FACTS, host=other, node=nodes[host]), others={host: nodes[other]})
        reason, message = refused(marked(USED, found), wanted, Marker(found, OLD, RECORD.stores))
        assert reason is Reason.OTHER_NODE and message.endswith(f"Correct the address of {other} or {host}.")
        with pytest.raises(RemovalRefused, match=f"belongs to data node {host} .* Nothing is removed."):
            check_removal([marked(USED, found)], wanted.facts, {}, wanted.others)


def test_a_node_with_a_new_name_is_this_node_when_the_inventory_no_longer_has_its_old_name():
    found = decide(marked(USED, replace(FACTS, host="old")), replace(WANTED, others={"data2": "10.0.0.2:17912"}), RECORD, NOW)
    assert (found.state, found.former_host, found.marker.facts) == (State.OURS, "old", FACTS)
    assert decide(marked(USED), WANTED, RECORD, NOW).former_host == ""
    warning = storage.renamed_message(ROOT, "old", "data1")
    assert warning == (
        f"{ROOT} belongs to old, which the inventory no longer has: data1 is this node under a new name. If not, correct its address."
    )
    assert len(storage.renamed_message(ROOT, "o" * 300, "data1")) <= 200


def test_other_content_is_refused_even_for_a_node_that_may_take_data_over():
    srv = replace(EMPTY, path="/srv", real="/srv", entries=("ftp", "git", "tftp", "www"))
    for wanted in (WANTED, replace(WANTED, adopt=True)):
        reason, message = refused(srv, wanted)
        assert reason is Reason.OTHER_CONTENT and "/srv has other content (ftp, git, tftp and 1 more)" in message


def test_a_deployment_without_markers_is_adopted_when_its_unit_uses_the_directory():
    assert decide(replace(USED, in_unit=True), WANTED, None, NOW).state is State.ADOPTED


@pytest.mark.parametrize("seen", [USED, replace(USED, in_unit=True, owner="root"), replace(USED, in_unit=True, entries=("measure", "www"))])
def test_data_without_a_marker_is_refused_until_the_operator_gives_it_to_the_node(seen):
    reason, message = refused(seen)
    assert reason is Reason.OTHER_DATA and message.endswith("banyandb_adopt_data: [data1].")
    assert decide(seen, replace(WANTED, adopt=True), None, NOW).state is State.ADOPTED


@pytest.mark.parametrize("seen", [EMPTY, Seen(ROOT, ROOT)])
def test_an_empty_directory_of_a_node_that_had_data_is_a_lost_disk(seen):
    reason, message = refused(seen, record=RECORD)
    assert reason is Reason.LOST and f"since {OLD}" in message
    assert message.endswith("Mount its disk, or set banyandb_accept_empty_data: [data1].")
    assert decide(seen, replace(WANTED, accept_empty=True), RECORD, NOW).state is State.EMPTIED


def test_a_marker_alone_is_a_node_that_has_not_stored_anything_yet():
    assert decide(marked(EMPTY), WANTED, RECORD, NOW).state is State.OURS


def test_a_store_whose_data_is_elsewhere_is_refused_until_the_data_is_moved():
    moved = replace(marked(USED), left={"stream": "/old"})
    reason, message = refused(moved, record=RECORD)
    assert reason is Reason.MOVED and "the node has its stream data in /old" in message
    assert decide(replace(moved, entries=("measure", "stream")), WANTED, RECORD, NOW).state is State.OURS
    assert decide(moved, replace(WANTED, accept_empty=True), RECORD, NOW).state is State.EMPTIED


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', json.dumps({"format": 99}), json.dumps({"format": "1"}), "[" * 100_000])
def test_a_marker_that_cannot_be_read_is_refused(text):
    reason, _message = refused(replace(USED, marker=text))
    assert reason is Reason.UNREADABLE_MARKER
    with pytest.raises(BadMarker):
        read_marker(text)


def test_data_of_another_user_is_refused_with_the_command_that_changes_it():
    reason, message = refused(marked(replace(USED, strangers={"measure": "root"})))
    assert reason is Reason.OTHER_OWNER
    assert message.endswith(f"Stop the server and run on the host: chown -R banyandb: {ROOT}")


@pytest.mark.parametrize(
    ("differing", "reason", "end"),
    [
        ({"what": "file"}, Reason.NOT_A_DIRECTORY, "or set banyandb_data_dir."),
        ({"closed": ("/data/app", "0700")}, Reason.CLOSED_PARENT, "cannot enter /data/app (mode 0700). Run on the host: chmod o+x /data/app"),
        ({"unmounted": "/data"}, Reason.NOT_MOUNTED, "/data of /etc/fstab is not mounted. Run on the host: mount /data"),
        ({"real": "/home/bdb/data"}, Reason.BAD_PLACE, "Set the variable to /home/bdb/data."),
        ({"real": "/tmp/data"}, Reason.BAD_PLACE, "Set another directory in banyandb_data_dir or banyandb_storage."),
        ({"real": "/etc/data"}, Reason.BAD_PLACE, "Set another directory in banyandb_data_dir or banyandb_storage."),
    ],
)
def test_what_no_server_can_use_is_refused_for_any_owner(differing, reason, end):
    for seen in (USED, marked(USED), EMPTY):
        found, message = refused(replace(seen, **differing), record=RECORD)
        assert found is reason and message.endswith(end), message


VARIABLES = {
    "banyandb_kind": "data",
    "banyandb_config_dir": "/etc/banyandb",
    "banyandb_root": "/opt/banyandb",
    "banyandb_data_dir": "/var/lib/banyandb",
    "banyandb_storage": {},
}


@pytest.mark.parametrize(
    "path",
    [
        "/root/data", "/run/user/1000/data", "/tmp", "/tmp/x", "/var/tmp/x", "/dev/shm/x", "/proc/x", "/sys", "/home", "/etc/data", "/usr/local/data",
        "/boot", "data", "/data dir", "/", "", "/a/../etc", "/a/./b", "/data/", "//data", "/etc/banyandb", "/etc/banyandb/data", "/opt",
        "/opt/banyandb", "/opt/banyandb/versions", "/opt/banyandb/versions/data",
    ],
)  # fmt: skip
def test_a_path_where_no_data_belongs_is_a_problem_of_the_variable(path):
    for variables in ({"banyandb_data_dir": path}, {"banyandb_storage": {"measure": path}}):
        found = storage_problems({**VARIABLES, **variables})
        if path or "banyandb_data_dir" in variables:
            assert found and all(len(problem) <= 200 for problem in found), found
            assert next(iter(variables)) in found[0]


@pytest.mark.parametrize("path", ["/data", "/srv", "/srv/banyandb", "/home/bdb/data", "/mnt/a.b_c+d-e", "/opt/banyandb/data", "/var/lib/x", "/tmpfs"])
def test_a_path_of_its_own_is_none(path):
    assert storage_problems({**VARIABLES, "banyandb_data_dir": path, "banyandb_storage": {"measure": f"{path}/measure"}}) == []


def test_a_store_that_does_not_exist_is_named():
    (problem,) = storage_problems({**VARIABLES, "banyandb_storage": {"measures": "/data"}})
    assert problem.startswith("banyandb_storage names 'measures': expected measure, stream, trace, property, schema.")


def test_the_program_and_the_configuration_stand_where_a_server_may_read_them():
    for name in ("banyandb_root", "banyandb_config_dir"):
        (problem,) = storage_problems({**VARIABLES, name: "/root/x"})
        assert problem.startswith(f"{name} is /root/x: the server cannot use a directory in /root.")


def test_the_drop_in_waits_for_the_real_paths_of_links_alone():
    assert storage.mount_drop_in({"/data": "/data"}) == ""
    assert storage.mount_drop_in({"/a": "/disk2/a", "/b": "/b", "/c": "/disk1/c"}).endswith("[Unit]\nRequiresMountsFor=/disk1/c /disk2/a\n")


def test_the_ways_to_inner_roots_are_no_content_of_outer_ones():
    assert storage.ways_to_others("/data", ["/data/fast/m", "/data/slow", "/database", "/data"]) == {"fast", "slow"}


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (USED, "has content and no .banyandb-node.json of this node"),
        (marked(USED, OTHER), "belongs to data node data2 (10.0.0.2:17912) of cluster default"),
        (replace(USED, marker="{"), "not readable"),
        (replace(EMPTY, unmounted="/data"), "Run on the host: mount /data"),
        (replace(EMPTY, what="file"), "is a file, expected a directory"),
    ],
)
def test_what_is_not_the_node_s_is_not_removed(seen, words):
    with pytest.raises(RemovalRefused) as raised:
        check_removal([marked(USED), seen], FACTS, {}, {})
    message = str(raised.value)
    assert words in message and "Nothing is removed." in message and len(f"node3: {message}") <= 200


def test_what_is_the_node_s_and_what_is_gone_already_are_removed():
    check_removal([marked(USED), marked(EMPTY), EMPTY, Seen(ROOT, ROOT)], FACTS, {}, {})


def test_a_root_with_a_mount_of_others_is_not_deleted():
    with pytest.raises(RemovalRefused, match=f"^{ROOT} contains the mount {ROOT}/nfs, .* umount {ROOT}/nfs$") as refused:
        check_removal([marked(USED)], FACTS, {ROOT: f"{ROOT}/nfs"}, {})
    assert len(str(refused.value)) <= 200


@pytest.mark.parametrize(
    ("given", "is_confirmed"),
    [("data1", True), ("data2, data1", True), (["data1"], True), *((value, False) for value in (None, "", "data", "data10", True, [], ["data"]))],
)
def test_the_name_of_the_node_confirms_its_removal(given, is_confirmed):
    assert storage.confirmed(given, "data1") is is_confirmed


@pytest.mark.parametrize(
    ("size", "files", "text"),
    [
        (0, 0, "no files"),
        (0, 1, "1 empty file"),
        (0, 3, "3 empty files"),
        (999, 1, "999 bytes in 1 file"),
        (1234, 2, "1.2 kB in 2 files"),
        (5 * 10**15, 3, "5000.0 TB in 3 files"),
    ],
)
def test_an_amount_is_shown_in_words(size, files, text):
    assert storage.amount(size, files) == text
