# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelled variables and groups."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.role_variables import declared
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.preflight_findings import Check, Finding, Level
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unknown_names import SET_BY_SRV, unknown_groups, unknown_variables

KNOWN = declared()


def test_a_misspelled_variable_is_one_finding_for_all_its_hosts_with_the_name_that_was_meant():
    assert unknown_variables({"b": ["banyandb_memroy_max"], "a": ["banyandb_memroy_max", "banyandb_cluster"]}, KNOWN) == [
        Finding(
            ("a", "b"),
            Check.VARIABLES,
            Level.WARN,
            "a, b: banyandb_memroy_max is not a variable of this collection and has no effect. Did you mean banyandb_memory_max?",
        )
    ]


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_variable_is_found_from_its_name_without_any_one_letter(name):
    for left_out in range(len("banyandb_"), len(name)):
        wrong = name[:left_out] + name[left_out + 1 :]
        if wrong not in KNOWN and not wrong.startswith("banyandb_env_"):
            (finding,) = unknown_variables({"a": [wrong]}, KNOWN)
            assert "Did you mean banyandb_" in finding.message


def test_a_variable_like_no_other_is_to_be_removed_or_renamed():
    (finding,) = unknown_variables({"a": ["banyandb_favourite_colour"]}, KNOWN)
    assert finding.message.endswith("has no effect. Remove or rename the variable.")


def test_the_longest_names_give_one_line():
    (finding,) = unknown_variables({f"{number}{'h' * 12}": ["banyandb_" + "x" * 500] for number in range(900)}, KNOWN)
    assert len(finding.message) <= 200


def test_variables_of_others_of_the_environment_and_of_the_inventory_plugin_are_no_findings():
    names = ["ansible_host", "__banyandb_host", "banyandb", "banyandb_env_edge", "team_banyandb_x", *SET_BY_SRV, *KNOWN]
    assert unknown_variables({"a": names}, KNOWN) == []


def test_hosts_of_a_misspelled_group_are_named_with_the_group_that_was_meant():
    groups = {"all": ["a", "b", "c"], "banyandb_data": ["a"], "banyandb_liasons": ["b", "c"]}
    assert unknown_groups(groups) == [
        Finding(
            ("b", "c"),
            Check.VARIABLES,
            Level.WARN,
            "b, c: only in the group banyandb_liasons, so the run ignores them. Did you mean the group banyandb_liaison?",
        )
    ]


def test_a_sites_own_groups_are_no_findings():
    groups = {"banyandb_data": ["a"], "banyandb_data_hot": ["a"], "banyandb": ["a", "b"], "banyandb_clients": ["b"], "banyandb_label_zone_a": ["b"]}
    assert unknown_groups(groups) == []
