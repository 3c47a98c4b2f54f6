# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How the server on the same host is asked; LOCAL_SERVER in module_utils/host/server/connection_options.py."""

    DOCUMENTATION = r"""
options:
  url:
    description: C(http://host:port) or C(https://host:port) of the local server's HTTP.
    type: str
    default: http://127.0.0.1:17913
  ca_path:
    description: CA that signed the certificate; required with an C(https) O(url).
    type: path
  username:
    description: User for a server with authentication.
    type: str
  password:
    description: Password of O(username).
    type: str
"""
