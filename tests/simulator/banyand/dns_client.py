# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS client with the rules of Go's resolver, which the real server contains (package net of Go 1.26).

- Nameservers (at most three), search list and options come from /etc/resolv.conf. The client checks the file for changes at most
every 5 s.
- The client asks for a name with a trailing dot unchanged. For any other name it uses the search list: the plain name comes first if it has
`ndots` dots, else last.
- The client asks all nameservers in turn, `attempts` times, `timeout` seconds each. An answer without the name or without such records
ends the search, because another nameserver has the same answer. After every other answer without records the client asks the next nameserver.
- The client uses UDP with EDNS for 1232 bytes and ignores messages that are not the answer. It asks again by TCP after a truncated answer.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import struct
import time
from typing import NamedTuple

RESOLV_CONF = "/etc/resolv.conf"
PORT = 53
A, TXT, AAAA, SRV = 1, 16, 28, 33

_OPT, _IN, _UDP_SIZE = 41, 1, 1232
_NO_ERROR, _SERVER_FAILURE, _NO_SUCH_NAME = 0, 2, 3
_LOOK_AGAIN = 5.0
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.*[A-Za-z_-]){_LABEL}(?:\.{_LABEL})*\.?")
_LONGEST_NAME = 254


class LookupFailed(OSError):
    """A name has no answer. The message has the name and the reason."""


class _NoSuchHost(LookupFailed):
    """The answer says that there is no such name or record: the client asks no other nameserver."""


class Service(NamedTuple):
    """An SRV record. The target has its trailing dot."""

    target: str
    port: int
    priority: int
    weight: int


class Settings(NamedTuple):
    """Settings of /etc/resolv.conf. servers: addresses; search: names with a trailing dot; timeout in seconds."""

    servers: list
    search: list
    ndots: int
    timeout: int
    attempts: int
    rotate: bool
    tcp: bool


