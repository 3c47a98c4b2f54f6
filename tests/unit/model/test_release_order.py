# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which a cluster changes to another release, and the refused changes."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.release_order import (
    ChangeRefused,
    Order,
    Refusal,
    not_ready,
    release_change,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.release_versions import (
    BadVersion,
    Release,
    file_format,
    program_release,
    release_of,
    unreadable,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST


def change(running, target, **found):
    found.setdefault("schemas", [])
    return release_change([release_of(each) for each in running.split()], release_of(target), **found)


def refused(running, target, **found):
    with pytest.raises(ChangeRefused) as error:
        change(running, target, **found)
    assert len(str(error.value)) <= MOST
    return error.value


@pytest.mark.parametrize(
    "running, target, order, backward",
    [
        ("0.10.0", "0.10.2", Order.DATA_FIRST, False),
        ("0.10.2", "0.10.3", Order.DATA_FIRST, False),
        ("0.10.3", "0.11.0", Order.DATA_FIRST, False),
        ("0.10.2", "0.11.0", Order.DATA_FIRST, False),
        ("0.11.0", "0.11.1", Order.DATA_FIRST, False),
        ("0.11.1", "0.12.0", Order.DATA_FIRST, False),
        # The way back passes through the same mixed clusters.
        ("0.11.1", "0.11.0", Order.LIAISON_FIRST, True),
        ("0.11.0", "0.10.3", Order.LIAISON_FIRST, True),
        # An interrupted change goes on, or back, in the order in which it began.
        ("0.10.3 0.11.0", "0.11.0", Order.DATA_FIRST, False),
        ("0.10.3 0.11.0", "0.10.3", Order.LIAISON_FIRST, True),
        ("0.10.2 0.10.3", "0.11.0", Order.DATA_FIRST, False),
        ("0.11.0 0.10.3", "0.11.1", Order.DATA_FIRST, False),
    ],
)
def test_the_order_comes_from_the_releases(running, target, order, backward):
    found = change(running, target)
    assert (found.order, found.backward) == (order, backward)
    assert found.rule.why and found.rule.source


@pytest.mark.parametrize(
    "running, target, mixed", [("0.10.3", "0.11.0", True), ("0.11.1", "0.10.3", True), ("0.11.0", "0.11.1", False), ("0.10.2", "0.10.3", False)]
)
def test_servers_before_and_after_0_11_answer_each_other_row_by_row(running, target, mixed):
    settings = change(running, target).rule.settings
    assert settings == ({f"BYDB_{each}_VECTORIZED_ENABLED": "false" for each in ("MEASURE", "STREAM", "TRACE")} if mixed else {})


def test_a_cluster_of_the_target_release_does_not_change():
    assert change("0.11.0 0.11.0", "0.11.0") is None
    assert release_change([], Release(0, 11)) is None


def test_other_api_versions_need_the_least_downtime_order_in_both_directions():
    for running, target in (("0.10.3", "0.11.0"), ("0.11.0", "0.10.3")):
        found = change(running, target, apis=["0.10", "0.11"])
        assert found.order is Order.LEAST_DOWNTIME and "API version" in found.rule.why
    assert change("0.10.3", "0.11.0", apis=["0.10", "0.10"]).order is Order.DATA_FIRST


def test_0_9_cannot_become_0_10_in_place_and_the_message_says_what_to_do():
    for formats in (None, [], ["1.3.0"]):
        error = refused("0.9.0", "0.10.0", formats=formats)
        assert error.refusal is Refusal.OTHER_DIRECTORIES
        assert str(error) == (
            "0.9.0 cannot change to 0.10.0 in place: 0.10 has properties in other directories than releases before it. "
            "Deploy 0.10.0 as a new cluster, and remove this cluster when its data has expired."
        )
    assert str(refused("0.10.3", "0.9.0")).endswith("Restore a backup from before the change to 0.10.3.")
    assert refused("0.8.0", "0.9.0").refusal is Refusal.UNREADABLE_FILES


def test_a_release_goes_back_only_while_no_segment_has_a_newer_format():
    assert refused("0.10.3", "0.10.2").refusal is Refusal.UNREADABLE_FILES
    assert str(refused("0.10.3", "0.10.2", formats=["1.4.0", "1.5.0"])) == (
        "0.10.2 cannot read data files of format 1.5.0: expected 1.4.0. Restore a backup from before the change to 0.10.3."
    )
    assert change("0.10.3", "0.10.2", formats=["1.4.0"]).backward
    assert change("0.10.3", "0.10.2", formats=[]).backward


def test_a_release_goes_back_only_while_it_reads_all_schemas():
    for schemas in (None, ["load"]):
        assert refused("0.11.0", "0.10.3", schemas=schemas).refusal is Refusal.UNREADABLE_SCHEMAS
        assert change("0.10.3", "0.11.0", schemas=schemas).backward is False
        assert change("0.11.1", "0.11.0", schemas=schemas).backward is True
    assert str(refused("0.11.0", "0.10.3", schemas=["c" * 99, "b", "a"])) == (
        "0.10.3 cannot read schemas of a, b and 1 more that were made with 0.11.0. Restore a backup from before the change to 0.11.0."
    )
    assert refused("0.11.0", "0.10.3", schemas=None).args[0].startswith("0.10.3 cannot read schemas that were made with 0.11.0.")


def test_a_cluster_with_a_segment_that_the_target_cannot_read_does_not_change():
    assert refused("0.10.3", "0.11.0", formats=["1.3.0", "1.5.0"]).refusal is Refusal.UNREADABLE_FILES


@pytest.mark.parametrize("running, target", [("0.9.0", "0.11.0"), ("0.10.3", "0.12.0"), ("0.12.0", "0.10.3"), ("0.10.0", "1.1.0")])
def test_skipped_lines_are_refused(running, target):
    assert refused(running, target).refusal is Refusal.SKIPPED_LINE


def test_a_new_major_version_follows_any_line_because_the_last_line_before_it_is_unknown():
    assert change("0.12.0", "1.0.0").order is Order.DATA_FIRST


def test_a_target_between_the_running_releases_is_refused():
    error = refused("0.10.2 0.11.0", "0.10.3")
    assert error.refusal is Refusal.BOTH_WAYS and "0.10.2" in str(error) and "0.11.0" in str(error)


def test_a_role_waits_for_the_role_before_it():
    behind = {"data": ["d2", "d1"], "liaison": ["l1"]}
    assert not_ready(Order.LIAISON_FIRST, "liaison", behind) == ""
    assert not_ready(Order.LIAISON_FIRST, "data", behind) == (
        "banyandb_upgrade_only: the data nodes change after the liaison nodes, and l1 did not yet. Upgrade the liaison nodes."
    )
    assert not_ready(Order.LIAISON_FIRST, "data", {"data": ["d1"], "liaison": []}) == ""
    assert "d1, d2 did not yet" in not_ready(Order.DATA_FIRST, "liaison", behind)


def test_no_role_changes_alone_when_api_versions_differ():
    behind = {"data": ["d1"], "liaison": ["l1"]}
    for role, other in (("data", "l1"), ("liaison", "d1")):
        assert other in not_ready(Order.LEAST_DOWNTIME, role, behind)


@pytest.mark.parametrize(
    "text, release",
    [
        ("0.10.3", Release(0, 10, 3)),
        ("v0.11.0-rc1", Release(0, 11, 0)),
        ("0.11", Release(0, 11, 0)),
        ("0.10.3+build5", Release(0, 10, 3)),
    ],
)
def test_names_of_versions(text, release):
    assert release_of(text) == release


@pytest.mark.parametrize("text", ["", "latest", "0", "0.11.", "0.10.3.4", "0.1234567.0", "sha-0.11.0"])
def test_names_that_are_no_version(text):
    with pytest.raises(BadVersion):
        release_of(text)


def test_what_the_program_prints():
    assert program_release("banner\ndata version 0.10.3-0-g8e0d4e3-HEAD\n") == Release(0, 10, 3)
    assert program_release("banyand-server version v0.11.0-12-gabc-main") == Release(0, 11, 0)
    with pytest.raises(BadVersion, match="prints no version"):
        program_release("Error: unknown flag: --version\n")


def test_file_formats_begin_with_their_release():
    assert file_format(Release(0, 10, 2)).writes == "1.4.0"
    assert file_format(Release(0, 10, 3)).writes == "1.5.0"
    assert file_format(Release(2, 0)).writes == "1.5.0"
    assert unreadable(["1.4.0", "1.5.0"], Release(0, 10, 2)) == ["1.5.0"]
    with pytest.raises(BadVersion):
        file_format(Release(0, 6, 1))
