# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup srv, as a template calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ansible_collections.skywalking.banyandb.plugins.lookup import srv
from ansible_collections.skywalking.banyandb.tests.unit.programs import Programs
from tests.dns import Knot, Lie, LyingProxy

from .conftest import ZONE


@pytest.fixture
def look_up(programs: Programs) -> Callable[..., list[dict[str, Any]]]:
    """Return the result of the lookup in a template. Raises LookUpFailed with the message to the user."""

    def look_up(server: Knot | LyingProxy, *labels: str, **options: Any) -> list[dict[str, Any]]:
        given = {"nameservers": [f"{server.address}:{server.port}"], "attempts": 1, **options}
        names = [f"{label}._tcp.{ZONE}" for label in labels]
        arguments = json.dumps({"msg": "{{ query('skywalking.banyandb.srv', *names, **options) }}"})
        extra = json.dumps({"names": names, "options": given})
        done = programs.run("adhoc", "localhost", "-m", "debug", "-a", arguments, "-e", extra)
        assert "Traceback" not in done.stdout + done.stderr
        if done.returncode:
            raise LookUpFailedError(done.stdout + done.stderr)
        return list(json.loads(done.stdout.partition("=>")[2])["msg"])

    return look_up


class LookUpFailedError(Exception):
    pass


def test_the_records_of_all_names_one_after_the_other(look_up: Any, knot: Knot) -> None:
    found = look_up(knot, "_elsewhere", "_data")
    assert [(record["name"], record["target"]) for record in found] == [
        (f"_elsewhere._tcp.{ZONE}", "node1.other.test."),
        *((f"_data._tcp.{ZONE}", f"node{at}.{ZONE}") for at in (1, 2, 3)),
    ]
    assert found[1]["addresses"] == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize(
    ("label", "lie", "says"),
    [
        ("_nope", None, "no such name"),
        ("_text", None, "without SRV records"),
        ("_aliased-target", None, "is an alias of"),
        ("_data", Lie.SERVFAIL, "SERVFAIL"),
        ("_data", Lie.DROP, "no answer from"),
    ],
)
def test_one_bad_name_among_good_ones_is_an_error(look_up: Any, proxy: LyingProxy, label: str, lie: Lie | None, says: str) -> None:
    proxy.lie = lambda name, _kind: lie if name.startswith("_data") else None
    with pytest.raises(LookUpFailedError, match=says):
        look_up(proxy, "_elsewhere", label, timeout=0.5)


def test_the_example_that_asks_every_liaison_gives_endpoints_with_ansible_core_alone(programs: Programs, knot: Knot) -> None:
    task = yaml.safe_load(srv.EXAMPLES)[1]
    asked = f"'_data._tcp.{ZONE}', nameservers=['{knot.address}:{knot.port}']"
    targets = task["vars"]["targets"].replace("'_liaison._tcp.example.org'", asked)
    assert asked in targets
    arguments = json.dumps({"msg": task["skywalking.banyandb.cluster_state_info"]["endpoints"]})
    done = programs.run("adhoc", "localhost", "-m", "debug", "-a", arguments, "-e", json.dumps({"targets": targets}))
    names = [f"node{at}.{ZONE}" for at in (1, 2, 3)]
    assert json.loads(done.stdout.partition("=>")[2])["msg"] == [{"name": name, "address": f"{name}:17912"} for name in names]


def test_no_names_are_no_records(look_up: Any, knot: Knot) -> None:
    assert look_up(knot) == []


def test_a_denied_name_adds_nothing_for_who_asks_for_that(look_up: Any, knot: Knot) -> None:
    assert len(look_up(knot, "_nope", "_data", on_no_such_name="empty")) == 3


@pytest.mark.parametrize("options", [{"timeout": "soon"}, {"on_no_data": "shrug"}, {"nameservers": ["nobody"]}])
def test_bad_options_are_refused(look_up: Any, knot: Knot, options: dict[str, Any]) -> None:
    with pytest.raises(LookUpFailedError, match="timeout|on_no_data|name server 'nobody'"):
        look_up(knot, "_data", **options)
