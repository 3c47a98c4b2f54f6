# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what on a host was not made by this collection, but by an operator, a package or another tool. Pure.

A deployment refuses to take such things away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.cluster_inventory import DECIDED_ELSEWHERE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.unit_options import DECIDED, HAS_A_VARIABLE, OF_THE_ENVIRONMENT

# Variables that decide where and how the collection asks the server, or that identify the configured server.
PROOF_NEEDS = frozenset(
    {
        *DECIDED_ELSEWHERE,
        "BANYANDB_UNIT_SHA256",
        "BYDB_GRPC_HOST",
        "BYDB_HTTP_GRPC_ADDR",
        "BYDB_HTTP_HOST",
        "BYDB_HTTP_TLS",
        "BYDB_LIAISON_SERVER_GRPC_HOST",
        "BYDB_LIAISON_SERVER_GRPC_PORT",
        "BYDB_OBSERVABILITY_LISTENER_ADDR",
        "BYDB_TLS",
        "GRPC_ENABLE_TXT_SERVICE_CONFIG",
    }
)
MASKED = "masked"
DISABLED = "disabled"
ABSENT = "absent"
AGAIN = "then run this again"


@dataclass(frozen=True)
class Finding:
    """One finding. ``refuses``: whether the run must change nothing on the host. ``message``: one line with what to do."""

    refuses: bool
    message: str


def findings(setup: Mapping[str, Any], host: Mapping[str, Any]) -> list[Finding]:
    """Return what on the host this collection did not make.

    ``setup``: result of the filter ``host_setup`` for a node. ``host``: result of the module ``host_info``.
    """
    paths = setup["paths"]
    name = paths["service"]
    service = host["services"][name]
    masked = service["load_state"] == MASKED
    found: list[Finding] = []
    if masked:
        flag = "--runtime " if str(service["enabled"]).endswith("runtime") else ""
        found.append(Finding(True, f"{name}: masked on this host, so the server must not start. To let it start: systemctl unmask {flag}{name}"))
    elif service["fragment_path"] not in ("", paths["unit_file"]):
        found.append(
            Finding(True, f"{name}: {service['fragment_path']} was not written by this collection. Remove its package or move it away, {AGAIN}.")
        )
    elif service["enabled"] == DISABLED and service["fragment_path"]:
        found.append(
            Finding(False, f"{name}: disabled on this host, and this run enables it. To keep it off: systemctl mask {name}, or remove the host.")
        )
    found += _of_paths(host["differs"], {paths["unit_file"]} if masked else ())
    for drop_in in service["drop_ins"]:
        if drop_in["path"] != paths["drop_in_file"]:
            found += _of_drop_in(name, drop_in, set(setup["environment"]))
    return found


def _of_paths(differs: Sequence[Mapping[str, Any]], known: Collection[str]) -> Iterator[Finding]:
    """Find files, links and directories of other writers at the paths of this collection."""
    for each in differs:
        path, expected, found = each["path"], each["expected"], each["found"]
        if path in known or each["what"] not in ("file", "link", "directory"):
            continue
        if expected.get("what") and found.get("what") != ABSENT:
            yield Finding(True, f"{path}: expected a {each['what']}, found a {found['what']}. Move it away, {AGAIN}.")
        elif "mark" in expected and "what" not in expected:
            yield Finding(True, f"{path}: not written by this collection. Move it away, {AGAIN}.")


def _of_drop_in(name: str, drop_in: Mapping[str, Any], ours: Collection[str]) -> Iterator[Finding]:
    for setting in drop_in["settings"]:
        key = (setting["section"], setting["option"])
        what = f"{name}: drop-in {drop_in['path']}"
        if key[1] in OF_THE_ENVIRONMENT:
            yield from _of_environment(what, setting, ours)
        elif key in DECIDED:
            yield Finding(True, f"{what} sets {key[1]}, which this collection decides. {_instead(DECIDED[key])}")
        elif key in HAS_A_VARIABLE:
            yield Finding(False, f"{what} overrides {key[1]}. Set {HAS_A_VARIABLE[key]} instead, to have it in the inventory.")


def _of_environment(what: str, setting: Mapping[str, Any], ours: Collection[str]) -> Iterator[Finding]:
    if setting["reset"] and setting["option"] == "EnvironmentFile":
        yield Finding(True, f"{what} empties EnvironmentFile, so the server would start without its settings. {_instead('')}")
    # A later EnvironmentFile= wins over the file of this collection; Environment= loses (systemd.exec(5)).
    wins = setting["option"] == "EnvironmentFile"
    for variable in setting["variables"]:
        if variable in PROOF_NEEDS and (wins or variable not in ours):
            yield Finding(True, f"{what} sets {variable}. Set {DECIDED_ELSEWHERE.get(variable, 'banyandb_env')} instead and remove it there.")
        elif variable in ours and not wins:
            yield Finding(False, f"{what} sets {variable} without effect: the environment file sets it too. Set it in banyandb_env.")


def _instead(variable: str) -> str:
    return f"Set {variable} instead and remove it there." if variable else "Remove it there."
