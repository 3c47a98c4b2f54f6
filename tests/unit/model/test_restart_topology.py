# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology of a server that was restarted with only the responding entries."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.kept_state import Evidence, chosen
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.restart_topology import after_start
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import Node, Topology

A, B, C = (Node(name, f"{name}:17912") for name in "abc")
ME = Node("me", "me:18912")


def test_what_was_listed_and_did_not_respond_is_listed_again_last():
    assert after_start(Topology((A, B, ME)), Topology((B,), (A, ME)), ["me"]) == Topology((B, ME, A))


def test_what_was_added_since_stays():
    assert after_start(Topology((A, ME)), Topology((A, C), (ME,)), ["me"]) == Topology((A, C, ME))


def test_what_was_held_back_before_stays_so():
    assert after_start(Topology((A, ME), (C,)), Topology((A,), (C, ME)), ["me"]) == Topology((A, ME), (C,))


def test_an_entry_whose_new_address_does_not_respond_is_listed_unchanged():
    moved = Node("b", "elsewhere:17912")
    assert after_start(Topology((A, B, ME)), Topology((A,), (moved, ME)), ["me"]) == Topology((A, ME, B))


def test_the_server_itself_is_listed_at_its_new_address():
    moved = Node("me", "elsewhere:18912")
    assert after_start(Topology((A, ME)), Topology((A,), (moved,)), ["me"]) == Topology((A, moved))


def test_an_address_that_another_entry_has_now_is_not_listed_twice():
    heir, moved = Node("c", B.grpc_address), Node("b", "elsewhere:17912")
    assert after_start(Topology((A, B, ME)), Topology((A, heir), (moved, ME)), ["me"]) == Topology((A, heir, ME), (moved,))


def test_an_entry_under_another_name_is_listed_by_it():
    renamed = Node("other", B.grpc_address)
    assert after_start(Topology((A, B, ME)), Topology((A,), (renamed, ME)), ["me"]) == Topology((A, ME, renamed))


def test_the_copy_with_the_better_evidence_is_kept_and_the_host_wins_a_tie():
    now, kept = {"a": "now", "b": "now", "c": "now"}, {"a": "kept", "b": "kept"}
    of_now = {"a": Evidence.REFUTED, "b": Evidence.UNKNOWN, "c": Evidence.REFUTED}
    of_kept = {"a": Evidence.UNKNOWN, "b": Evidence.UNKNOWN}
    assert chosen(now, kept, of_now, of_kept) == ({"a": "kept", "b": "now", "c": "now"}, ["c"])
