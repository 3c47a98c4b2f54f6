# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host asks its own server for the view. Pure."""

from __future__ import annotations

from typing import NamedTuple

# A data node with TLS shows no view over HTTP (section 7 of the contract).
HTTP, GRPC = "http", "grpc"


class Question(NamedTuple):
    """How a host asks its own server for the view.

    ``protocol``: HTTP or GRPC. ``address``: ``host:port``. ``ca_path``: CAs that the host trusts; empty without TLS. ``server_name``: name that the
    certificate must have; empty for the host of ``address``. ``users_path``: file with the users of the server; empty without authentication.
    """

    protocol: str
    address: str
    ca_path: str = ""
    server_name: str = ""
    users_path: str = ""