def is_literal(host):
    """Return whether a host is an IP address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
            return True
        except OSError:
            pass
    return False


def is_name(text):
    """Return whether Go accepts a text as a domain name: letters, digits, `-` and `_`, and not only digits."""
    return text == "." or (len(text.rstrip(".")) < _LONGEST_NAME and _NAME.fullmatch(text) is not None)


class ResolvConf:
    """The settings of a resolv.conf. The object reads the file again after a change."""

    def __init__(self, path=RESOLV_CONF):
        self.path = path
        self.settings = None
        self.changed = None
        self.looked = 0.0
        self.offset = 0

    def read(self):
        """Return the current Settings."""
        if self.settings is None or time.monotonic() - self.looked >= _LOOK_AGAIN:
            self.looked = time.monotonic()
            try:
                changed = os.stat(self.path).st_mtime_ns
            except OSError:
                changed = None
            if self.settings is None or changed != self.changed:
                self.settings, self.changed = self._parse(), changed
        return self.settings

    def turn(self):
        """Return the nameservers in the order for the next name."""
        servers = self.read().servers
        first = self.offset % len(servers) if self.settings.rotate else 0
        self.offset += 1
        return servers[first:] + servers[:first]

    def _parse(self):
        servers, search, flags = [], [], set()
        numbers = {"ndots": 1, "timeout": 5, "attempts": 2}
        for name, *words in self._lines():
            if name == "nameserver" and words and len(servers) < 3 and is_literal(words[0]):
                servers.append(words[0])
            elif name in ("search", "domain"):
                suffixes = words if name == "search" else words[:1]
                search = [suffix.rstrip(".") + "." for suffix in suffixes if suffix.strip(".")]
            elif name == "options":
                for word in words:
                    option, colon, number = word.partition(":")
                    if not colon:
                        flags.add(option)
                    elif option in numbers:
                        numbers[option] = int(number) if number.isdigit() else 0
        if not search:
            _, _, domain = socket.gethostname().partition(".")
            search = [domain.rstrip(".") + "."] if domain else []
        return Settings(
            servers or ["127.0.0.1", "::1"],
            search,
            min(numbers["ndots"], 15),
            max(numbers["timeout"], 1),
            max(numbers["attempts"], 1),
            "rotate" in flags,
            bool(flags & {"use-vc", "usevc", "tcp"}),
        )

    def _lines(self):
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return [line.split() for line in file if line.split() and line[0] not in "#;"]
        except OSError:
            return []


_resolv_conf = ResolvConf()


def candidates(name, settings):
    """Return the absolute names for a name, in the order of the questions."""
    if name.endswith("."):
        return [name]
    suffixed = [f"{name}.{suffix}" for suffix in settings.search]
    absolute = [name + "."]
    return absolute + suffixed if name.count(".") >= settings.ndots else suffixed + absolute


async def lookup(name, kind):
    """Return the record data of a name: a list of (message, offset of the data, its length). Raises LookupFailed."""
    failure = _NoSuchHost(f"lookup {name}: no such host")
    if not is_name(name):
        raise failure
    for candidate in candidates(name, _resolv_conf.read()):
        try:
            return await _ask_in_turn(candidate, kind)
        except LookupFailed as error:
            failure = error
    raise failure


async def lookup_services(name):
    """Return the Service records of a name in the order of RFC 2782. Raises LookupFailed."""
    services = []
    for message, start, length in await lookup(name, SRV):
        try:
            priority, weight, port = struct.unpack_from(">3H", message, start)
            target, end = _read_name(message, start + 6)
        except (struct.error, IndexError, ValueError):
            raise LookupFailed(f"lookup {name}: cannot unmarshal DNS message") from None
        if end != start + length:
            raise LookupFailed(f"lookup {name}: cannot unmarshal DNS message")
        services.append(Service(target, port, priority, weight))
    if not all(is_name(service.target) for service in services):
        raise LookupFailed(f"lookup {name}: DNS response contained records which contain invalid names")
    return _by_priority_and_weight(services)


def _by_priority_and_weight(services):
    ordered = []
    for priority in sorted({service.priority for service in services}):
        rest = sorted((service for service in services if service.priority == priority), key=lambda service: service.weight)
        while rest:
            weights = [service.weight for service in rest]
            chosen = random.choices(range(len(rest)), weights)[0] if sum(weights) else 0
            ordered.append(rest.pop(chosen))
    return ordered


async def lookup_addresses(host):
    """Return the IP addresses of a host name. Raises LookupFailed when it has none."""
    failure = _NoSuchHost(f"lookup {host}: no such host")
    if not is_name(host):
        raise failure
    for candidate in candidates(host, _resolv_conf.read()):
        found = []
        for answer in await asyncio.gather(_addresses(candidate, A, socket.AF_INET), _addresses(candidate, AAAA, socket.AF_INET6)):
            if isinstance(answer, LookupFailed):
                failure = answer
            else:
                found += answer
        if found:
            return found
    raise failure


async def _addresses(name, kind, family):
    """Return the addresses of one family, or the error: one family with addresses is enough."""
    try:
        records = await _ask_in_turn(name, kind)
        return [socket.inet_ntop(family, message[start : start + length]) for message, start, length in records]
    except LookupFailed as error:
        return error
    except ValueError:
        return LookupFailed(f"lookup {name}: cannot unmarshal DNS message")


async def _ask_in_turn(name, kind):
    """Return the records of an absolute name from the first nameserver that has them. Raises LookupFailed."""
    settings, servers = _resolv_conf.read(), _resolv_conf.turn()
    failure = LookupFailed(f"lookup {name}: no nameserver")
    for server in servers * settings.attempts:
        where = f"lookup {name} on {server}:{PORT}"
        try:
            answer = await _exchange(name, kind, server, settings)
            return _records(answer, kind)
        except _NoSuchHost as error:
            raise _NoSuchHost(f"{where}: {error}") from None
        except asyncio.TimeoutError:  # before OSError: its subclass from Python 3.11 on
            failure = LookupFailed(f"{where}: i/o timeout")
        except OSError as error:
            failure = LookupFailed(f"{where}: {error}")
        except (struct.error, IndexError, ValueError):
            failure = LookupFailed(f"{where}: cannot unmarshal DNS message")
    raise failure


# Messages (RFC 1035, section 4)


def _question(name, kind):
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b".") if label)
    return labels + b"\0" + struct.pack(">2H", kind, _IN)


def _query(identity, question):
    """Return a question with EDNS (RFC 6891) and the flag "recursion desired"."""
    edns = b"\0" + struct.pack(">2HIH", _OPT, _UDP_SIZE, 0, 0)
    return struct.pack(">6H", identity, 0x0100, 1, 0, 0, 1) + question + edns


def _answers(data, identity, question):
    """Return whether a message is the answer to a question. Upper and lower case are equal."""
    if len(data) < 12 + len(question):
        return False
    found, flags, questions = struct.unpack_from(">3H", data)
    asked = data[12 : 12 + len(question)]
    return found == identity and bool(flags & 0x8000) and questions == 1 and asked.lower() == question.lower()


def _truncated(data):
    return bool(data[2] & 0x02)


def _records(message, kind):
    """Return the answer's records of a kind: (message, offset, length). Raises OSError with the reason when there are none."""
    _, flags, _, answers, authorities, additional = struct.unpack_from(">6H", message)
    _, offset = _read_name(message, 12)
    offset += 4
    found, code = [], flags & 15
    for index in range(answers + authorities + additional):
        _, offset = _read_name(message, offset)
        record_kind, _, ttl, length = struct.unpack_from(">2HIH", message, offset)
        offset += 10
        if offset + length > len(message):
            raise ValueError("the message ends within a record")
        if index < answers and record_kind == kind:
            found.append((message, offset, length))
        if index >= answers + authorities and record_kind == _OPT:
            code |= ttl >> 24 << 4
        offset += length
    if code == _NO_SUCH_NAME:
        raise _NoSuchHost("no such host")
    if code != _NO_ERROR:
        raise OSError("server misbehaving" + (" (server failure)" if code == _SERVER_FAILURE else ""))
    authoritative, recursive = flags & 0x0400, flags & 0x0080
    if not answers and not authoritative and not recursive and not additional:
        raise OSError("lame referral")
    if not found:
        raise _NoSuchHost("no such host")
    return found


