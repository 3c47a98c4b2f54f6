# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams of writes, from a page of metrics."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.liaison_metrics import WriteStreams

# The format of a liaison (commit 9ebac4516), with other counters.
PAGE = """\
# HELP banyandb_liaison_grpc_total_started banyandb_liaison_grpc_total_started
# TYPE banyandb_liaison_grpc_total_started counter
banyandb_liaison_grpc_total_started{group="load",method="query",service="measure"} 11
# HELP banyandb_liaison_grpc_total_stream_finished banyandb_liaison_grpc_total_stream_finished
# TYPE banyandb_liaison_grpc_total_stream_finished counter
banyandb_liaison_grpc_total_stream_finished{method="write",service="measure"} 1.000001e+06
banyandb_liaison_grpc_total_stream_finished{method="write",service="stream"} 40
# HELP banyandb_liaison_grpc_total_stream_started banyandb_liaison_grpc_total_stream_started
# TYPE banyandb_liaison_grpc_total_stream_started counter
banyandb_liaison_grpc_total_stream_started{method="write",service="measure"} 1.000003e+06
banyandb_liaison_grpc_total_stream_started{method="write",service="stream"} 40
banyandb_liaison_grpc_total_stream_started{method="write",service="trace"} 1
banyandb_liaison_grpc_total_stream_started{method="read",service="trace"} 7
"""


def test_the_streams_of_all_services_count():
    streams = WriteStreams.from_text(PAGE)
    assert streams == WriteStreams(1_000_044, 1_000_041)
    assert streams.under_way == 3


@pytest.mark.parametrize("page", ["", "# HELP\n", "node_load1 0.3\n", PAGE.replace("banyandb", "another"), PAGE.replace("} ", "} -")])
def test_a_page_without_them_tells_of_none(page):
    assert WriteStreams.from_text(page) == WriteStreams()


def test_a_number_beyond_all_counts_is_reported():
    with pytest.raises(ValueError, match="^a count of finished streams has 400 digits$"):
        WriteStreams.from_text(PAGE.replace("1.000001e+06", "9" * 400))


def test_more_answers_than_writes_are_nothing_under_way():
    assert WriteStreams(1, 2).under_way == 0
