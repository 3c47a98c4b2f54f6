# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``cluster_report``. Runs only on the controller."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import READABLE, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_findings import LEAST_DAYS, Expiry, expiry
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import clusters
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.reachable_ports import open_line
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import listed, message, naming
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.discovery_modes import FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view import view_report
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.cluster_verdict import NO_VIEW, judge
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.expected_node import ExpectedNode
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.task_failure import failure_reason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.view_findings import SETTLE_SECONDS, VERDICTS
from ansible_collections.skywalking.banyandb.plugins.plugin_utils.human_output import details_wanted, show

ARGUMENTS: dict[str, Any] = {
    "register": {"type": "list", "elements": "str", "required": True},
    "path": {"type": "path"},
    "failed_parts": {"type": "str"},
    "certificates": {"type": "bool", "default": False},
    "only": {"type": "list", "elements": "str"},
    "open_ports": {"type": "bool", "default": False},
    "accept": {"type": "list", "elements": "str", "choices": list(VERDICTS), "default": list(VERDICTS)},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        hostvars = variables["hostvars"]
        reports = {}
        # The inventory lacks nodes that DNS has found; __banyandb_clusters has them.
        found = variables.get("__banyandb_clusters") or {name: asdict(one) for name, one in clusters(variables["groups"], hostvars).items()}
        expiring: dict[str, list[str]] = {}
        wanted = found if arguments["only"] is None else {name: found[name] for name in arguments["only"]}
        for name, cluster in sorted(wanted.items()):
            answers = {node["name"]: answer_of(node["name"], hostvars, arguments["register"]) for node in cluster["nodes"]}
            settle = cluster.get("settle", SETTLE_SECONDS)
            reports[name] = cluster_report(name, cluster["nodes"], answers, settle, cluster["mode"])
            if arguments["certificates"]:
                ends = expiry_of([node["name"] for node in cluster["nodes"]], hostvars, arguments["register"])
                reports[name]["lines"] += ends.lines
                expiring.update({name: ends.failing} if ends.failing else {})
            reports[name]["lines"] += given_up([node["name"] for node in cluster["nodes"]], hostvars, arguments["failed_parts"])
            if arguments["open_ports"]:
                names = [node["name"] for node in cluster["nodes"]]
                reports[name]["lines"] += opened(names, variables["__banyandb_local_servers"], hostvars, arguments["register"])
        show(line for one in reports.values() for line in one["lines"])
        if arguments["path"]:
            _write(arguments["path"], reports)
        result.update(changed=False, clusters=reports)
        worst = [f"{name} is {one['verdict']}" for name, one in reports.items() if one["verdict"] not in arguments["accept"]]
        said = f"Not converged: {listed(worst, 3)}. The table of this task says which node lacks which, and what to do." if worst else ""
        if expiring and not worst:
            hosts = [host for failing in expiring.values() for host in failing]
            said = naming("Certificates of ", hosts, " expire soon, or are not served. The table of this task says what to do.", 3)
        if said:
            result.update(failed=True, msg=message(said))
            if not details_wanted():
                del result["clusters"]
        return result


def given_up(hosts: Sequence[str], hostvars: Mapping[str, Any], register: str | None) -> list[str]:
    """Return a line for each directory with failed parts, and one for hosts that could not read these directories.

    ``register``: name of the variable with the result of failed_parts_info, or None.
    """
    registered = {host: hostvars[host].get(register) for host in hosts if register and host in hostvars}
    failed = sorted(host for host, result in registered.items() if isinstance(result, Mapping) and result.get("error"))
    unseen = sorted(host for host, result in registered.items() if isinstance(result, Mapping) and result.get("failed_parts", ()) is None)
    lines = [f"  {', '.join(unseen)}: cannot read the failed parts. Run with become: true."] if unseen else []
    lines += [f"  {', '.join(failed)}: the failed parts are unknown. See the error above."] if failed else []
    return lines + [
        f"  {host}: {found['parts']} part{'' if found['parts'] == 1 else 's'} in {found['path']}: acknowledged, but not sent to a data node. "
        "The liaison does not try again."
        for host, result in registered.items()
        if isinstance(result, Mapping)
        for found in result.get("failed_parts") or ()
    ]


def opened(hosts: Sequence[str], servers: Mapping[str, Any], hostvars: Mapping[str, Any], register: Sequence[str]) -> list[str]:
    """Return a line with the ports that answer every host without a password; no line without such a port.

    A host reports whether its firewall is loaded. For a host that does not know, the inventory counts.

    ``servers``: result of the filter local_servers. ``register``: as of answer_of().
    """
    ports: dict[str, list[int]] = {}
    for host in filter(servers.__contains__, hosts):
        results = [hostvars[host].get(name) for name in register]
        reported = [one["firewall"] for one in results if isinstance(one, Mapping) and one.get("firewall") is not None]
        if not (reported or [servers[host]["firewall"]])[0]:
            ports.setdefault(servers[host]["kind"], []).extend(servers[host]["open_ports"])
    line = open_line(ports)
    return [f"  {line}"] if line else []


def expiry_of(hosts: Sequence[str], hostvars: Mapping[str, Any], register: Sequence[str]) -> Expiry:
    """Return when the certificates of a cluster end. Hosts without TLS, or without an answer, are left out. ``register``: as of answer_of()."""
    ends: dict[str, datetime | None] = {}
    least = {}
    for host in filter(hostvars.__contains__, hosts):
        variables = hostvars[host]
        results = [variables.get(name) for name in register]
        answers = [one["endpoints"][host] for one in results if isinstance(one, Mapping) and host in one.get("endpoints", {})]
        served = answers[0].get("certificates") if answers else None
        if served is not None:
            moments = [datetime.fromisoformat(each["not_after"].replace("Z", "+00:00")) for each in served.values()]
            ends[host] = min(moments, default=None)
            days = str(variables.get("banyandb_certificate_least_days", LEAST_DAYS))
            least[host] = int(days) if days.isdigit() else LEAST_DAYS  # preflight names a wrong number
    return expiry(ends, datetime.now(timezone.utc), least)  # noqa: UP017


@dataclass(frozen=True)
class Answer:
    """The result of one host. ``view``: the cluster view of the host's server. ``stood``: seconds for which the view has not changed.

    ``reach``: address -> whether the host reached the address. ``silent``: entry names that the host could not reach; None without a test of all
    entries. ``blocked``: entry name -> seconds for which a drain still blocks the node on this host.
    """

    view: View | Failure
    reach: Mapping[str, bool] = field(default_factory=dict)
    stood: float = 0.0
    silent: Collection[str] | None = None
    blocked: Mapping[str, int] = field(default_factory=dict)


def answer_of(host: str, hostvars: Mapping[str, Any], register: Sequence[str]) -> Answer:
    """Return the answer of ``host`` from its results of cluster_state_info or topology. ``register``: names of the variables.

    Raises AnsibleActionFail for a result of a different module.
    """
    if host not in hostvars:
        return Answer(Failure(ErrorKind.NOT_ASKED, "DNS lists it and the inventory does not: add its host there"))
    registered = [_of_push(hostvars[host].get(name)) for name in register]
    found = next((result for result in registered if isinstance(result, Mapping) and _says_something(result)), None)
    if found is None and any(isinstance(result, Mapping) and "writes" in result for result in registered):
        return Answer(Failure(NO_VIEW, "its server does not run yet"))  # a push in check mode
    if found is None:
        return Answer(Failure(ErrorKind.NOT_ASKED, "its host was not part of this run"))
    if found.get("unreachable"):
        return Answer(Failure("unreachable", failure_reason(found)))
    try:
        if found.get("view") is not None:
            return Answer(View.from_result(found["view"]), silent=sorted({*found["away"], *found["held_back"]} - {*found["unready"]}))
        if host in found.get("endpoints", {}):
            endpoint = found["endpoints"][host]
            if endpoint["tables"] is None:
                return Answer(Failure(endpoint["error"]["kind"], endpoint["error"]["message"]), found["reach"], blocked=found["blocked"])
            return Answer(View.from_result(endpoint["tables"]), found["reach"], float(found["stood"]), blocked=found["blocked"])
    except (AttributeError, KeyError, TypeError) as error:
        what = f"{host}: {', '.join(register)} has no result of cluster_state_info or topology ({error!r}). Correct register."
        raise AnsibleActionFail(message(what)) from error
    return Answer(Failure("failed", failure_reason(found)))


def _of_push(result: Any) -> Any:
    """Return the result of the push in a result of the action plugin probe; return any other result unchanged."""
    return result["push"] if isinstance(result, Mapping) and result.get("push") else result


def _says_something(result: Mapping[str, Any]) -> bool:
    """Return whether a result has a view or a failure. A skipped task has neither."""
    return bool(result.get("unreachable") or result.get("failed")) or any(result.get(key) is not None for key in ("view", "endpoints"))


def cluster_report(
    name: str, entries: Sequence[Mapping[str, Any]], answers: Mapping[str, Answer], settle: float = SETTLE_SECONDS, discovery: str = FILE
) -> dict[str, Any]:
    """Verdict, pairs, matrix and the lines to print, for one cluster. ``settle`` and ``discovery``: see judge()."""
    nodes = [ExpectedNode.of(entry) for entry in entries]
    names = {entry["grpc_address"]: entry["name"] for entry in entries}
    reach = {
        (observer, names[address]): bool(reached)
        for observer, answer in answers.items()
        for address, reached in answer.reach.items()
        if address in names
    }
    for observer, answer in answers.items():
        if answer.silent is not None:
            reach.update({(observer, entry["name"]): entry["name"] not in answer.silent for entry in entries})
    views = {observer: answer.view for observer, answer in answers.items()}
    stood = {observer: answer.stood for observer, answer in answers.items()}
    blocked: dict[str, int] = {}
    for answer in answers.values():
        blocked.update({node: max(seconds, blocked.get(node, 0)) for node, seconds in answer.blocked.items()})
    verdict = judge(nodes, views, reach, stood, settle, discovery).with_drains(blocked)
    stopped = bool(views) and all(isinstance(view, Failure) and view.kind in (ErrorKind.REFUSED, ErrorKind.DISABLED) for view in views.values())
    lines = (view_report.lines_of_stopped if stopped else view_report.lines)(name, nodes, verdict)
    return {**verdict.to_mapping(), "lines": lines}


def _write(path: str, reports: Mapping[str, Any]) -> None:
    shown = {name: {key: one[key] for key in ("verdict", "pairs", "matrix")} for name, one in reports.items()}
    try:
        write(path, json.dumps(shown, indent=2).encode() + b"\n", READABLE)
    except OSError as error:
        raise AnsibleActionFail(message(f"{path}: cannot be written on the controller: {error.strerror}. Correct path.")) from error
