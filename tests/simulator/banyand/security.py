# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS and authentication (contract, section 7)."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import time

import yaml

from .channel import client_tls
from .log import log
from .watch import RENAME, WRITE, FileWatch
from .web import text_reply
from .wire import UNAUTHENTICATED, Status, is_streaming, streaming

# The server uses replaced CAs 2.2 s after the rename: it watches the new file after 1.65 s (measured), and loads the file 0.5 s later.
_CA_REMOVED, _CA_SETTLE, _CA_PAUSE = 1.65, 0.5, 0.5
# Seconds without the file after which the server panics: 5 tries of 6 s, and their pauses (read in pkg/tls/reloader.go).
_CA_ABSENT = 32.0
# The server uses a replaced certificate after 2.0-2.5 s (measured, section 7).
_CERTIFICATE_POLL, _CERTIFICATE_SETTLE = 0.25, 2.0
# The server reads its users this many seconds after the last write (measured, section 7).
_USERS_SETTLE = 0.5


class ConfigError(Exception):
    """The server refuses certificates or credentials. The message has the file and the reason."""


class ServerTls:
    """The TLS context of one listening port. While `follow` runs, `context` uses a replaced certificate."""

    def __init__(self, cert_file, key_file, protocol="h2"):
        self.files = (cert_file, key_file)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols([protocol])
        self.load()

    async def follow(self):
        """Load the files again after a change and ignore unusable files. Runs until cancelled."""
        seen = self._stamps()
        while True:
            await asyncio.sleep(_CERTIFICATE_POLL)
            found = self._stamps()
            if found != seen:
                await asyncio.sleep(_CERTIFICATE_SETTLE)
                seen = self._stamps()
                try:
                    self.load()
                except ConfigError as error:
                    log("error", "TLS-RELOADER", str(error))

    def _stamps(self):
        stamps = []
        for path in self.files:
            try:
                found = os.stat(path)
                stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
            except OSError:
                stamps.append(None)
        return stamps

    @classmethod
    def of(cls, flags, prefix, protocol="h2"):
        """Return the TLS of the flags with a prefix such as `http-`, or None when it is off. Raises ConfigError."""
        if not flags[prefix + "tls"]:
            return None
        for what in ("cert", "key"):
            if not flags[f"{prefix}{what}-file"]:
                raise ConfigError(f"invalid server {what} file: --{prefix}{what}-file is empty while --{prefix}tls is set")
        return cls(flags[prefix + "cert-file"], flags[prefix + "key-file"], protocol)

    def load(self):
        """Read the files. Raises ConfigError."""
        try:
            self.context.load_cert_chain(*self.files)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cannot use certificate {self.files[0]} with key {self.files[1]}: {error}") from None


class GossipTls(ServerTls):
    """The TLS context of the gossip port, which uses the certificate of the start until the end (measured, contract suite)."""

    async def follow(self):
        """Load nothing again."""

    @classmethod
    def of(cls, flags):
        """Return the TLS of the flags, or None when it is off. Raises ConfigError, with the words of the real server."""
        prefix = "property-repair-gossip-"
        if not flags[prefix + "grpc-tls"]:
            return None
        if not flags[prefix + "client-ca-cert"]:
            raise ConfigError("gossip vilidate failure: CA certificate path must be provided when TLS is enabled")
        files = {what: flags[f"{prefix}grpc-server-{what}-file"] for what in ("cert", "key")}
        for what, path in files.items():
            if not path:
                raise ConfigError(f"gossip vilidate failure: invalid server {what} file")
        return cls(*files.values())


def client_context(flags, prefix):
    """Return a function that returns the TLS context for connections of one kind, or None for plaintext. Raises ConfigError."""
    if not flags[prefix + "-tls"]:
        return None
    ca_cert = flags[prefix + "-ca-cert"]
    if not ca_cert:
        raise ConfigError(f"--{prefix}-tls is set, but no CA certificate file was provided (--{prefix}-ca-cert is required)")
    trust(ca_cert)
    return lambda: client_tls(ca_cert)


async def follow_ca(ca_cert, use):
    """Call the coroutine function `use` after each change of a CA file. A file that stays away ends the process, as in the real server.

    Runs until cancelled.
    """
    watch = FileWatch(ca_cert)
    watch.add()
    try:
        while True:
            if await watch.events.get() != WRITE:
                await asyncio.sleep(_CA_REMOVED)
                await _watch_again(watch)
            await asyncio.sleep(_CA_SETTLE)
            try:
                trust(ca_cert)
            except ConfigError as error:
                log("error", "TLS-RELOADER", str(error))
                continue
            log("info", "TLS-RELOADER", "CA certificate updated, reconnecting clients", path=ca_cert)
            await use()
    finally:
        watch.close()


