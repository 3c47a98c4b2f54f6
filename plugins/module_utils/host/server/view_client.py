# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions to one server that do not depend on the protocol. For type checks: HttpClient and GrpcClient have this form."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import View


class ViewClient(Protocol):
    """A client for repeated queries to one server. Each query ends within the time-out and the retries that the client was made with."""

    def cluster_state(self) -> View | Failure:
        """Return the cluster view of the server, or a failure."""

    def health(self) -> str | Failure:
        """Return the health of the server, or a failure. A healthy server reports ``SERVING``."""
