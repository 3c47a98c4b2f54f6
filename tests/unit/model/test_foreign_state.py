# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects on a host that this collection did not make: refuse or report them, in one line with the next step."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.foreign_state import findings

NAME = "banyandb-data.service"
UNIT = f"/etc/systemd/system/{NAME}"
OURS = f"{UNIT}.d/banyandb.conf"
SETUP = {
    "paths": {"service": NAME, "unit_file": UNIT, "drop_in_file": OURS},
    "environment": {"BYDB_GRPC_PORT": 17912, "BYDB_LOGGING_LEVEL": "info"},
}


def looked_at(differs=(), **service):
    found = {"load_state": "loaded", "enabled": "enabled", "fragment_path": UNIT, "drop_ins": [], **service}
    return {"differs": list(differs), "services": {NAME: found}}


def reported(host):
    found = findings(SETUP, host)
    assert all(len(each.message) <= 200 and "\n" not in each.message for each in found)
    return [(each.refuses, each.message) for each in found]


def drop_in(option, reset=False, variables=(), section="Service", path=f"{UNIT}.d/local.conf"):
    setting = {"section": section, "option": option, "reset": reset, "variables": list(variables)}
    return looked_at(drop_ins=[{"path": path, "settings": [setting]}])


def different(what, path, expected, found):
    return looked_at([{"what": what, "path": path, "expected": expected, "found": found}])


def test_a_deployed_host_and_a_fresh_one_have_nothing_of_others():
    assert reported(looked_at()) == []
    absent = [{"what": "file", "path": UNIT, "expected": {"what": "file", "mark": "m", "sha256": "x"}, "found": {"what": "absent"}}]
    assert reported(looked_at(absent, load_state="not-found", enabled="", fragment_path="")) == []


@pytest.mark.parametrize(("enabled", "command"), [("masked", f"systemctl unmask {NAME}"), ("masked-runtime", f"systemctl unmask --runtime {NAME}")])
def test_a_masked_unit_is_refused_once_with_the_command(enabled, command):
    link = [{"what": "file", "path": UNIT, "expected": {"what": "file", "mark": "m"}, "found": {"what": "link"}}]
    ((refuses, message),) = reported(looked_at(link, load_state="masked", enabled=enabled, fragment_path="/dev/null"))
    assert refuses and message == f"{NAME}: masked on this host, so the server must not start. To let it start: {command}"


def test_a_unit_of_a_package_is_refused():
    ((refuses, message),) = reported(looked_at(fragment_path=f"/lib/systemd/system/{NAME}"))
    assert refuses and message.startswith(f"{NAME}: /lib/systemd/system/{NAME} was not written by this collection.")


def test_a_unit_that_was_disabled_is_reported():
    ((refuses, message),) = reported(looked_at(enabled="disabled"))
    assert not refuses and message.startswith(f"{NAME}: disabled on this host, and this run enables it.")


@pytest.mark.parametrize(
    ("host", "says"),
    [
        (different("file", UNIT, {"mark": "m", "sha256": "a"}, {"mark": "", "sha256": "b"}), f"{UNIT}: not written by this collection."),
        (different("file", "/etc/banyandb/data.env", {"mark": "m"}, {"mark": ""}), "/etc/banyandb/data.env: not written by this collection."),
        (different("link", "/opt/current", {"what": "link"}, {"what": "directory"}), "/opt/current: expected a link, found a directory."),
        (different("directory", "/etc/banyandb", {"what": "directory"}, {"what": "file"}), "/etc/banyandb: expected a directory, found a file."),
        (different("file", UNIT, {"what": "file", "mark": "m"}, {"what": "link"}), f"{UNIT}: expected a file, found a link."),
    ],
)
def test_what_stands_in_the_place_of_ours_is_refused(host, says):
    ((refuses, message),) = reported(host)
    assert refuses and message.startswith(says) and message.endswith("Move it away, then run this again.")


def test_what_is_ours_and_only_old_is_no_finding():
    assert reported(different("file", UNIT, {"sha256": "a"}, {"sha256": "b"})) == []
    assert reported(different("user", "banyandb", {"group": "banyandb"}, {})) == []


@pytest.mark.parametrize(
    ("host", "refuses", "says"),
    [
        (drop_in("ExecStart"), True, "sets ExecStart, which this collection decides. Set banyandb_artifact instead and remove it there."),
        (drop_in("User"), True, "Set banyandb_user instead"),
        (drop_in("PrivateNetwork"), True, "sets PrivateNetwork, which this collection decides. Remove it there."),
        (drop_in("EnvironmentFile", reset=True), True, "empties EnvironmentFile"),
        (drop_in("EnvironmentFile", variables=["BYDB_GRPC_PORT"]), True, "sets BYDB_GRPC_PORT. Set banyandb_grpc_port instead"),
        (drop_in("Environment", variables=["BYDB_HTTP_HOST"]), True, "sets BYDB_HTTP_HOST. Set banyandb_env instead"),
        (drop_in("Environment", variables=["BYDB_GRPC_PORT"]), False, "sets BYDB_GRPC_PORT without effect"),
        (drop_in("MemoryMax"), False, "overrides MemoryMax. Set banyandb_memory_max instead"),
    ],
)
def test_a_drop_in_of_an_operator_is_refused_or_reported_by_what_it_breaks(host, refuses, says):
    ((found, message),) = reported(host)
    assert found is refuses and says in message and message.startswith(f"{NAME}: drop-in {UNIT}.d/local.conf ")


@pytest.mark.parametrize(
    "host",
    [
        drop_in("Nice"),
        drop_in("Environment", variables=["GOGC"]),
        drop_in("EnvironmentFile", variables=["BYDB_LOGGING_LEVEL", "GOGC"]),
        drop_in("Description", section="Unit"),
        drop_in("MemoryMax", path=OURS),
    ],
)
def test_what_breaks_nothing_and_has_no_variable_is_the_operators_own(host):
    assert reported(host) == []
