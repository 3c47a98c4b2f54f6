# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports with TLS for tests, each with a certificate of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading


def context_of(tmp_path, made, level="DEFAULT", **settings):
    (tmp_path / f"{id(made)}.pem").write_text(made.pem + made.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(level)
    context.load_cert_chain(tmp_path / f"{id(made)}.pem")
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@contextlib.contextmanager
def serving(handle, host="127.0.0.1"):
    """Yield the address of a server that gives each connection to ``handle``."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:

        def serve():
            while True:
                try:
                    connection, _address = listening.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), connection:
                    handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"[{host}]:{listening.getsockname()[1]}" if ":" in host else f"{host}:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def tls(context):
    def handle(connection):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(1)

    return handle
