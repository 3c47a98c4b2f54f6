# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the client for the server of this host: over HTTP or gRPC, with or without TLS and a user. Standard library only, Python 3.9+.

No other file decides how a local server is asked. The user comes from the file of the server itself, so no password travels
to the host for a question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.http_client import HttpClient
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import TermsError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.server_question import GRPC, Question

if TYPE_CHECKING:
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.view_client import ViewClient


def local_client(params: Mapping[str, Any], question: Question | None, timeout: float, retries: int = 0) -> ViewClient:
    """Return a client for the server of this host. Raises TermsError.

    ``params``: options LOCAL_SERVER of connection_options. ``question``: how to ask its process; None for the option ``url``.
    """
    if question is None or question.protocol != GRPC:
        return local_http_client(params, question, timeout, retries)
    # Imported only here: only a data node with TLS is asked over gRPC.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.grpc_view_client import GrpcClient

    username, password = _user(params, question)
    return GrpcClient(question.address, question.ca_path or None, question.server_name or None, username, password, timeout, retries)


def local_http_client(params: Mapping[str, Any], question: Question | None, timeout: float, retries: int = 0) -> HttpClient:
    """Return a client for the HTTP port of the server of this host, for questions that only HTTP answers. Arguments as of local_client()."""
    if question is None:
        return HttpClient(params["url"], params["ca_path"], params["username"], params["password"], timeout, retries)
    username, password = _user(params, question)
    url = f"{'https' if question.ca_path else 'http'}://{question.address}"
    return HttpClient(url, question.ca_path or None, username, password, timeout, retries, question.server_name)


def _user(params: Mapping[str, Any], question: Question) -> tuple[str | None, str | None]:
    """Return name and password of the options, else of the first user of the server. Raises TermsError, without a password."""
    if params["username"] or not question.users_path:
        return params["username"], params["password"]
    # Imported only here: only a server with users needs them.
    from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.server_users_file import read_users
    from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.server_users import users_in

    try:
        user = users_in(read_users(question.users_path).decode("utf-8", "replace"))[0]
    except OSError as error:
        raise TermsError(f"{question.users_path}: cannot read the users of the server: {error.strerror}. Run this with become: true.") from None
    except ValueError as error:
        raise TermsError(f"{question.users_path}: {error}.") from None
    return user.username, user.password
