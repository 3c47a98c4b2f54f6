# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``certificate_orders``. Runs only on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import refused
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_authority import AuthorityError, retire
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.certificate_wishes import wishes_of
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release.node_certificates import (
    REPLACE,
    Decisions,
    Problem,
    Wishes,
    begin,
    decide,
    now,
    rows,
    settings_of,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.certificate_rounds import LAST_ROUND, groups_of, not_ended
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.booleans import is_true
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_table import lines
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import details_wanted, show

ARGUMENTS: dict[str, Any] = {
    "clusters": {"type": "dict", "required": True},
    "found": {"type": "str", "required": True},
    "round": {"type": "int", "choices": list(range(LAST_ROUND + 1)), "default": 0},
    "renew": {"type": "raw", "default": []},
    "new_key": {"type": "bool", "default": False},
    "rotate": {"type": "raw", "default": False},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        hostvars = variables["hostvars"]
        clusters = {
            name: [host for host in hosts if host in hostvars and is_true(hostvars[host].get("banyandb_tls", False))]
            for name, cluster in arguments["clusters"].items()
            for hosts in [[node["name"] for node in cluster.get("hosts", cluster["nodes"])]]
        }
        secured = [host for hosts in clusters.values() for host in hosts]
        here = [host for host in secured if host in variables["ansible_play_hosts"]]
        found = {host: (hostvars[host].get(arguments["found"]) or {}).get("tls") for host in here}
        step, check = arguments["round"], self._task.check_mode
        settings, problems = {}, []
        for host in secured:
            try:
                settings[host] = settings_of(host, hostvars[host])
            except ValueError as error:
                problems.append(Problem((host,), str(error)))
        wishes = Wishes()
        if not problems and step:
            try:
                wishes = wishes_of(arguments, secured, load_extra_vars(self._loader), check)
            except ValueError as error:
                problems.append(Problem(tuple(here), str(error)))
        decisions = Decisions(problems=problems)
        if not problems:
            try:
                decisions = decided(settings, found, wishes, check)
            except AuthorityError as error:
                decisions.problems.append(Problem(tuple(here), str(error)))
        if step and not decisions.problems:
            text = not_ended(decisions.orders, step, wishes.rotation == REPLACE)
            decisions.problems += [Problem(tuple(decisions.orders), text)] if text else []
        printed = [
            line for name, hosts in clusters.items() if hosts and step for line in lines(name, rows(hosts, found, decisions.orders), now())
        ]
        # The last table shows what the run made. The tables of the steps between would only repeat it.
        if step == 1 or decisions.problems or not decisions.orders:
            show(printed)
        orders = {} if decisions.problems and step else decisions.orders
        result.update(
            changed=not decisions.problems and bool(decisions.retired or (step == 1 and decisions.begun)),
            orders=orders,
            problems=[each._asdict() for each in decisions.problems],
            groups=groups_of(clusters, here, found, orders, decisions.expired, step, wishes.rotation == REPLACE and not decisions.retired),
        )
        if step:
            result["lines"] = printed
        if decisions.warnings and step <= 1:
            result["warnings"] = list(map(message, decisions.warnings))
        if decisions.problems and step:
            details = result if details_wanted() else {"warnings": result.get("warnings", [])}
            return {**details, **refused([each.message for each in decisions.problems])}
        return result


def decided(settings: Mapping[str, Any], found: Mapping[str, Any], wishes: Wishes, check: bool) -> Decisions:
    """Return the decisions. Outside of check mode, make the new CA and delete the CAs that no host uses any more. Raises AuthorityError."""
    decisions = decide(settings, found, now(), wishes)
    if check or decisions.problems:
        return decisions
    begun = decisions.begun
    if begun:
        begin(begun, settings, now())
        decisions = decide(settings, found, now(), wishes)
        decisions.begun = begun
    for directory, newest in decisions.retired.items():
        retire(directory, newest)
    return decisions
