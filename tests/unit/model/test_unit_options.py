# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in from banyandb_unit_options."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.environment_file import MARK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unit_options import BadUnitOptions, drop_in


def test_options_become_lines_in_their_sections_and_a_list_one_line_each():
    options = {
        "Unit": {"After": ["a.mount", "b.service"]},
        "Service": {"Nice": -5, "LogRateLimitBurst": 1000, "OOMPolicy": "kill", "ProtectHome": False},
    }
    first, *lines = drop_in(options).splitlines()
    assert first.startswith(MARK)
    assert lines == [
        "[Unit]", "After=a.mount", "After=b.service", "[Service]", "Nice=-5", "LogRateLimitBurst=1000", "OOMPolicy=kill", "ProtectHome=no",
    ]  # fmt: skip


def test_without_options_the_file_says_whose_it_is_and_nothing_else():
    assert drop_in({}).splitlines() == [f"{MARK}; change banyandb_unit_options and deploy."]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"Service": {"ExecStart": "/x"}}, "banyandb_unit_options.Service.ExecStart: this collection decides that option. Set banyandb_artifact"),
        ({"Service": {"MemoryMax": "1G"}}, "Set banyandb_memory_max instead."),
        ({"Service": {"Environment": "A=1"}}, "Set banyandb_env instead."),
        ({"Service": {"PrivateNetwork": True}}, "this collection decides that option. Leave it out."),
        ({"Nice": -5}, "banyandb_unit_options has 'Nice': expected section -> option -> values"),
        ({"Service": {"nice level": 1}}, "expected the name of an option of systemd"),
        ({"Service": {"Nice": {"a": 1}}}, "expected text, a number, a boolean or a list of them"),
        ({"Service": {"Nice": "1\nExecStart=/x"}}, "expected one line that ends without a backslash"),
        ({"Service": {"Nice": "1 \\"}}, "expected one line that ends without a backslash"),
    ],
)
def test_what_cannot_become_a_drop_in_is_named(options, says):
    with pytest.raises(BadUnitOptions) as error:
        drop_in(options)
    assert says in str(error.value) and len(str(error.value)) <= 200
