# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what ``iptables -S`` prints, as objects of the JSON of nft. Pure.

iptables keeps most matches in extensions (xtables), and nft does not show what an extension does. Legacy iptables has tables that nft does not list
at all. ``iptables -S`` prints both in one format (iptables(8)).
"""

from __future__ import annotations

import shlex
from typing import Any

_SADDR = {"ip": "ip", "ip6": "ip6"}
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}
#: Targets after which a packet goes on to the next rule (iptables-extensions(8)).
_GOING_ON = ("LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CLASSIFY", "AUDIT", "TRACE", "SET", "TCPMSS", "DSCP", "TOS")


def objects(family: str, text: str, table: str = "filter") -> list[tuple[str, dict[str, Any]]]:
    """Return the chains and rules of ``iptables -S`` (family ``ip``) or ``ip6tables -S`` (family ``ip6``). An unknown line is left out.

    An unknown match becomes the statement ``limit``: the rule perhaps matches. ``table``: name of the table in the result.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    lines = [words for words in map(_words, text.splitlines()) if len(words) > 1]
    chains = [words[1] for words in lines if words[0] in ("-P", "-N")]
    for words in lines:
        if words[0] == "-P" and words[1] == "INPUT" and len(words) > 2:
            policy = _VERDICTS.get(words[2], words[2])
            found.append(("chain", {"family": family, "table": table, "name": words[1], "hook": "input", "policy": policy}))
        elif words[0] in ("-P", "-N"):
            found.append(("chain", {"family": family, "table": table, "name": words[1]}))
        elif words[0] == "-A":
            found.append(("rule", {"family": family, "table": table, "chain": words[1], "expr": _rule(family, words[2:], chains)}))
    return found


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quote without its end
        return line.split()


def _rule(family: str, words: list[str], chains: list[str]) -> list[dict[str, Any]]:
    """Return the statements of the words after ``-A <chain>``."""
    found: list[dict[str, Any]] = []
    negated = False
    while words:
        option, words = words[0], words[1:]
        if option == "!":
            negated = True
            continue
        values = []
        while words and words[0] != "!" and not words[0].startswith("-"):
            values.append(words[0])
            words = words[1:]
        if option in ("-j", "-g"):
            return found + _target(option, values[0] if values else "", chains)
        found += _match(family, option, values, "!=" if negated else "==")
        negated = False
    return found


def _match(family: str, option: str, values: list[str], operator: str) -> list[dict[str, Any]]:
    if option in ("-m", "--comment"):
        return []
    if len(values) == 1:
        value = values[0]
        left, right = {
            "-p": ({"meta": {"key": "l4proto"}}, int(value) if value.isdecimal() else value),
            "-i": ({"meta": {"key": "iifname"}}, value),
            "-s": ({"payload": {"protocol": _SADDR[family], "field": "saddr"}}, value),
            "--dport": ({"payload": {"protocol": "th", "field": "dport"}}, _ports(value)),
            "--dports": ({"payload": {"protocol": "th", "field": "dport"}}, _ports(value)),
            "--ctstate": ({"ct": {"key": "state"}}, {"set": value.lower().split(",")}),
            "--state": ({"ct": {"key": "state"}}, {"set": value.lower().split(",")}),
            "--dst-type": ({"fib": {"result": "type", "flags": "daddr"}}, {"set": value.lower().split(",")}),
        }.get(option, (None, None))
        if left is not None:
            return [{"match": {"op": operator, "left": left, "right": right}}]
    return [{"limit": None}]


def _ports(text: str) -> Any:
    """Return a list such as ``80,443:445`` as elements of nft. A name of a service stays text, which the reader does not know."""
    elements: list[Any] = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        if not (first.isdecimal() and (last.isdecimal() or not colon)):
            elements.append(part)
        else:
            elements.append({"range": [int(first), int(last)]} if colon else int(first))
    return {"set": elements}


def _target(option: str, target: str, chains: list[str]) -> list[dict[str, Any]]:
    if target in chains:
        return [{"goto" if option == "-g" else "jump": {"target": target}}]
    if target in _VERDICTS:
        return [{_VERDICTS[target]: None}]
    return [{"counter": None}] if target in _GOING_ON else [{"xt": None}]
