# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask DNS with the options that the lookup, the module and the inventory share."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_resolver import AUTO, TCP, SrvTerms, SrvTermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.srv_snapshot import consult
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import NameServer, NoData, NoSuchName, Records, Standing


class RefusedError(ValueError):
    """The options do not accept the answer of DNS. ``standing``: the answer."""

    def __init__(self, standing: Standing) -> None:
        super().__init__("; ".join(dict.fromkeys([standing.outcome.message, *standing.warnings])))
        self.standing = standing


def argument_spec() -> dict[str, Any]:
    """Return the argument specification of a module. The documentation fragment ``srv`` describes the options."""
    return dict(
        nameservers=dict(type="list", elements="str", default=[]),
        timeout=dict(type="float"),
        attempts=dict(type="int"),
        tcp=dict(type="str", choices=list(TCP), default=AUTO),
        search=dict(type="bool", default=False),
        address_types=dict(type="list", elements="str", choices=["A", "AAAA"], default=["A", "AAAA"]),
        second_opinion=dict(type="bool", default=False),
        on_no_such_name=dict(type="str", choices=["fail", "empty"], default="fail"),
        on_no_data=dict(type="str", choices=["fail", "empty"], default="fail"),
        on_bad_target=dict(type="str", choices=["fail", "warn"], default="fail"),
        serve_stale=dict(type="bool", default=False),
        snapshot_dir=dict(type="path", default="~/.cache/skywalking.banyandb/srv"),
        max_age=dict(type="float", default=86400.0),
    )


def terms_of(options: Mapping[str, Any]) -> SrvTerms:
    """Return the terms in the options. Raises SrvTermsError and NameServerError."""
    return SrvTerms(
        nameservers=tuple(NameServer.parse(text) for text in options["nameservers"]),
        timeout=options["timeout"],
        attempts=options["attempts"],
        search=options["search"],
        address_types=tuple(options["address_types"]),
        second_opinion=options["second_opinion"],
        tcp=options["tcp"],
    )


def consulted(names: Iterable[str], options: Mapping[str, Any]) -> list[Standing]:
    """Return the standing of each name, in order.

    Raises RefusedError for the first standing that the options do not accept, SrvTermsError, NameServerError and SnapshotError.
    """
    terms = terms_of(options)
    directory = options["snapshot_dir"] if options["serve_stale"] else ""
    require_age(options["max_age"])
    return [_accepted(standing, options) for standing in consult(names, terms, directory, options["max_age"], time.time()).values()]


def require_age(seconds: float) -> None:
    """Check that ``seconds`` is a valid value of the option ``max_age``. Raises SrvTermsError."""
    if not 0 <= seconds < math.inf:
        raise SrvTermsError(f"max_age is {seconds}: expected seconds, 0 or more")


def warnings_of(standing: Standing) -> list[str]:
    """Return the warnings about an accepted answer."""
    problems = standing.outcome.problems if isinstance(standing.outcome, Records) else ()
    return [*standing.warnings, *(f"{standing.outcome.name}: {problem.message}" for problem in problems)]


def _accepted(standing: Standing, options: Mapping[str, Any]) -> Standing:
    outcome = standing.outcome
    if isinstance(outcome, Records):
        refused = bool(outcome.problems) and options["on_bad_target"] == "fail"
    elif isinstance(outcome, NoData):
        refused = options["on_no_data"] == "fail"
    elif isinstance(outcome, NoSuchName):
        refused = options["on_no_such_name"] == "fail"
    else:
        refused = standing.age is None
    if refused:
        raise RefusedError(standing)
    return standing
