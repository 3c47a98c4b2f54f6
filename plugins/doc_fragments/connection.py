# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How running servers are asked; the options of module_utils/host/server/connection_options.py."""

    DOCUMENTATION = r"""
options:
  timeout:
    description: Seconds for one call to one endpoint, its connection included.
    type: float
    default: 5
  deadline:
    description: Seconds for one round of calls to all endpoints together. Those whose turn has not come by then count as C(timeout).
    type: float
    default: 60
  retries:
    description:
      - How often an endpoint is asked again that refused the connection or was unavailable.
      - The pause before it doubles from 0.1 to 2 seconds. Other failures are never retried, because they do not pass by themselves.
    type: int
    default: 2
  concurrency:
    description: How many endpoints are asked at a time.
    type: int
    default: 64
  tls:
    description: Whether the ports that are asked speak TLS. There is no way to skip the check of their certificates.
    type: bool
    default: false
  ca_path:
    description:
      - File with the CA certificates, in PEM form, that the servers' certificates are checked against; no others are trusted.
      - It is read on the machine where the module runs. Required with O(tls=true).
    type: path
  tls_server_name:
    description: Name to expect in the certificates instead of the host of each address.
    type: str
  username:
    description:
      - User for servers with an authentication file. Sent as gRPC metadata or as HTTP basic authentication, to every endpoint.
      - Only the client ports of liaisons and standalone servers ask for it.
    type: str
  password:
    description: Password of O(username).
    type: str
notes:
  - Servers are asked directly, whatever proxy the environment of the module names.
"""
