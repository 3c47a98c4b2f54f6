# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report a failed wave: one line for the run, one line for each further finding. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.variable_defaults import DEFAULT_CLUSTER
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import MOST, NAMES, cut, fitted, listed

#: Findings that a gate prints before it counts the rest.
FINDINGS = 10
# Lists of names become shorter until the reason has this many characters.
_ROOM = 80


@dataclass(frozen=True)
class Failure:
    """Why the change of one host failed. ``reason``: one line; ``log``: the command that shows the rest, or nothing."""

    reason: str
    log: str = ""

    def to_mapping(self) -> dict[str, str]:
        return asdict(self)


def failures_of(noted: Mapping[str, Any]) -> dict[str, Failure]:
    """Return the failures that the hosts of a play noted: host -> failure.

    ``noted``: host -> mapping with ``reason`` and ``log``. An empty value is no failure.
    """
    return {
        host: Failure(_unended(" ".join(str(value.get("reason", "")).split())), str(value.get("log", "")))
        for host, value in sorted(noted.items())
        if isinstance(value, Mapping) and value
    }


def _unended(reason: str) -> str:
    """Return a reason without the full stop at its end, because the summary goes on. Three full stops mark a shortened reason and stay."""
    return reason if reason.endswith("...") else reason.removesuffix(".")


def without_consequences(watches: Mapping[str, Any], failed: Collection[str]) -> dict[str, Any]:
    """Return the watches without the findings about failed hosts.

    A server whose change failed does not respond. This finding is a consequence of the failure, not a second failure.

    ``watches``: host -> result of the module ``cluster_watch``, or why there is no result. ``failed``: hosts whose change failed.
    """
    return {
        host: watch
        if isinstance(watch, str)
        else {**watch, "pairs": [pair for pair in watch["pairs"] if not {pair["observer"], pair["subject"]} & {*failed}]}
        for host, watch in watches.items()
    }


def gate_lines(title: str, reasons: Sequence[str], keep_first: bool) -> list[str]:
    """Return the lines that a gate prints.

    ``keep_first``: leave out the first finding, which the summary of the run prints.
    """
    if not reasons:
        return [f"gate {title}: open"]
    rest = reasons[1:] if keep_first else reasons
    count = f"{len(reasons)} finding{'' if len(reasons) == 1 else 's'}"
    more = [f"  and {len(rest) - FINDINGS} more, run skywalking.banyandb.status"] if len(rest) > FINDINGS else []
    return [f"gate {title}: closed, {count}", *(f"  {cut(reason, MOST - 2)}" for reason in rest[:FINDINGS]), *more]


def wave_summary(
    wave: Mapping[str, Any],
    reasons: Sequence[str],
    noted: Mapping[str, Any],
    rolled_back: bool | None,
    left: Sequence[str],
    predicted: bool = False,
) -> str:
    """Return the one line that ends a run, at most MOST characters.

    ``wave``: number, hosts and cluster. ``reasons`` and ``noted``: findings of the gate, and failures of hosts.
    ``rolled_back``: None before the wave began; else whether the cluster is healthy after the roll back.
    ``left``: hosts whose waves did not start. ``predicted``: whether the wave failed in check mode.
    Hosts with the same reason share one text. When the line is too long, the lists of names become shorter first, then the reason.
    """
    failures = failures_of(noted)
    failure = next(iter(failures.values()), Failure(_unended(reasons[0] if reasons else "no reason is known")))
    same = [host for host, other in failures.items() if other.reason == failure.reason]
    texts = [_parts(wave, failure, same, len(failures) - len(same), rolled_back, left, predicted, names) for names in (NAMES, 3, 1, 0)]
    before, after = next((parts for parts in texts if len("".join(parts)) + min(len(failure.reason), _ROOM) <= MOST), texts[-1])
    mark = '"' if failure.reason.endswith('"') else ""  # a shortened reason keeps its closing quote
    return fitted(before, failure.reason.removesuffix(mark), mark + after)


def _parts(
    wave: Mapping[str, Any],
    failure: Failure,
    failed: Sequence[str],
    others: int,
    rolled_back: bool | None,
    left: Sequence[str],
    predicted: bool,
    names: int,
) -> tuple[str, str]:
    """Return the text before and after the reason, with at most ``names`` names in each list. ``failed``: hosts with this reason."""
    number, hosts = wave["number"], listed(wave["hosts"], names)
    cluster = "" if wave["cluster"] == DEFAULT_CLUSTER else f" of cluster {wave['cluster']}"
    where = "" if not failed or [*failed] == [*wave["hosts"]] else f"{listed(failed, names)}: "
    more = f" ({others} more failed)." if others > 0 else "."
    if predicted:
        return f"Wave {number}{cluster} would fail on {hosts}: {where}", more
    if rolled_back is None:
        return f"Wave {number}{cluster} did not start ({hosts}): ", ". Run skywalking.banyandb.status, then skywalking.banyandb.heal."
    state = "was rolled back" if rolled_back else "the cluster is not healthy after the roll back"
    after = more + (f" Not started: {listed(left, names)}." if left else "")
    if failure.log:
        after += f" Log: {failure.log} on {failed[0]}."
    elif not rolled_back:
        after += " Run skywalking.banyandb.status."
    return f"Wave {number}{cluster} failed on {hosts} and {state}: {where}", after
