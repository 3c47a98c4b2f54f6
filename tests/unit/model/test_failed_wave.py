# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""failed_wave: the final line of a run with a failed wave."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.failed_wave import (
    Failure,
    failures_of,
    gate_lines,
    wave_summary,
    without_consequences,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.gate_judgement import Seen, judged
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import Pair, explained

WAVE = {"number": 1, "hosts": ["node3"], "cluster": "default"}
REFUSED = {
    "reason": 'banyandb-data did not start: "mkdir /proc/nowhere: no such file or directory"',
    "log": "journalctl -u banyandb-data",
}
FINDING = "l1 shows d1 as evictable in tire2 (expected active). Refresh d1 on l1."


def test_a_server_that_refuses_a_setting_is_one_line_with_its_decisive_message_and_the_command_for_the_rest():
    assert wave_summary(WAVE, ["node3: ..."], {"node3": REFUSED}, True, ["node4", "node5", "node1"]) == (
        'Wave 1 failed on node3 and was rolled back: banyandb-data did not start: "mkdir /proc/nowhere: no such file or directory". '
        "Not started: node4, node5, node1. Log: journalctl -u banyandb-data on node3."
    )


@pytest.mark.parametrize(
    ("wave", "reasons", "noted", "rolled_back", "left", "expected"),
    [
        (WAVE, [FINDING], {}, None, ["x"], f"Wave 1 did not start (node3): {FINDING} Run skywalking.banyandb.status, then skywalking.banyandb.heal."),
        (WAVE, [FINDING], {}, True, [], f"Wave 1 failed on node3 and was rolled back: {FINDING}"),
        (
            WAVE,
            [FINDING],
            {"node3": ""},
            False,
            ["d2"],
            f"Wave 1 failed on node3 and the cluster is not healthy after the roll back: {FINDING} Not started: d2. Run skywalking.banyandb.status.",
        ),
        (
            {"number": 2, "hosts": ["a", "b", "c"], "cluster": "edge"},
            [],
            {"c": {"reason": "no", "log": ""}, "b": {"reason": "task\n 'x' failed"}, "a": None},
            True,
            [],
            "Wave 2 of cluster edge failed on a, b, c and was rolled back: b: task 'x' failed (1 more failed).",
        ),
        (
            WAVE,
            [],
            {host: {"reason": "task 'Push' failed"} for host in ("node1", "node2", "node4")},
            False,
            [],
            "Wave 1 failed on node3 and the cluster is not healthy after the roll back: node1, node2, node4: task 'Push' failed. "
            "Run skywalking.banyandb.status.",
        ),
    ],
)
def test_what_failed_where_and_what_did_not_start(wave, reasons, noted, rolled_back, left, expected):
    assert wave_summary(wave, reasons, noted, rolled_back, left) == expected


def test_a_sentence_as_a_reason_gets_no_second_full_stop():
    sentence = "topology.yml: refusing to drop d2, which is not in the inventory. Add the host to the inventory, or to banyandb_remove."
    for reasons, noted in (([sentence], {}), ([], {"node3": {"reason": sentence}})):
        said = wave_summary(WAVE, reasons, noted, True, ["node4"])
        assert ".." not in said.replace("...", "") and said.endswith(" Not started: node4."), said
    assert wave_summary(WAVE, [], {"node3": {"reason": "no answer from a..."}}, True, []) == (
        "Wave 1 failed on node3 and was rolled back: no answer from a...."
    )


def test_a_gate_that_a_drain_closes_keeps_the_time_and_what_to_do():
    answer = Pair("node2", "node1", "", "an answer", "refused: 10.2.0.11:18912: connection refused, nothing listens there", "unknown", "See why.")
    (pair,) = explained([answer], {"node1": 95})
    watch = {"whole": False, "pairs": [pair.to_mapping()], "revisions": {}}
    text = wave_summary({**WAVE, "hosts": ["node1", "node2"]}, judged(Seen([], {}, {"node2": watch})), {}, None, [])
    assert "node2 asked node1: drained (expected an answer). A drain blocks node1 for at most 95 s. Wait" in text and len(text) <= 200


def test_a_failure_in_check_mode_is_a_prediction():
    noted = {"node3": {"reason": "see the error above of task 'Install the release'"}}
    assert wave_summary(WAVE, [], noted, None, [], predicted=True) == "Wave 1 would fail on node3: see the error above of task 'Install the release'."
    assert len(wave_summary(WAVE, [], {"node3": {"reason": "because " * 90}}, None, [], predicted=True)) == 198


@pytest.mark.parametrize("rolled_back", [None, True, False])
@pytest.mark.parametrize("length", [1, 30, 63, 253])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_it_is_never_longer_than_200_characters_and_keeps_part_of_the_reason(rolled_back, length, count):
    hosts = [f"{number:02}{'h' * length}" for number in range(count)]
    wave = {"number": 12, "hosts": hosts, "cluster": "default"}
    for noted in ({}, {hosts[0]: {"reason": "because " * 30, "log": "journalctl -u banyandb-standalone"}}):
        text = wave_summary(wave, ["because " * 30], noted, rolled_back, hosts)
        assert len(text) <= 200 and "\n" not in text
        assert length > 63 or "because" in text


def test_what_the_hosts_noted_is_read_by_its_fields():
    assert failures_of({"b": REFUSED, "a": {"reason": "r"}, "c": "", "d": None}) == {"a": Failure("r"), "b": Failure(**REFUSED)}


def test_findings_about_a_host_whose_change_failed_are_no_second_fault():
    pairs = [{"observer": "l1", "subject": "d1"}, {"observer": "d1", "subject": "d1"}, {"observer": "l1", "subject": "d2"}]
    assert without_consequences({"l1": {"whole": False, "pairs": pairs}, "l2": "no answer"}, ["d1"]) == {
        "l1": {"whole": False, "pairs": pairs[2:]},
        "l2": "no answer",
    }


def test_a_gate_prints_the_findings_that_the_summary_does_not():
    assert gate_lines("after wave 1", [], True) == ["gate after wave 1: open"]
    assert gate_lines("after wave 1", ["a", "b"], True) == ["gate after wave 1: closed, 2 findings", "  b"]
    assert gate_lines("after wave 1", ["a"], False) == ["gate after wave 1: closed, 1 finding", "  a"]
    many = gate_lines("x", ["y" * 900] * 40, False)
    assert len(many) == 12 and max(map(len, many)) == 200 and many[-1] == "  and 30 more, run skywalking.banyandb.status"


def test_a_reason_that_is_cut_keeps_its_closing_mark():
    reason = "banyandb-data did not start: \"invalid argument 'soon' for '--measure-flush-timeout' flag: time: invalid duration 'soon'\""
    noted = {"node5": {"reason": reason, "log": "journalctl -u banyandb-data"}}
    text = wave_summary({"number": 3, "hosts": ["node5"], "cluster": "default"}, [], noted, True, ["node1", "node2"])
    assert text == (
        "Wave 3 failed on node5 and was rolled back: banyandb-data did not start: \"invalid argument 'soon' for '--measure-flush-timeou...\". "
        "Not started: node1, node2. Log: journalctl -u banyandb-data on node5."
    )
    assert len(text) <= 200
