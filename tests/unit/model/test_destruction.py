# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run may destroy whole clusters, and the effect."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.destruction import confirmed_names, destroyed, lines, problems
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import Cluster


def cluster(*nodes, remove=()):
    return Cluster(nodes=[{"name": name, "role": role} for name, role in nodes], remove=list(remove))


CLUSTERS = {"prod": cluster(("d1", "data"), ("l1", "liaison"), ("l2", "liaison")), "test": cluster(("s1", "standalone"))}
ALL = ["d1", "l1", "l2", "s1"]


@pytest.mark.parametrize(
    ("given", "names"),
    [(None, []), ("", []), ("prod", ["prod"]), ("prod, test", ["prod", "test"]), (["prod", "test"], ["prod", "test"]), (7, ["7"])],
)
def test_clusters_are_confirmed_by_a_text_or_a_list(given, names):
    assert confirmed_names(given) == names


def test_a_confirmed_cluster_may_be_destroyed():
    assert problems(CLUSTERS, ["prod"], ALL, {"banyandb_confirm"}) == []


@pytest.mark.parametrize(
    ("confirmed", "in_run", "given", "says"),
    [
        ([], ALL, (), "banyandb_confirm is not set: expected the name of the cluster to destroy (prod, test)."),
        (["pord"], ALL, (), "banyandb_confirm is pord: expected clusters of this inventory, which has prod, test."),
        (["prod"], ["d1", "l2"], (), "cluster prod: --limit leaves out l1."),
        (["prod"], ALL, {"banyandb_cluster": "prod"}, "banyandb_cluster is set on the command line, which makes all hosts one cluster."),
    ],
)
def test_anything_else_is_refused_with_what_to_do(confirmed, in_run, given, says):
    (problem,) = problems(CLUSTERS, confirmed, in_run, given)
    assert problem.startswith(says) and len(problem) <= 200


def test_a_node_that_is_listed_for_removal_leaves_first_and_one_without_a_host_does_not_matter():
    clusters = {"prod": cluster(("d1", "data"), remove=["d2", "long-gone"])}
    (problem,) = problems(clusters, ["prod"], ["d1", "d2"], ())
    assert problem.startswith("cluster prod: d2 is listed in banyandb_remove.")


def test_the_hosts_of_other_clusters_stay_and_liaisons_stop_first():
    assert list(destroyed(CLUSTERS, ["prod"])) == ["l1", "l2", "d1"]
    assert list(destroyed(CLUSTERS, ["test", "prod"])) == ["l1", "l2", "d1", "s1"]


def test_each_host_has_a_line_that_says_what_becomes_of_its_data():
    assert lines(CLUSTERS, ["prod"], False) == [
        "cluster prod: l1 (liaison) is drained, stopped and disabled, its data left where it is",
        "cluster prod: l2 (liaison) is drained, stopped and disabled, its data left where it is",
        "cluster prod: d1 (data) is stopped and disabled, its data left where it is",
    ]
    assert lines(CLUSTERS, ["test"], True) == ["cluster test: s1 (standalone) is stopped and disabled, its data and configuration removed"]
