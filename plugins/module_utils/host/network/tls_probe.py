# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds out whether a port speaks TLS. Standard library only, Python 3.9+. This file imports ``ssl``, so import it only after a failure."""

from __future__ import annotations

import ssl

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.happy_eyeballs import connect
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.reach import left
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import split_address


def speaks_tls(address: str, deadline: float) -> bool:
    """Return whether the server at ``host:port`` completes a TLS handshake before ``deadline`` (seconds of the monotonic clock).

    Sends no data, so the certificate is not checked. The caller closes its connection first, because a server may serve one connection at a time.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with connect(*split_address(address), deadline) as plain:
            plain.settimeout(left(deadline))
            with context.wrap_socket(plain):
                return True
    except OSError:
        return False
