# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what would stop a server at its next start, while the server still runs: its unit, its files and its ports.

Standard library only, Python 3.9+. The trial of the program (trial_run.py) ends before the program reads files or opens ports. Each function returns
a reason for a person, or an empty text. A reason has no full stop.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import socket
import stat
import subprocess
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import read_ca
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_process import port_holder
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.trial_run import SECONDS, Unit, in_sandbox
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.unit_overrides import settings
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.local_server import Listener, listeners
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.named_files import CA, USERS, NamedFile, named_files, pairs
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import HIDDEN, HOME, is_below
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import TermsError

# Mode that the server demands for the file with users (section 5 of the contract).
USERS_MODE = 0o600
# Characters for what systemd says. A reason has 150 characters at most.
SAID_LENGTH = 90
# Prints the number of each argument that the account cannot read, or does not see.
_UNREADABLE = 'i=0; for file; do i=$((i + 1)); [ -r "$file" ] || echo "$i"; done'
# Options with which the unit sees other files than this module.
_OTHER_FILES = ("Bind", "TemporaryFileSystem", "Root", "LoadCredential", "SetCredential")
# systemd shows the credentials of a unit only to this unit (systemd.exec(5)).
_CREDENTIALS = "/run/credentials"
# Lines of systemd-analyze: a fault that stops the start, and a setting that systemd ignores.
_FATAL = re.compile(r": (Failed to create |.*fatal error|.*bad unit file)")
_AT_LINE = re.compile(r"(?P<path>/\S+?):\d+: .*")
_FAILED = re.compile(r": (\w+=.*) failed\.$")
_COMMANDS = ("ExecCondition", "ExecStartPre", "ExecStartPost")


def of_unit(name: str, unit_files: Sequence[str]) -> tuple[str, list[str]]:
    """Return why systemd would not start the unit, and the settings that systemd ignores.

    ``name``: full name of the unit. ``unit_files``: the unit and its drop-ins, in the order of systemd. Without systemd-analyze on the host, the
    result is empty.
    """
    lines = _analyze("verify", "--man=no", *unit_files[:1])
    faults = [line.partition(": ")[2] for line in lines if line.startswith(f"{name}: ") and _FATAL.search(line)]
    # The output also has faults of the units that this unit names.
    ignored = [match for match in map(_AT_LINE.match, lines) if match and match["path"] in unit_files]
    return (
        f"{cut(faults[0].rstrip('.'), SAID_LENGTH)}. Correct banyandb_unit_options" if faults else "",
        [f"{match[0].rstrip('.')}. systemd ignores this setting. Correct banyandb_unit_options." for match in ignored],
    )


def of_commands(unit_files: Sequence[str]) -> str:
    """Return which command before or after the start of the program does not exist. Only its run shows the result of a command."""
    commands: dict[str, list[str]] = {}
    for path in unit_files:
        for section, option, value in settings(path):
            if section == "Service" and option in _COMMANDS:
                # An empty value removes all earlier commands (systemd.service(5)).
                commands[option] = [*commands.get(option, []), value] if value else []
    for option, value in ((option, value) for option, values in commands.items() for value in values):
        prefix = re.match("[-@:+!]*", value)
        program = _first_word(value[prefix.end() if prefix else 0 :])
        # systemd replaces a specifier such as %i.
        known = program.startswith("/") and "%" not in program
        if known and "-" not in (prefix[0] if prefix else "") and not os.access(program, os.X_OK):
            return f"{option}: {program} is no program. Correct banyandb_unit_options"
    return ""


def _first_word(command: str) -> str:
    try:
        return next(iter(shlex.split(command)), "")
    except ValueError:
        return ""  # systemd-analyze reports an open quote


def of_conditions(unit_files: Sequence[str]) -> str:
    """Return which condition or assertion of the unit fails now. ``unit_files``: the unit and its drop-ins, in the order of systemd."""
    wanted: list[str] = []
    for path in unit_files:
        for section, option, value in settings(path):
            kind = re.match("Condition|Assert", option)
            if section == "Unit" and kind:
                # An empty value removes all earlier conditions of its kind (systemd.unit(5)).
                wanted = [*wanted, f"{option}={value}"] if value else [each for each in wanted if not each.startswith(kind[0])]
    lines = _analyze("condition", *wanted) if wanted else []
    # One of several triggering conditions (``|``) may fail, so only the last line of each kind counts.
    failed = [match for kind in ("Assert", "Condition") if f"{kind}s failed." in lines for match in map(_FAILED.search, lines) if match]
    first = next((match[1] for match in failed), "")
    return f"{cut(first, SAID_LENGTH)} failed. Correct banyandb_unit_options, or mount the disk" if first else ""


