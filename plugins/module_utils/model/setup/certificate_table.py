# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format the certificates of a cluster as a table: what expires when, and what the run does. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import DAY
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, cut

NODE, AUTHORITY = "node", "CA"
#: Characters of a name in a column.
_COLUMN = 40


class Row(NamedTuple):
    """One certificate. ``host``: empty for a CA of several hosts. ``kind``: NODE or AUTHORITY. ``end``: in UTC, None without a certificate.

    ``issuer``: the CA that signed, for a person. ``to_do``: what the run does with it.
    """

    host: str
    kind: str
    subject: str
    end: datetime | None
    issuer: str
    to_do: str = ""


def to_do(order: Mapping[str, Any] | None, waits: bool = False) -> str:
    """Return what a host does with its certificate. ``order``: as certificate_orders returns it, None for a host that keeps its files.

    ``waits``: whether one of its ports serves another certificate until a restart.
    """
    if order is None:
        return "restart: run deploy" if waits else ""
    if order["issuer"] or order["action"] == "issue":
        return cut(f"new certificate: {', '.join(map(_words, order['reasons']))}".rstrip(": "), _COLUMN)
    if order["action"] == "wait":
        return "waits for unreachable hosts"
    return "new CAs" if order["ca_changes"] or not order["reasons"] else cut(", ".join(map(_words, order["reasons"])), _COLUMN)


def lines(cluster: str, rows: Sequence[Row], now: datetime) -> list[str]:
    """Return the table of a cluster. ``now``: UTC."""
    cells = [["host", "kind", "subject", "days", "expires", "signed by", "to do"]]
    for row in rows:
        days, day = (str((row.end - now) // DAY), f"{row.end:%Y-%m-%d}") if row.end else ("-", "-")
        names = [cut(name, _COLUMN) or "-" for name in (row.host, row.kind, row.subject)]
        cells.append([*names, days, day, cut(row.issuer, _COLUMN) or "-", row.to_do])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    found = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
    return [f"certificates of cluster {cut(cluster, _COLUMN)}", *(cut(line, MOST) for line in found)]


def _words(reason: str) -> str:
    return reason.replace("_", " ")
