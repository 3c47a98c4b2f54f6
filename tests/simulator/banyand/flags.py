# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command line and environment of banyand-server (contract, section 5).

The environment name of a flag is `BYDB_` + its name in upper case, `-` written as `_`. The command line overrides the
environment. An unknown flag is fatal; an unknown variable is ignored; an empty variable counts as unset.
"""

from __future__ import annotations

import re

from .flag_table import TABLE

COMMANDS = ("data", "liaison", "standalone")
_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50, "E": 1 << 60}


class FlagError(Exception):
    """The server refuses the command line or the environment. The message has the flag and the reason."""


def parse_duration(text):
    """Return the seconds of a Go duration such as `1m30s`. Raises ValueError."""
    if re.fullmatch(r"[+-]?0", text):
        return 0.0
    sign, rest = (-1.0, text[1:]) if text[:1] == "-" else (1.0, text.lstrip("+"))
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError("invalid duration")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def _boolean(text):
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("neither true nor false")


def _uint32(text):
    number = int(text)
    if not 0 <= number < 1 << 32:
        raise ValueError("value out of range")
    return number


def _size(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGTPE]?)(?:i?B)?", text, re.IGNORECASE)
    if not match:
        raise ValueError("not a size")
    return int(float(match.group(1)) * _SIZES[match.group(2).upper()])


def _host_provider(text):
    if text.lower() not in ("hostname", "ip", "flag"):
        raise ValueError("unknown node id provider " + text)
    return text.lower()


_PARSERS = {
    "string": str,
    "strings": lambda text: [item for item in text.split(",") if item],
    "bool": _boolean,
    "int": int,
    "uint32": _uint32,
    "float": float,
    "duration": parse_duration,
    "bytes": _size,
    "hostprovider": _host_provider,
}
_ZERO = {"string": "", "strings": "", "bool": "false", "int": "0", "uint32": "0", "float": "0", "duration": "0s", "bytes": "0"}


def specification(command):
    """Return the flags of a sub-command: name -> (type, default as text)."""
    flags = {}
    for line in TABLE.strip().splitlines():
        name, kind, commands, *default = line.split(" ", 3)
        if command[0] in commands:
            flags[name] = (kind, default[0] if default else _ZERO[kind])
    flags["name"] = ("string", command)
    return flags


def _convert(name, kind, text, where):
    try:
        return _PARSERS[kind](text)
    except ValueError as error:
        raise FlagError(f'invalid argument "{text}" for "{where}{name}" flag: {error}') from None


def parse(command, arguments, environment):
    """Return the values of all flags: flag name -> typed value (durations in seconds).

    Raises FlagError on an unknown flag or a value of the wrong type.
    """
    flags = specification(command)
    values = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            break
        if word.startswith("-n") and not word.startswith("--"):
            word = "--name=" + word[2:].lstrip("=") if len(word) > 2 else "--name"
        if not word.startswith("--"):
            if word.startswith("-") and word != "-":
                raise FlagError(f"unknown shorthand flag: '{word[1]}' in {word}")
            continue
        name, equals, text = word[2:].partition("=")
        if name not in flags:
            raise FlagError(f"unknown flag: --{name}")
        kind = flags[name][0]
        if not equals:
            if kind == "bool":
                text = "true"
            elif words:
                text = words.pop(0)
            else:
                raise FlagError(f"flag needs an argument: --{name}")
        values[name] = _convert(name, kind, text, "--")
    for name, (kind, default) in flags.items():
        if name in values:
            continue
        variable = "BYDB_" + name.upper().replace("-", "_")
        text = environment.get(variable) or default
        values[name] = _convert(name, kind, text, "--")
    return values


def usage(command):
    """Return the output of `--help` of a sub-command."""
    lines = [f"Run as the {command} server (simulator)", "", "Usage:", f"   {command} [flags]", "", "Flags:"]
    for name, (kind, default) in sorted(specification(command).items()):
        shown = f" (default {default})" if default != _ZERO.get(kind) else ""
        lines.append(f"      --{name} {kind}{shown}".replace(" bool", ""))
    return "\n".join(lines) + "\n"