def _read_name(message, offset):
    """Return (name with a trailing dot, offset after it). Raises ValueError or IndexError."""
    labels, after, jumps = [], None, 0
    while True:
        length = message[offset]
        if length >= 0xC0:
            after = offset + 2 if after is None else after
            offset = (length & 0x3F) << 8 | message[offset + 1]
            jumps += 1
            if jumps > 10:
                raise ValueError("too many pointers")
            continue
        if length > 63:
            raise ValueError("not a label")
        if length == 0:
            name = b".".join(labels).decode("latin-1") + "."
            return name, offset + 1 if after is None else after
        label = message[offset + 1 : offset + 1 + length]
        if len(label) != length or b"." in label:
            raise ValueError("not a label")
        labels.append(label)
        offset += 1 + length


# Transport


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, identity, question):
        self.identity, self.question = identity, question
        self.answer = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        # Any other message may be a forgery: wait for the right answer.
        if not self.answer.done() and _answers(data, self.identity, self.question):
            self.answer.set_result(data)

    def error_received(self, exc):
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _exchange(name, kind, server, settings):
    """Return a nameserver's answer. Raises OSError or asyncio.TimeoutError."""
    identity, question = random.randrange(1 << 16), _question(name, kind)
    if not settings.tcp:
        answer = await asyncio.wait_for(_ask_by_udp(identity, question, server), settings.timeout)
        if not _truncated(answer):
            return answer
    return await asyncio.wait_for(_ask_by_tcp(identity, question, server), settings.timeout)


async def _ask_by_udp(identity, question, server):
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Udp(identity, question), remote_addr=(server, PORT))
    try:
        transport.sendto(_query(identity, question))
        return await protocol.answer
    finally:
        transport.close()


async def _ask_by_tcp(identity, question, server):
    reader, writer = await asyncio.open_connection(server, PORT)
    try:
        query = _query(identity, question)
        writer.write(struct.pack(">H", len(query)) + query)
        answer = await reader.readexactly(struct.unpack(">H", await reader.readexactly(2))[0])
    except asyncio.IncompleteReadError:
        raise OSError("EOF") from None
    finally:
        writer.close()
    if not _answers(answer, identity, question):
        raise OSError("invalid DNS response")
    return answer
