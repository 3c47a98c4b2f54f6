# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options for querying the server on the same host; LOCAL_SERVER in module_utils/host/server/connection_options.py declares the arguments."""

    DOCUMENTATION = r"""
options:
  service:
    description:
      - Name of the server's unit on this host. The module then queries the host and port on which the running process listens. During a change of
        settings, the inventory already has the next host and port.
    type: str
  url:
    description:
      - URL of the local server's HTTP port, C(http://host:port) or C(https://host:port). The module uses the host and port of O(url) without
        O(service), and if O(service) does not run.
    type: str
    default: http://127.0.0.1:17913
  ca_path:
    description: PEM file of the CA that signed the server's certificate. Required if O(url) starts with C(https).
    type: path
  username:
    description: User for a server with authentication.
    type: str
  password:
    description: Password of O(username).
    type: str
"""
