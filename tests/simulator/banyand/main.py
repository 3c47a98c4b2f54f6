# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command `banyand-server` of the simulator."""

from __future__ import annotations

import asyncio
import os
import pkgutil
import signal
import sys

from .flags import COMMANDS, FlagError, parse, usage
from .log import log

NOTICE = "this is a simulator of banyand-server for tests: it keeps points of measures, as far as tests need it, and nothing else"
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def version():
    return pkgutil.get_data("banyand", "VERSION").decode().strip()


def _root_usage():
    lines = ["banyand-server " + version(), NOTICE, "", "Usage:", "   [command]", "", "Available Commands:"]
    return "\n".join(lines + [f"  {command:<11} Run as the {command} server" for command in COMMANDS]) + "\n"


def _validate(flags):
    """Refuse the values that the real server refuses before its start. Raises FlagError."""
    mode, path = flags["node-discovery-mode"], flags["node-discovery-file-path"]
    names, ca_certs = flags["node-discovery-dns-srv-addresses"], flags["node-discovery-dns-ca-certs"]
    if mode not in ("none", "file", "dns"):
        raise FlagError(f"invalid node-discovery-mode: {mode}, must be 'dns', 'file', or 'none'")
    if mode == "dns":
        if not names:
            raise FlagError("DNS mode requires non-empty DNS SRV addresses")
        if flags["node-discovery-dns-tls"]:
            if not ca_certs:
                raise FlagError("DNS TLS is enabled, but no CA certificate files were provided")
            if len(ca_certs) != len(names):
                raise FlagError(f"number of DNS CA cert paths ({len(ca_certs)}) must match number of SRV addresses ({len(names)})")
    if mode == "file":
        if not path:
            raise FlagError("file mode requires non-empty file path")
        try:
            os.stat(path)
        except OSError as error:
            # Measured, section 1: without a topology file at start, the process exits.
            raise FlagError(f"file path validation failed: stat {path}: {os.strerror(error.errno).lower()}") from None


async def _run(command, flags):
    from .security import ConfigError
    from .server import KINDS, PortTaken, StartError

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in _SIGNALS:
        # The real server loses signals until its ports are open (section 1: only SIGKILL stops a waiting server).
        loop.add_signal_handler(number, lambda: None)
    try:
        server = KINDS[command](flags)
        await server.prepare()
    except (ConfigError, PortTaken, StartError, OSError) as error:
        log("fatal", command.upper(), "unexpected exit", error=str(error))
        return 1
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    try:
        await server.serve()
        await stopping.wait()
    except PortTaken as error:
        log("error", command.upper(), str(error))
    log("warn", command.upper(), "stopping")
    await server.stop()
    return 0


def main(arguments=None):
    """Run the server. The function never returns."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_root_usage())
        _exit(0)
    if "--version" in arguments or "-v" in arguments[:1]:
        sys.stdout.write(f"banyand-server version {version()}\n")
        _exit(0)
    command = arguments[0]
    if command not in COMMANDS:
        sys.stderr.write(f'Error: unknown command "{command}" for ""\n')
        _exit(1)
    if "-h" in arguments or "--help" in arguments:
        sys.stdout.write(usage(command))
        _exit(0)
    log("warn", "SIMULATOR", NOTICE, version=version())
    try:
        flags = parse(command, arguments[1:], os.environ)
        if flags["show-rungroup-units"]:
            # Measured: the real server reads the environment and validates only the types.
            sys.stdout.write(f"Group: {command} [svc]\n- config: simulator \n")
            _exit(0)
        _validate(flags)
    except FlagError as error:
        sys.stderr.write(f"Error: {error}\n")
        log("fatal", command.upper(), "unexpected exit", error=str(error))
        _exit(1)
    _exit(asyncio.new_event_loop().run_until_complete(_run(command, flags)))


def _exit(code):
    """Exit at once: a name lookup that hangs in a thread must not delay the exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
