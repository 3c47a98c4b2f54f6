# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names without an address on this host. The C library gets test answers."""

from __future__ import annotations

import socket
import threading

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network import name_resolution


@pytest.fixture
def answers(monkeypatch):
    """Return name -> error of the look-up. Other names have an address."""
    raised: dict[str, Exception] = {}

    def getaddrinfo(name, _port, **_more):
        if name in raised:
            raise raised[name]
        return [("an address",)]

    monkeypatch.setattr(name_resolution.socket, "getaddrinfo", getaddrinfo)
    return raised


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, ""), "no_such_name"),
        (socket.gaierror(-5, "No address associated with hostname"), "no_such_name"),
        (socket.gaierror(socket.EAI_AGAIN, ""), "no_answer"),
        (socket.gaierror(socket.EAI_FAIL, ""), "no_answer"),
        (UnicodeError("label too long"), "no_name"),
    ],
)
def test_each_reason_is_distinguished_from_the_others(answers, raised, reason):
    answers["bad.example.org"] = raised
    assert name_resolution.unresolved(["good.example.org", "bad.example.org", "bad.example.org"]) == {"bad.example.org": reason}


def test_a_look_up_that_does_not_end_delays_no_other(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(name_resolution, "SECONDS", 0.2)
    monkeypatch.setattr(name_resolution.socket, "getaddrinfo", lambda name, _port, **_more: ended.wait() if name == "slow" else [])
    assert name_resolution.unresolved(["slow", *(f"n{number}" for number in range(40))]) == {"slow": "no_answer"}
    ended.set()


def test_this_machine_resolves_its_own_name():
    assert name_resolution.unresolved(["localhost", "127.0.0.1"]) == {}