async def _watch_again(watch):
    for _ in range(int(_CA_ABSENT / _CA_PAUSE)):
        try:
            watch.add()
            return
        except FileNotFoundError:
            await asyncio.sleep(_CA_PAUSE)
    log("panic", "TLS-RELOADER", "Failed to re-add file to watcher after 5 attempts")
    os._exit(2)


def trust(ca_cert):
    """Return a TLS context that trusts a CA bundle. Raises ConfigError."""
    try:
        return client_tls(ca_cert)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot use CA certificate {ca_cert}: {error}") from None


class Credentials:
    """The users of the public ports. Without --auth-config-file, the ports are open to all. An empty list refuses everybody."""

    def __init__(self, path):
        self.path = path
        self.users = []
        self._content = b""

    @classmethod
    def of(cls, flags):
        """Return the users of --auth-config-file. Raises ConfigError."""
        credentials = cls(flags["auth-config-file"])
        if credentials.path:
            credentials.load()
        return credentials

    def load(self):
        """Read the file. Raises ConfigError: the users are then unchanged."""
        try:
            mode = os.stat(self.path).st_mode & 0o777
            if mode != 0o600:
                raise ConfigError(f"config file {self.path} has unsafe permissions: {mode:o} (expected 0600)")
            with open(self.path, "rb") as file:
                content = file.read()
            document = yaml.safe_load(content)
            document = {} if document is None else document
            # The server compares without the blanks around.
            users = [(str(user.get("username", "")).strip(), str(user.get("password", "")).strip()) for user in document.get("users") or []]
        except (OSError, ValueError, yaml.YAMLError, TypeError, AttributeError) as error:
            raise ConfigError(f"cannot use {self.path}: {error}") from None
        self.users, self._content = users, content

    def watch(self):
        """Return a watch on the file, for follow(); None without a file."""
        if not self.path:
            return None
        watch = FileWatch(self.path)
        watch.add()
        return watch

    async def follow(self, watch):
        """Read the file 0.5 s after the last write to it, or after its move to another name. Runs until cancelled."""
        due = None
        while True:
            try:
                event = await asyncio.wait_for(watch.events.get(), None if due is None else max(due - time.monotonic(), 0))
            except asyncio.TimeoutError:
                due = None
                self._reload()
                continue
            if event in (WRITE, RENAME):
                due = time.monotonic() + _USERS_SETTLE

    def _reload(self):
        try:
            with open(self.path, "rb") as file:
                if file.read() == self._content:
                    return
            self.load()
            log("info", "AUTH", "auth config updated in memory")
        except (OSError, ConfigError) as error:
            log("error", "AUTH", "failed to reload config", error=str(error))

    def knows(self, username, password):
        return username is not None and password is not None and (username.strip(), password.strip()) in self.users

    def protect_services(self, services):
        """Return the methods with a guard. The health service has none."""
        if not self.path:
            return services

        def guarded(handler):
            async def answer(request, metadata):
                if not self.knows(metadata.get("username"), metadata.get("password")):
                    raise Status(UNAUTHENTICATED, "Invalid credentials")
                return await handler(request, metadata)

            return streaming(answer) if is_streaming(handler) else answer

        return {path: handler if "/grpc.health." in path else guarded(handler) for path, handler in services.items()}

    def protect_routes(self, routes):
        """Return the paths with HTTP Basic authentication. /api/healthz has none."""
        if not self.path:
            return routes

        def guarded(handler):
            async def answer(headers):
                header = headers.get("authorization", "")
                if not header:
                    realm = ("WWW-Authenticate", 'Basic realm="Restricted"')
                    return text_reply("Authorization header is missing\n", 401, [realm])
                if not header.startswith("Basic "):
                    return text_reply("Invalid authorization header format\n", 400)
                try:
                    username, _, password = base64.b64decode(header[6:], validate=True).decode().partition(":")
                except ValueError:
                    return text_reply("Failed to decode authorization header\n", 400)
                if not self.knows(username, password):
                    return text_reply('{"error": "invalid credentials"}\n', 401)
                return await handler({**headers, "username": username, "password": password})

            return answer

        return {path: handler if path == "/api/healthz" else guarded(handler) for path, handler in routes.items()}
