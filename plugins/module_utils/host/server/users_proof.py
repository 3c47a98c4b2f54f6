# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves by logins which users a running server accepts. Standard library only, Python 3.9+."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server import running_process
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.local_client import local_client
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import RunningServer, server_of_process
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.restart_reason import Reason, RestartReason
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import User
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import ErrorKind, Failure, TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.server_question import Question

ANSWER_SECONDS = 2.0
# Seconds between two rounds of logins. The server reads the file 0.5 s after a write (measured).
PAUSE_SECONDS = 0.1


def reads_file(running: RunningServer | None, path: str) -> bool:
    """Return whether a running server takes its users from the file ``path``."""
    return running is not None and any(question.users_path == path for question in running.at.logins)


def sees_writes(pid: int, path: str) -> bool:
    """Return whether the process sees a write to the file. A rename over the file ends its watch for good. Raises HostStateError."""
    return running_process.watches(pid, path)


def serves(pid: int, running: RunningServer) -> bool:
    """Return whether the process listens on each port where it asks for a user. Raises HostStateError."""
    return not running_process.silent_ports(pid, running.at.client_ports)


def reasons_to_restart(pid: int, path: str) -> list[RestartReason]:
    """Return why a running server that takes its users from ``path`` needs a restart. Raises HostStateError."""
    running = server_of_process(pid)
    if running is None or not reads_file(running, path) or sees_writes(pid, path):
        return []
    refused = any(_refuses_operator(question) for question in running.at.logins)
    return [RestartReason(Reason.USERS_UNREAD), *([RestartReason(Reason.LOGIN_REFUSED)] if refused else [])]


def _refuses_operator(question: Question) -> bool:
    """Return whether a server refuses the first user of its file, or the file has no user."""
    try:
        failure = login(question, None)
    except TermsError:
        return True
    return failure is not None and failure.kind == ErrorKind.AUTH


def login(question: Question, user: User | None) -> Failure | None:
    """Log in, and return the failure; None if the server admits the user. ``user``: None for the first user of its file. Raises TermsError."""
    options = {"username": user.username if user else None, "password": user.password if user else None}
    answer = local_client(options, question, ANSWER_SECONDS).cluster_state()
    return answer if isinstance(answer, Failure) else None


def await_users(logins: Sequence[Question], accepted: Collection[User], refused: Collection[User], seconds: float) -> str:
    """Wait until each address accepts and refuses these users, and return what is wrong after ``seconds``; an empty text if nothing is."""
    ends = time.monotonic() + seconds
    while True:
        wrong = _wrong(logins, accepted, refused)
        if not wrong or time.monotonic() >= ends:
            return wrong
        time.sleep(PAUSE_SECONDS)


def _wrong(logins: Sequence[Question], accepted: Collection[User], refused: Collection[User]) -> str:
    for question in logins:
        for user in accepted:
            failure = login(question, user)
            if failure is not None:
                return f"{question.address} refuses a new user" if failure.kind == ErrorKind.AUTH else failure.message
        for user in refused:
            failure = login(question, user)
            if failure is None:
                return f"{question.address} still accepts an old user"
            if failure.kind != ErrorKind.AUTH:
                return failure.message
    return ""
