# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide in which order the servers of a cluster change to another release, or refuse the change. Pure.

The rules are data, each with its reason and its source. ``upgrade.md`` and ``versions.md`` are the server's docs/operation/upgrade.md and
docs/installation/versions.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.release_versions import (
    Release,
    file_format,
    unreadable,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON


class Order(Enum):
    """The order of the roles."""

    DATA_FIRST = "data_first"
    LIAISON_FIRST = "liaison_first"
    LEAST_DOWNTIME = "least_downtime"

    @property
    def backwards(self) -> Order:
        """Return the order that passes through the same mixed clusters, from the last to the first."""
        return {Order.DATA_FIRST: Order.LIAISON_FIRST, Order.LIAISON_FIRST: Order.DATA_FIRST}.get(self, self)


class Act(Enum):
    """What happens to the servers of a role."""

    CHANGE = "change"  # one server after the other
    STOP = "stop"  # all at once
    START = "start"  # all at once


#: Order -> its phases, each a role and what happens to its servers.
PHASES: Mapping[Order, tuple[tuple[str, Act], ...]] = {
    Order.DATA_FIRST: ((DATA, Act.CHANGE), (LIAISON, Act.CHANGE)),
    Order.LIAISON_FIRST: ((LIAISON, Act.CHANGE), (DATA, Act.CHANGE)),
    Order.LEAST_DOWNTIME: ((LIAISON, Act.STOP), (DATA, Act.STOP), (DATA, Act.START), (LIAISON, Act.START)),
}


@dataclass(frozen=True)
class OrderRule:
    """The order of an upgrade. ``into``: the rule counts for upgrades into this release or a later one, from a release before it.

    ``settings``: environment of the servers of ``into`` and later, while older servers are in the cluster.
    """

    into: Release
    order: Order
    why: str
    source: str
    settings: Mapping[str, str] = field(default_factory=dict)


#: A measure query fails when these settings of a liaison and of a data node are different (measured). A restart of all servers removes them.
ROW_QUERIES = {f"BYDB_{catalog}_VECTORIZED_ENABLED": "false" for catalog in ("MEASURE", "STREAM", "TRACE")}

#: The first rule that counts decides.
ORDER_RULES = (
    OrderRule(
        Release(0, 11),
        Order.DATA_FIRST,
        "a data node before 0.11 refuses the parts and the schemas of a liaison of 0.11, and acknowledged points are lost",
        "measured between a05c3ef6e and 9ebac4516, section 9; upgrade.md names the opposite order, in which points were lost",
        ROW_QUERIES,
    ),
    OrderRule(Release(0, 0), Order.DATA_FIRST, "data nodes read what older liaisons send", "upgrade.md, Rolling Strategy"),
)

API_CHANGED = OrderRule(
    Release(0, 0),
    Order.LEAST_DOWNTIME,
    "a data node refuses each write of a liaison with another API version",
    "banyand/queue/sub/sub.go, checkVersionCompatibility; upgrade.md, Minimum Downtime Strategy",
)


@dataclass(frozen=True)
class Break:
    """Servers before the release ``into``, and from this release on, cannot use each other's data directories."""

    into: Release
    why: str
    source: str


BREAKS = (Break(Release(0, 10), "0.10 has properties in other directories than releases before it", "upgrade.md, Property on-disk path change"),)


#: A schema that servers of this release or a later one made has a field that earlier servers refuse (``createdAt``). Measured: a liaison of the
#: 0.10 line does not start when its internal groups have such schemas, and data nodes do not know the group. Older schemas stay readable.
SCHEMAS_CHANGED = Release(0, 11)


class Refusal(Enum):
    """Why a cluster may not change to a release in place."""

    OTHER_DIRECTORIES = "other_directories"
    SKIPPED_LINE = "skipped_line"
    UNREADABLE_FILES = "unreadable_files"
    UNREADABLE_SCHEMAS = "unreadable_schemas"
    BOTH_WAYS = "both_ways"


class ChangeRefused(ValueError):
    """The cluster may not change to the release in place. The message says what to do."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


@dataclass(frozen=True)
class ReleaseChange:
    """A permitted change to another release. ``order``: backwards from the order of the rule, when ``backward`` is true.

    The cluster then passes through the same mixed states as the upgrade. The settings of the rule must be in effect before the first change.
    """

    order: Order
    backward: bool
    rule: OrderRule


def release_change(
    running: Collection[Release],
    target: Release,
    formats: Collection[str] | None = None,
    schemas: Collection[str] | None = None,
    apis: Collection[str] = (),
) -> ReleaseChange | None:
    """Return how a cluster changes to the release ``target``; None when every server runs this release.

    An interrupted change leaves several releases in one cluster, so the rules count for each pair of releases.
    A running server may make a segment at any time. So each host asks unreadable() again, between the stop and the start of its server.

    ``running``: releases of the servers.
    ``formats``: formats of the segments on all data nodes; None when unknown: then the running releases have written segments.
    ``schemas``: groups with schemas that only SCHEMAS_CHANGED and later releases read; None when unknown: then such releases have made schemas.
    ``apis``: API versions of the running servers and of the target, as far as known.
    Raises ChangeRefused, and BadVersion for a release whose file format is unknown.
    """
    others = sorted({*running} - {target})
    if not others:
        return None
    if others[0] < target < others[-1]:
        raise ChangeRefused(
            Refusal.BOTH_WAYS,
            f"The cluster runs {others[0]} and {others[-1]}, and {target} is between both. Choose {others[0]} or {others[-1]} as the version first.",
        )
    backward = others[-1] > target
    for other in others:
        older, newer = sorted((other, target))
        if _skips(older, newer):
            raise ChangeRefused(
                Refusal.SKIPPED_LINE, f"{other} to {target} skips a line of releases. Change to a release of each line between, one after the other."
            )
        _check_break(other, target, older, newer)
    _check_files(others, target, formats)
    _check_schemas(others[-1], target, schemas)
    oldest, newest = min(others[0], target), max(others[-1], target)
    if len({*apis}) > 1:
        return ReleaseChange(API_CHANGED.order, backward, API_CHANGED)
    rule = next(rule for rule in ORDER_RULES if oldest < rule.into <= newest or rule is ORDER_RULES[-1])
    return ReleaseChange(rule.order.backwards if backward else rule.order, backward, rule)


def not_ready(order: Order, role: str, behind: Mapping[str, Sequence[str]]) -> str:
    """Return why the servers of one role may not change alone now; empty when they may.

    ``behind``: role -> hosts that do not run the target release yet.
    """
    if order is Order.LEAST_DOWNTIME:
        others = sorted(host for other, hosts in behind.items() if other != role for host in hosts)
        before = f"banyandb_upgrade_only: API versions differ, so the {role} nodes change together with "
        return naming(before, others, ". Remove banyandb_upgrade_only.") if others else ""
    first = PHASES[order][0][0]
    late = sorted(behind.get(first, ()))
    if role == first or not late:
        return ""
    return naming(f"banyandb_upgrade_only: the {role} nodes change after the {first} nodes, and ", late, f" did not yet. Upgrade the {first} nodes.")


def _skips(older: Release, newer: Release) -> bool:
    """Return whether a line is between both releases. Source: upgrade.md, "Perform the upgrades consecutively"."""
    if older.major == newer.major:
        return newer.minor - older.minor > 1
    return newer.line != (older.major + 1, 0)


def _check_break(other: Release, target: Release, older: Release, newer: Release) -> None:
    """Check that no break is between both releases. Raises ChangeRefused."""
    for each in BREAKS:
        if older < each.into <= newer:
            raise ChangeRefused(Refusal.OTHER_DIRECTORIES, f"{other} cannot change to {target} in place: {each.why}. {_instead(other, target)}")


def _check_files(others: Sequence[Release], target: Release, formats: Collection[str] | None) -> None:
    """Check that the target reads the files of the cluster. Source: upgrade.md, Server and File Versioning. Raises ChangeRefused."""
    found = {file_format(other).writes for other in others} if formats is None else {*formats}
    wrong = unreadable(found, target)
    if wrong:
        what = f"{target} cannot read data files of format {', '.join(wrong)}: expected {', '.join(file_format(target).reads)}."
        raise ChangeRefused(Refusal.UNREADABLE_FILES, f"{what} {_instead(others[-1], target)}")


def _check_schemas(newest: Release, target: Release, schemas: Collection[str] | None) -> None:
    """Check that the target reads the schemas of the cluster. Raises ChangeRefused."""
    if newest >= SCHEMAS_CHANGED > target and (schemas is None or schemas):
        which = f" of {listed(sorted(schemas), 2, 60)}" if schemas else ""
        raise ChangeRefused(
            Refusal.UNREADABLE_SCHEMAS, f"{target} cannot read schemas{which} that were made with {newest}. {_instead(newest, target)}"
        )


def _instead(other: Release, target: Release) -> str:
    if other > target:
        return f"Restore a backup from before the change to {other}."
    return f"Deploy {target} as a new cluster, and remove this cluster when its data has expired."
