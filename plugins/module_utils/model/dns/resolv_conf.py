# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the text of a resolv.conf(5). Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

# The largest value of each numeric option in glibc (resolv/resolv.h). glibc uses this value for a larger number.
_NUMBERS = {"ndots": 15, "timeout": 30, "attempts": 5}
_FLAGS = {"use-vc": "use_vc", "no-aaaa": "no_aaaa", "edns0": "edns0", "rotate": "rotate"}


@dataclass(frozen=True)
class ResolvConf:
    """The settings of a resolv.conf; None: the file has no such setting.

    ``nameservers``: IP addresses in order. ``search``: domains. ``timeout``: seconds.
    ``use_vc``: ask by TCP only. ``no_aaaa``: ask for no IPv6 addresses. ``edns0``: send every question with EDNS.
    ``rotate``: start with another server at each question.
    """

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int | None = None
    timeout: int | None = None
    attempts: int | None = None
    use_vc: bool = False
    no_aaaa: bool = False
    edns0: bool = False
    rotate: bool = False

    @classmethod
    def parse(cls, text: str) -> ResolvConf:
        """Return the settings in ``text``, as glibc reads them.

        The last line with ``search`` or ``domain`` wins. Unknown lines and options do not count.
        """
        nameservers: list[str] = []
        search: tuple[str, ...] = ()
        options: dict[str, Any] = {}
        for line in text.splitlines():
            word, *rest = line.split() or [""]
            if word == "nameserver" and rest and _is_ip_address(rest[0]):
                nameservers.append(rest[0])
            elif word in ("search", "domain"):
                search = tuple(rest)
            elif word == "options":
                options.update(pair for pair in map(_option, rest) if pair)
        return cls(tuple(nameservers), search, **options)


def _option(text: str) -> tuple[str, Any] | None:
    name, _colon, value = text.partition(":")
    if text in _FLAGS:
        return _FLAGS[text], True
    if name in _NUMBERS and re.fullmatch(r"[0-9]{1,9}", value) and (int(value) or name == "ndots"):
        return name, min(int(value), _NUMBERS[name])
    return None


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
