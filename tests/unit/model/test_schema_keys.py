# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""schema_keys: what a data node must know before a liaison may use the node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import BadContent
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.schema_keys import (
    LONGEST_REASON,
    SchemaKey,
    keys_from,
    lacking,
    refusal,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure

RECORDED = Path(__file__).resolve().parents[1] / "recorded"
KEYS = [SchemaKey("measure", "g", "m"), SchemaKey("stream", "g", "s"), SchemaKey("trace", "h", "t")]


def test_the_keys_of_a_group_are_its_measures_streams_and_traces_without_the_servers_own():
    assert keys_from(json.loads((RECORDED / "group-content-m1-17913.json").read_text())) == [SchemaKey("measure", "m1", "m")]
    document = {"group": {"metadata": {"name": "g"}}, "schemaInfo": {"traces": ["t"], "streams": ["b", "a"], "indexRules": ["i"]}}
    assert keys_from(document) == [SchemaKey("stream", "g", "a"), SchemaKey("stream", "g", "b"), SchemaKey("trace", "g", "t")]


@pytest.mark.parametrize("document", [None, [], {}, {"group": None}, {"group": {"metadata": {"name": "g"}}, "schemaInfo": 7}])
def test_what_is_no_content_of_a_group_is_refused(document):
    with pytest.raises(BadContent, match="no schema of a group"):
        keys_from(document)


def test_the_lacking_keys_keep_their_order():
    assert lacking(KEYS, [KEYS[1]]) == [KEYS[0], KEYS[2]]
    assert lacking(KEYS, KEYS) == lacking([], KEYS) == []


def test_a_refusal_has_a_key_and_what_to_do():
    assert refusal(KEYS, 60.4) == (
        "not added, it lacks measure g/m and 2 more after 60 s. Run topology again. Keep BYDB_SCHEMA_PROPERTY_CLIENT_SYNC_INTERVAL at 1s."
    )
    assert refusal(Failure("timeout", "data5:17912: no whole answer within 2 s"), 60) == (
        "not added, its schema is unknown after 60 s (data5:17912: no whole answer within 2 s). Run topology again."
    )


@pytest.mark.parametrize("missing", [[SchemaKey("measure", "g" * 255, "m" * 255)] * 9, Failure("timeout", "x" * 900)])
def test_a_long_refusal_keeps_what_to_do(missing):
    text = refusal(missing, 60)
    assert len(text) <= LONGEST_REASON and "Run topology again." in text
