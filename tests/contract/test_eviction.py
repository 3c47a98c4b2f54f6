# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a view shows a peer that stops responding, and a peer that responds again (contract, section 3)."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Cluster
from .servers import Server, listing
from .waiting import SOON, holds, until

SLOWEST = 20.0
"""Seconds that a liaison may take with its default check every 10 s; real liaisons took 5-11 s."""

QUICK = 5.0
"""Seconds that a liaison may take with a check every second; real liaisons took about 2 s."""


def misses(cluster: Cluster, liaison: Server, *nodes: Server) -> bool:
    """Return whether the liaison shows these data nodes as evictable, the others as active, and all as registered."""
    table, gone = liaison.tables()["tire2"], cluster.names(list(nodes))
    everybody = cluster.names(cluster.data)
    return (set(table.registered), set(table.active), set(table.evictable)) == (everybody, everybody - gone, gone)


def test_a_killed_peer_is_evictable_everywhere_and_a_cut_off_one_on_one_side_only(cluster: Cluster) -> None:
    near, far = cluster.liaisons
    steady, cut, killed = cluster.data
    killed.kill()
    cut.host.cut(near.host)
    try:
        until(lambda: misses(cluster, near, cut, killed), SLOWEST, "the near liaison misses both")
        until(lambda: misses(cluster, far, killed), SLOWEST, "the far liaison misses the killed one")
        holds(lambda: misses(cluster, far, killed), 2, "and only that one")
        assert killed.name in steady.sees(), "a data node's view says nothing about who answers"
    finally:
        cut.host.join(near.host)
    until(lambda: misses(cluster, near, killed), SLOWEST, "the cut-off one is active again when it answers")
    killed.start()
    until(cluster.whole, SLOWEST, "and so is the killed one when it runs again")


def test_a_liaison_that_checks_every_second_misses_a_stopped_peer_within_seconds(cluster: Cluster, add: Callable[..., Server]) -> None:
    stopped = cluster.data[2]
    quick = add("liaison", 6, **{"data-client-health-check-interval": "1s"})
    quick.rename(listing(cluster.data_entries))
    quick.start()
    until(lambda: misses(cluster, quick), SOON, f"{quick} serves")
    stopped.stop()
    until(lambda: misses(cluster, quick, stopped), QUICK, "it misses the stopped node")
    stopped.start()
    until(lambda: misses(cluster, quick), QUICK, "it is back")
    # The other liaisons check every 10 s and may notice only now.
    until(cluster.whole, SLOWEST, "it is back everywhere")


def test_a_killed_liaison_becomes_evictable_for_the_other(cluster: Cluster) -> None:
    near, far = cluster.liaisons
    far.kill()
    until(lambda: near.tables()["tire1"].evictable == (far.name,), SLOWEST, "the other liaison misses it")
    far.start()
    until(cluster.whole, SLOWEST, "it is back")
