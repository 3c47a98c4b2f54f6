# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what ``nft --json list`` prints (libnftables-json(5)). Pure.

Versions print the same rules in other forms. nft 0.9.8 prints 0.0.0.0/0 as a range, nft 1.0.6 as a prefix; nft 1.1.3 prints chains before sets.
So callers compare ranges of numbers, and no text (recorded in tests/unit/recorded).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

#: First and last number of a range.
Range = tuple[int, int]
#: IP version -> the highest address.
LAST = {4: 2**32 - 1, 6: 2**128 - 1}


_TEXTS = ("family", "table", "name", "chain")


class BadListing(ValueError):
    """The text is not the JSON of nft; the message says what is wrong."""


def objects(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects of a listing, each with its kind (``table``, ``chain``, ``set``, ``rule``, ...), in order. Raises BadListing."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BadListing(f"nft --json printed no JSON: {shown(text)}") from None
    listed = document.get("nftables") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise BadListing(f"nft --json printed no list nftables: {shown(document)}")
    found = []
    for each in listed:
        if not isinstance(each, dict) or len(each) != 1 or not all(isinstance(value, dict) for value in each.values()):
            raise BadListing(f"nft --json printed an unknown object: {shown(each)}")
        if not all(isinstance(value.get(key, ""), str) for value in each.values() for key in _TEXTS):
            raise BadListing(f"nft --json printed an object whose name is no text: {shown(each)}")
        found += [(kind, value) for kind, value in each.items() if kind != "metainfo"]
    return found


def names(value: Any) -> list[str]:
    """Return flags or types. nft prints a list of texts, and newer versions print one text alone."""
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def address_range(element: Any, version: int) -> Range | None:
    """Return the addresses of an element as numbers. None for another element. ``version``: 4 or 6."""
    element = _without_counter(element)
    if isinstance(element, str):
        return _network(element, version)
    if isinstance(element, Mapping):
        prefix, between = element.get("prefix"), element.get("range")
        if isinstance(prefix, Mapping):
            return _network(f"{prefix.get('addr')}/{prefix.get('len')}", version)
        if isinstance(between, list) and len(between) == 2:
            ends = [_network(each, version) if isinstance(each, str) else None for each in between]
            if ends[0] and ends[1] and ends[0][0] <= ends[1][1]:
                return ends[0][0], ends[1][1]
    return None


def number_range(element: Any) -> Range | None:
    """Return the numbers of an element, such as a port or a range of ports. None for another element."""
    element = _without_counter(element)
    if isinstance(element, int) and not isinstance(element, bool):
        return element, element
    between = element.get("range") if isinstance(element, Mapping) else None
    if isinstance(between, list) and len(between) == 2 and all(isinstance(each, int) for each in between) and between[0] <= between[1]:
        return between[0], between[1]
    return None


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same numbers as ranges that neither overlap nor touch, sorted."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def without(ranges: Sequence[Range], taken: Sequence[Range]) -> tuple[Range, ...]:
    """Return the numbers of ``ranges`` that are not in ``taken``. Both are results of merged()."""
    left = list(ranges)
    for first, last in taken:
        left = [part for low, high in left for part in ((low, min(high, first - 1)), (max(low, last + 1), high)) if part[0] <= part[1]]
    return tuple(left)


def networks(ranges: Iterable[Range], version: int) -> list[str]:
    """Return ranges of addresses as networks, such as ``10.0.0.0/8``."""
    address = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return [str(each) for first, last in ranges for each in ipaddress.summarize_address_range(address(first), address(last))]


def range_of(network: str) -> tuple[int, Range]:
    """Return the IP version and the addresses of a network as numbers. Raises ValueError."""
    parsed = ipaddress.ip_network(network)
    return parsed.version, (int(parsed.network_address), int(parsed.broadcast_address))


def _network(text: str, version: int) -> Range | None:
    try:
        parsed = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return (int(parsed.network_address), int(parsed.broadcast_address)) if parsed.version == version else None


def _without_counter(element: Any) -> Any:
    """Return an element without its counter, comment or time-out."""
    inner = element.get("elem") if isinstance(element, Mapping) else None
    return inner.get("val") if isinstance(inner, Mapping) else element
