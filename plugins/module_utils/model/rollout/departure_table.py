# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format the points at risk when a data node leaves, as lines and messages. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.departure import (
    EVERY_GROUP,
    Cause,
    Content,
    Leaving,
    Reason,
    Risk,
    stamp,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, fitted, listed

VARIABLE = "banyandb_accept_data_loss"
NO_DATE = "no date"
HEADINGS = ("group", "copies", "host", "points", "safe from", "reason")


def leaving_lines(cluster: str, names: Sequence[str], inventory: Collection[str]) -> list[str]:
    """Return the lines about the nodes that leave the cluster; no line without such a node. ``inventory``: nodes of the inventory.

    The collection cannot stop the server of a node that is not in the inventory.
    """
    strangers = [name for name in names if name not in inventory]
    found = [f"cluster {cluster}: every server drops {listed(names)}"] if names else []
    return found + ([f"  not in the inventory: {listed(strangers)}. If its server still runs, stop and disable it"] if strangers else [])


def table(cluster: str, risks: Sequence[Risk], hosts: Mapping[str, str]) -> list[str]:
    """Return the lines of the table. ``hosts``: node name -> inventory name."""
    rows = [HEADINGS, *(_row(risk, hosts) for risk in sorted(risks, key=lambda risk: (risk.group, risk.host, risk.reason.value)))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS) - 1)]
    lines = [f"cluster {cluster}: points at risk when {listed(sorted({risk.host for risk in risks}))} is removed"]
    for row in rows:
        lines.append(f"  {'  '.join(cell.ljust(width) for cell, width in zip(row, widths))}  {row[-1]}".rstrip())
    return lines


def refusal(risks: Sequence[Risk], accepted: Collection[str], cause: Cause) -> str:
    """Return the message for the groups at risk that the user has not accepted; empty when the user accepted all.

    ``cause``: why the data of the nodes is gone.
    """
    groups = sorted({risk.group for risk in risks} - set(accepted))
    if not groups:
        return ""
    open_risks = [risk for risk in risks if risk.group in groups]
    hosts = listed(sorted({risk.host for risk in open_risks}), 2)
    number = f"{len(groups)} group{'' if len(groups) == 1 else 's'}"
    start = f"{hosts}: points of {number} are at risk, see the table. {_remedy(open_risks, cause)}, or set {VARIABLE}: ["
    return fitted(start, ", ".join(groups), "].")


def _remedy(risks: Sequence[Risk], cause: Cause) -> str:
    """Return what to do about the risks, as the start of a sentence."""
    without_date = [risk for risk in risks if risk.safe_from is None]
    keep = "keep the node" if cause is Cause.REMOVED else "restore the disk"
    if not without_date:
        return "Wait for its dates"
    if all(risk.reason in (Reason.NOT_COUNTED, Reason.FAILED_PARTS) for risk in without_date):
        return "Repair what its reasons name"
    return f"No row has a date: {keep}" if len(without_date) == len(risks) else f"Some rows have no date: {keep}"


def unknown_groups(accepted: Collection[str], known: Collection[str]) -> str:
    """Return the message for accepted names that are no group; empty when each name is a group."""
    unknown = sorted(set(accepted) - set(known))
    if not unknown:
        return ""
    found = f"groups of the clusters ({', '.join(sorted(known))})" if known else "no name, the clusters have no groups"
    return fitted(f"{VARIABLE} has {listed(unknown, 3)}, which is no group. Expected ", found, ". Correct the name.")


def no_groups(cluster: str, reason: str) -> str:
    """Return the message for a cluster whose groups no liaison reports."""
    after = f". Start a liaison, or lose what the node holds: {VARIABLE}: ['{EVERY_GROUP}']."
    return fitted(f"cluster {cluster}: no liaison reports the groups: ", reason or "no liaison in this run", after)


def warnings(cluster: str, content: Content, leaving: Sequence[Leaving]) -> list[str]:
    """Return the warnings about a removal that loses no point."""
    gone = {each.node for each in leaving}
    left = len([name for name in content.members if name not in gone])
    found = []
    short = sorted(group.name for group in content.groups if group.replicas + 1 > left)
    if short and left:
        nodes = f"{left} data node{'' if left == 1 else 's'}"
        found.append(fitted(f"cluster {cluster}: {nodes} remain, too few for all copies of new points in ", ", ".join(short), "."))
    counted = [name for nodes in content.counts.values() for name in nodes]
    for each in leaving:
        if each.node not in counted and any(not group.has_properties for group in content.groups):
            found.append(cut(f"{each.host}: no liaison uses the node, so the points that it holds are unknown. Only replicas were compared."))
    return found


def _row(risk: Risk, hosts: Mapping[str, str]) -> tuple[str, ...]:
    return (
        risk.group,
        str(risk.copies),
        risk.host,
        "unknown" if risk.points is None else str(risk.points),
        NO_DATE if risk.safe_from is None else stamp(risk.safe_from),
        _reason(risk, hosts),
    )


def _reason(risk: Risk, hosts: Mapping[str, str]) -> str:
    names = listed([hosts.get(name, name) for name in risk.names], 3)
    if risk.reason is Reason.LAST_COPY:
        return f"the other copies left with {names}" if risk.names else "there is no other copy"
    if risk.reason is Reason.TOO_FEW_COPIES:
        return "other nodes hold too few copies"
    if risk.reason is Reason.NOT_COUNTED:
        return f"nothing is known of {names}"
    return f"not passed on: {names}"