def of_files(kind: str, environment: Mapping[str, str], unit: Unit | None, made: Collection[str] = ()) -> str:
    """Return which file of the environment the server could not use.

    ``unit``: its account and sandbox; None checks only that files exist. ``made``: paths of files that a later step writes.
    """
    files = [file for file in named_files(kind, environment) if not is_below(file.path, _CREDENTIALS) and file.path not in made]
    unset = next((file.variable for file in files if not file.path), "")
    if unset:
        return f"TLS is on, and {unset} is not set. Set it in banyandb_env"
    if unit is None or not files:
        return next((_missing(file) for file in files if _is_missing(file)), "")
    said = in_sandbox(unit, ["/bin/sh", "-c", _UNREADABLE, "sh", *(file.path for file in files)]).stdout.decode("utf-8", "replace").split()
    unreadable = [files[int(number) - 1] for number in said if number.isdigit() and 0 < int(number) <= len(files)]
    if unreadable:
        return _missing(unreadable[0]) if _is_missing(unreadable[0]) else _unreadable(unreadable[0], unit.user)
    sees_other_files = any(option.startswith(f"--property={start}") for option in unit.properties for start in _OTHER_FILES)
    return "" if sees_other_files else _content([file for file in files if os.path.isabs(file.path)])


def of_ports(kind: str, environment: Mapping[str, str], own: Collection[int]) -> str:
    """Return which address of the server is not free. ``own``: ports on which the running server listens, which its stop makes free."""
    for listener in listeners(kind, environment):
        if listener.port not in own:
            reason = _not_free(listener)
            if reason:
                return reason
    return ""


def environment_in_sandbox(unit: Unit) -> dict[str, str]:
    """Return the environment that systemd gives to a process of the unit. Raises HostStateError."""
    text = in_sandbox(unit, ["/usr/bin/env", "-0"]).stdout.decode("utf-8", "surrogateescape")
    return {name: value for name, _separator, value in (pair.partition("=") for pair in text.split("\0") if pair)}


def _analyze(verb: str, *arguments: str) -> list[str]:
    """Return the lines that systemd-analyze prints. Return nothing on a host without this program."""
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    try:
        done = subprocess.run(["systemd-analyze", verb, *arguments], capture_output=True, env=environment, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()


def _is_missing(file: NamedFile) -> bool:
    """Return whether a file does not exist. A relative path starts at the working directory of the server."""
    return os.path.isabs(file.path) and not os.path.exists(file.path)


def _missing(file: NamedFile) -> str:
    return f"{file.path} ({file.variable}) does not exist. Copy the file there, or correct banyandb_env"


def _unreadable(file: NamedFile, user: str) -> str:
    hidden = next((directory for directory in (*HIDDEN, HOME) if is_below(file.path, directory)), "")
    if hidden:
        return f"the unit hides {hidden}, and {file.variable} is {file.path}. Copy the file to /etc/banyandb"
    return f"user {user} cannot read {file.path} ({file.variable}). See: namei -l {file.path}"


def _content(files: list[NamedFile]) -> str:
    """Return which file has the wrong content or the wrong mode. Reads the files as root."""
    for file in files:
        if file.what == CA:
            try:
                read_ca(file.path)
            except TermsError:
                return f"{file.path} ({file.variable}) has no certificate in PEM form. Replace the file"
        if file.what == USERS:
            with contextlib.suppress(OSError):
                mode = stat.S_IMODE(os.stat(file.path).st_mode)
                if mode != USERS_MODE:
                    return f"{file.path} ({file.variable}) has mode {mode:04o}, expected {USERS_MODE:04o}. Run on the host: chmod 600 {file.path}"
    return next((reason for certificate, key in pairs(files) for reason in [_mismatch(certificate, key)] if reason), "")


def _mismatch(certificate: NamedFile, key: NamedFile) -> str:
    """Return why a certificate and a key are no pair."""
    import ssl  # imported only for a server with TLS, because the import takes 6 ms

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The server decides about weak keys, and not the policy of this host.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        # Without this password OpenSSL asks for the password of an encrypted key. The server cannot read such a key.
        context.load_cert_chain(certificate.path, key.path, password=lambda: "-")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{certificate.path} and {key.path} are no pair ({key.variable}). Replace one of them"
        return f"{certificate.path} and {key.path} are no certificate and key in PEM form ({key.variable}). Replace them"
    except OSError:
        return ""  # removed since the check before
    return ""


def _not_free(listener: Listener) -> str:
    """Return why this host cannot listen there. The socket gets no connection, because it never listens."""
    try:
        for family, host in _bound(listener):
            with socket.socket(family) as tried:
                # Go sets the same option. The kernel still refuses an address on which a process listens.
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind((host, listener.port))
                return ""
    except (socket.gaierror, UnicodeError):
        return f"{listener.host_variable} is {listener.host}, which this host cannot resolve. Correct banyandb_env"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            holder = port_holder(listener.port) or "another program"
            change = f", or change {listener.port_variable}" if listener.port_variable else ""
            return f"port {listener.port} is held by {holder}. Stop that program{change}"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"{listener.host_variable} is {listener.host}, which is no address of this host. Correct banyandb_env"
    return ""


def _bound(listener: Listener) -> list[tuple[int, str]]:
    """Return the family and the host of the socket that the server binds. Raises socket.gaierror."""
    if not listener.host:
        # Go listens on all addresses with one socket, or on a host without IPv6 with a socket of IPv4.
        return [(socket.AF_INET6, "::") if os.path.exists("/proc/net/if_inet6") else (socket.AF_INET, "")]
    found = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(found[0][0], str(found[0][4][0]))]
