# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Represent the reasons to start or restart a server as values. Pure.

A host reports reasons as plain data. The controller decides by these values. text() makes the sentence for a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple


class Reason(str, Enum):
    """The kind of a reason. The module ``host_info`` reports the first seven kinds; a request to restart adds the others."""

    ENVIRONMENT_CHANGED = "environment_changed"
    ENVIRONMENT_LEFT_OVER = "environment_left_over"
    PROGRAM_CHANGED = "program_changed"
    PROGRAM_REPLACED = "program_replaced"
    USERS_UNREAD = "users_unread"
    LOGIN_REFUSED = "login_refused"
    CERTIFICATE_NOT_LOADED = "certificate_not_loaded"
    REQUESTED = "requested"
    STOPPED = "stopped"
    NOT_RESPONDING = "not_responding"


#: A server that was started with other values of these variables listens on other ports.
PORT_VARIABLES = ("BYDB_GRPC_PORT", "BYDB_HTTP_PORT")
#: Reasons for which a server does not serve the collection before the change.
NOT_SERVING = (Reason.STOPPED, Reason.NOT_RESPONDING, Reason.LOGIN_REFUSED)


class RestartReason(NamedTuple):
    """One reason. ``variables``: names of environment variables; ``running`` and ``wanted``: paths of programs."""

    reason: Reason
    variables: tuple[str, ...] = ()
    running: str = ""
    wanted: str = ""

    @classmethod
    def from_mapping(cls, value: Mapping[str, Any]) -> RestartReason:
        """Return the reason that to_mapping() gave. Raises KeyError or ValueError for other data."""
        return cls(Reason(value["reason"]), tuple(value.get("variables", ())), value.get("running", ""), value.get("wanted", ""))

    def to_mapping(self) -> dict[str, Any]:
        """Return plain data for the result of a module, without empty fields."""
        fields = {"variables": list(self.variables), "running": self.running, "wanted": self.wanted}
        return {"reason": self.reason.value, **{name: value for name, value in fields.items() if value}}

    def text(self) -> str:
        """Return the reason as text for a plan."""
        return {
            Reason.ENVIRONMENT_CHANGED: f"started with other values of {', '.join(self.variables)}",
            Reason.ENVIRONMENT_LEFT_OVER: f"started with {', '.join(self.variables)}, which should not be set",
            Reason.PROGRAM_CHANGED: f"runs {self.running} instead of {self.wanted}",
            Reason.PROGRAM_REPLACED: "its program was replaced after it was started",
            Reason.USERS_UNREAD: "does not see changes of its file with users",
            Reason.LOGIN_REFUSED: "refuses the operator of its file with users",
            Reason.CERTIFICATE_NOT_LOADED: "loads its new certificate for the property gossip only at a start",
            Reason.REQUESTED: "restart requested",
            Reason.STOPPED: "not running",
            Reason.NOT_RESPONDING: "not responding",
        }[self.reason]

    def within(self, variables: Collection[str]) -> bool:
        """Return whether the reason is about these environment variables alone."""
        return bool(self.variables) and set(self.variables) <= set(variables)


def read(values: Sequence[Mapping[str, Any]]) -> tuple[RestartReason, ...]:
    """Return the reasons of a service. ``values``: ``needs_restart`` of the module ``host_info``."""
    return tuple(RestartReason.from_mapping(value) for value in values)


def concerns(reasons: Sequence[RestartReason], variables: Collection[str]) -> bool:
    """Return whether any reason names one of these environment variables."""
    return any(set(reason.variables) & set(variables) for reason in reasons)


def hangs(service: Mapping[str, Any]) -> bool:
    """Return whether the process of a server runs and does not listen. ``service``: as the module ``host_info`` returns it."""
    return bool(service["main_pid"]) and not service["ready"] and not concerns(read(service["needs_restart"]), PORT_VARIABLES)


def refuses_login(service: Mapping[str, Any]) -> bool:
    """Return whether the server refuses the login of the collection. ``service``: as the module ``host_info`` returns it."""
    return any(reason.reason == Reason.LOGIN_REFUSED for reason in read(service["needs_restart"]))
