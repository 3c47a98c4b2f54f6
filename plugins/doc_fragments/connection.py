# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options for querying running servers; module_utils/host/server/connection_options.py reads them."""

    DOCUMENTATION = r"""
options:
  timeout:
    description: Seconds for one call to one endpoint. The time includes the connection.
    type: float
    default: 5
  deadline:
    description: Seconds for one round of calls to all endpoints. An endpoint that the module has not called by then has the error C(timeout).
    type: float
    default: 60
  retries:
    description:
      - How often the module retries an endpoint that refuses the connection or is unavailable.
      - The pause before a retry doubles from 0.1 to 2 seconds. The module does not retry other failures, because they are permanent.
    type: int
    default: 2
  concurrency:
    description: How many endpoints the module queries at the same time.
    type: int
    default: 64
  tls:
    description: Whether the endpoints speak TLS. The module always checks their certificates.
    type: bool
    default: false
  ca_path:
    description:
      - PEM file with CA certificates. The module trusts only server certificates that these CAs signed.
      - The file is on the machine where the module runs. Required with O(tls=true).
    type: path
  tls_server_name:
    description: Host name that the server certificates must have. The default is the host of each address.
    type: str
  username:
    description:
      - User for servers with an authentication file. The module sends the user to every endpoint, as gRPC metadata or HTTP basic authentication.
      - Only the client ports of liaisons and standalone servers check the user.
    type: str
  password:
    description: Password of O(username).
    type: str
notes:
  - The module connects directly to the servers and ignores proxy variables of the environment.
"""
