# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks DNS for SRV records and the addresses of their targets, many names at once, on dnspython's asyncio resolver.

Importing this module never fails: without dnspython, ``DNS_IMPORT_ERROR`` holds the traceback. The process's own
resolver (``dns.resolver.default_resolver``) is neither used nor changed.
"""

from __future__ import annotations

import asyncio
import copy
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.dns.system_resolver import RESOLV_CONF, system_resolver
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.resolv_conf import ResolvConf
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.srv_answers import (
    DNS_PORT,
    AddressGap,
    NameServer,
    NoAnswer,
    NoData,
    NoSuchName,
    Outcome,
    Records,
    ServerFailure,
    SrvRecord,
    TargetProblem,
    membership,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import LONGEST_SECONDS

DNS_IMPORT_ERROR: str | None = None
try:
    import dns.asyncresolver
    import dns.exception
    import dns.message
    import dns.name
    import dns.nameserver
    import dns.query
    import dns.rcode
    import dns.rdatatype
    import dns.resolver
except ImportError:
    DNS_IMPORT_ERROR = traceback.format_exc()
else:

    class _Server(dns.nameserver.Do53Nameserver):
        """A server whose long answers are read one at a time. Reading one takes 0.1 s for 500 targets, and while one is read
        nothing else is: many that came together would let each other's time run out.

        Old servers and firewalls refuse a question with EDNS or drop it: after the first of them, this server is asked without EDNS
        (RFC 6891, section 6.2.2)."""

        def __init__(self, address: str, port: int) -> None:
            super().__init__(address, port)
            self._reading = asyncio.Lock()
            self._plain = False

        async def async_query(
            self, request: Any, timeout: float, source: Any, source_port: int, max_size: bool, backend: Any, *rest: Any, **more: Any
        ) -> Any:
            """As dnspython's, and once more without EDNS for a server that does not know EDNS."""
            given = source, source_port, max_size, backend, *rest
            asked = _without_edns(request) if self._plain else request
            try:
                answer = await self._once(asked, timeout, *given, **more)
            except dns.exception.Timeout:
                self._plain = self._plain or not max_size  # the next try may get through
                raise
            if asked.edns < 0 or answer.rcode() not in _EDNS_REFUSED:
                return answer
            plain = await self._once(_without_edns(request), timeout, *given, **more)
            self._plain = plain.rcode() not in _EDNS_REFUSED
            return plain

        async def _once(
            self, request: Any, timeout: float, source: Any, source_port: int, max_size: bool, backend: Any, *rest: Any, **more: Any
        ) -> Any:
            """As dnspython's; only what comes by TCP (``max_size``) is told apart into waiting, which has a time, and reading."""
            if not max_size:
                return await super().async_query(request, timeout, source, source_port, max_size, backend, *rest, **more)
            try:
                wire = await asyncio.wait_for(self._by_tcp(request.to_wire()), timeout)
            except TimeoutError:
                raise dns.exception.Timeout from None
            async with self._reading:
                await asyncio.sleep(0)  # a turn for all who wait, between any two answers
                answer = dns.message.from_wire(wire)
            if not request.is_response(answer):
                raise dns.query.BadResponse
            setattr(answer, _BY_TCP, True)
            return answer

        async def _by_tcp(self, question: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(self.address, self.port)
            try:
                writer.write(len(question).to_bytes(2, "big") + question)
                return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            finally:
                writer.close()

    _EDNS_REFUSED = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)

    def _without_edns(request: Any) -> Any:
        plain = copy.copy(request)
        plain.use_edns(-1)
        return plain


# Marks a message that came by TCP, so that it cannot be cut off.
_BY_TCP = "came_by_tcp"

# DNS without EDNS has so many bytes for an answer (RFC 1035, section 4.2.1). What comes near that is asked for by TCP too: some servers
# and middleboxes cut an answer off without the bit that says so (measured: 12 of 30 records).
UDP_BYTES = 512
# Of an SRV record beside its target: compressed name, type, class, TTL, length, priority, weight, port.
RECORD_BYTES = 18

# Ways to ask.
AUTO = "auto"
ALWAYS = "always"
TCP = (AUTO, ALWAYS)

# After so many targets for which a type of addresses stayed unanswered beside the other type, that type is not waited for.
SILENT_TARGETS = 3

# What counts where neither the caller nor resolv.conf says something else.
TIMEOUT = 2.0
ATTEMPTS = 2

# DNS Flag Day 2020: larger UDP answers risk fragments, which get lost.
EDNS_PAYLOAD = 1232

# The DNS library's own pause before its second round of silent servers doubles from 0.1 s.
FIRST_PAUSE = 0.1


class SrvTermsError(ValueError):
    """Terms that DNS cannot be asked on, or a name that is none; the message says what to change."""


@dataclass(frozen=True)
class SrvTerms:
    """How DNS is asked.

    ``nameservers`` in the order in which they are tried; none: those of /etc/resolv.conf, with its options. ``timeout`` is the seconds
    that a server has for one question, ``attempts`` the rounds through all servers; None: what resolv.conf says, else TIMEOUT and
    ATTEMPTS. ``search`` lets the system's search list complete names without a trailing dot; otherwise every name is absolute.
    ``address_types`` are asked for each target. ``tcp``: ALWAYS asks by TCP alone, AUTO also where an answer by UDP is long.
    ``concurrency`` is the number of questions under way at a time. With ``second_opinion`` an answer that denies the
    name, or lacks one of the ``known`` targets (name -> ``target:port``), counts only when a second server says so too.
    With ``serial`` the server that gives records is also asked for the serial of their zone.

    Raises SrvTermsError.
    """

    nameservers: tuple[NameServer, ...] = ()
    timeout: float | None = None
    attempts: int | None = None
    search: bool = False
    address_types: tuple[str, ...] = ("A", "AAAA")
    concurrency: int = 64
    second_opinion: bool = False
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    serial: bool = False
    tcp: str = AUTO

    def __post_init__(self) -> None:
        for name, least, most in (("timeout", 0.001, LONGEST_SECONDS), ("attempts", 1, 1000), ("concurrency", 1, 10_000)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise SrvTermsError(f"{name} is {value}: expected {least:g} to {most}")
        if self.tcp not in TCP:
            raise SrvTermsError(f"tcp is {self.tcp!r}: expected {' or '.join(TCP)}")
        if not self.address_types or set(self.address_types) - {"A", "AAAA"}:
            raise SrvTermsError(f"address_types is {list(self.address_types)}: expected A, AAAA or both")


def resolve_all(names: Iterable[str], terms: SrvTerms) -> dict[str, Outcome]:
    """Ask for every name at once: name -> what DNS said, in the order given. Raises SrvTermsError for a name that is none."""

    async def ask() -> dict[str, Outcome]:
        return await SrvResolver(terms).resolve_all(names)

    return asyncio.run(ask())


def canonical(name: str, search: bool = False) -> str:
    """The name as it stands in outcomes. Raises SrvTermsError."""
    text: str = _parsed(name, search).to_text()
    return text


class SrvResolver:
    """One round of questions; a target that several names lead to is asked for once. Raises SrvTermsError."""

    def __init__(self, terms: SrvTerms) -> None:
        system = ResolvConf() if terms.nameservers else system_resolver()
        self.terms = terms = _settled(terms, system)
        self._system = system
        self._silent: Counter[str] = Counter()
        self._heard: set[str] = set()
        self._slots = asyncio.Semaphore(terms.concurrency)
        self._targets: dict[tuple[_Servers, Any], asyncio.Task[_Addresses | _Trouble]] = {}
        self._servers = _servers(terms, system)
        if terms.second_opinion and len(self._servers.each) < 2:
            raise SrvTermsError(f"second_opinion needs two name servers, there is {len(self._servers.each)}: name another in nameservers")

    async def resolve_all(self, names: Iterable[str]) -> dict[str, Outcome]:
        """As resolve_all(), in a loop that runs already."""
        asked = {name: _parsed(name, self.terms.search) for name in names}
        return dict(zip(asked, await asyncio.gather(*(self._resolve(name) for name in asked.values()))))

    async def _resolve(self, name: Any) -> Outcome:
        outcome = await self._through(self._servers, name)
        if not self.terms.second_opinion or isinstance(outcome, (ServerFailure, NoAnswer)) or not self._shrinks(outcome):
            return outcome
        return await self._confirmed(name, outcome)

    def _shrinks(self, outcome: Outcome) -> bool:
        known = self.terms.known.get(outcome.name, frozenset())
        return not isinstance(outcome, Records) or bool(known - _members(outcome))

    async def _confirmed(self, name: Any, first: Outcome) -> Outcome:
        """``first``, if every server that answers says the same when it is asked alone, and at least two do."""
        alone = [_with_servers(self.terms, [server], self._system) for server in self._servers.each]
        opinions = await asyncio.gather(*(self._through(server, name) for server in alone))
        answers = [opinion for opinion in opinions if not isinstance(opinion, (ServerFailure, NoAnswer))]
        if len(answers) > 1 and all(type(first) is type(answer) and _members(first) == _members(answer) for answer in answers):
            return first
        said = "; ".join(f"{_text(server)}: {opinion.message}" for server, opinion in zip(self._servers.each, opinions))
        text = f"{first.name}: fewer nodes than known, and no two name servers agree on it ({said}). Ask again when the zone has spread"
        return ServerFailure(first.name, text, code="DISAGREEMENT")

    async def _through(self, servers: _Servers, name: Any) -> Outcome:
        """What ``servers`` say of ``name``, with the addresses of the targets."""
        answer = await self._ask(servers.services, name, "SRV")
        if isinstance(answer, _Trouble):
            return answer.outcome
        unconfirmed = ""
        if self._may_be_cut_off(answer):
            answer, unconfirmed = await self._whole(answer, name)
        text = name.to_text()
        if [rdata.target for rdata in answer] == [dns.name.root]:
            return NoData(text, f"{text}: its only target is '.', the service is withdrawn (RFC 2782)", withdrawn=True)
        extra = _additional(answer.response)
        # Side by side with the addresses: it takes time of its own only where it stays unanswered.
        serial = asyncio.create_task(self._serial(answer)) if self.terms.serial else None
        found = await asyncio.gather(*(self._target(servers, rdata.target, extra) for rdata in answer))
        zone_serial = await serial if serial else None
        incomplete = [addresses for addresses in found if isinstance(addresses, _Trouble)]
        if incomplete:
            # The answer is not whole: a failure of this name, and never a shorter list.
            outcome = incomplete[0].outcome
            return replace(outcome, name=text, message=f"{text}: its target {outcome.message}")
        records, problems = [], set()
        gaps: dict[str, dict[str, str]] = {}
        for rdata, addresses in zip(answer, (each for each in found if isinstance(each, _Addresses))):
            target = rdata.target.canonicalize().to_text()
            if not rdata.port and not addresses.problem:
                addresses = _Addresses(problem=("port", "has port 0, where no server can listen; correct the record"))
            ttl = min(answer.chaining_result.minimum_ttl, addresses.ttl)
            unanswered = tuple(sorted(addresses.unanswered))
            records.append(SrvRecord(target, rdata.port, rdata.priority, rdata.weight, ttl, addresses.addresses, unanswered))
            for kind, reason in addresses.unanswered.items():
                gaps.setdefault(kind, {}).setdefault(target, reason)
            if addresses.problem:
                problem, what = addresses.problem
                problems.add(TargetProblem(target, problem, f"target {target} {what}"))
        return Records(
            text,
            membership(records),
            f"{answer.nameserver} port {answer.port}",
            tuple(sorted(problems, key=lambda problem: problem.target)),
            zone_serial,
            tuple(AddressGap(kind, tuple(sorted(reasons)), reasons[min(reasons)]) for kind, reasons in sorted(gaps.items())),
            unconfirmed,
        )

    def _may_be_cut_off(self, answer: Any) -> bool:
        """Whether an answer came by UDP and is so long that one more record would not have been sent in plain DNS."""
        if getattr(answer.response, _BY_TCP, False):
            return False
        longest = max(len(rdata.target.to_wire()) for rdata in answer) + RECORD_BYTES
        # What dnspython would write: an answer that compresses its targets is shorter, so this asks once too often rather than too seldom.
        return len(answer.response.to_wire()) + longest > UDP_BYTES

    async def _whole(self, answer: Any, name: Any) -> tuple[Any, str]:
        """The same by TCP, from the server that gave ``answer``; where there is none, ``answer`` and the reason."""
        server = _with_servers(replace(self.terms, attempts=1, tcp=ALWAYS), [_Server(answer.nameserver, answer.port)], self._system)
        by_tcp = await self._ask(server.services, name, "SRV")
        if not isinstance(by_tcp, _Trouble):
            return by_tcp, ""
        where = f"{answer.nameserver} port {answer.port}"
        reason = f"{name.to_text()}: the answer by UDP is long, may be cut off, and TCP gives none. Open TCP port {answer.port} of {where}"
        return answer, reason

    async def _serial(self, answer: Any) -> int | None:
        """The serial of the zone that SRV records stand in, by the server that gave them; None where it does not say, which is
        no failure. An answer with records does not bring it; the one that the name has no SOA record does (RFC 2308)."""
        server = _with_servers(replace(self.terms, attempts=1), [_Server(answer.nameserver, answer.port)], self._system)
        found = await self._ask(server.addresses, answer.canonical_name, "SOA", must=False)
        if isinstance(found, _Trouble):
            return None
        sections = (found.response.answer, found.response.authority)
        serial: int | None = next((rrset[0].serial for section in sections for rrset in section if rrset.rdtype == dns.rdatatype.SOA), None)
        return serial

    def _target(self, servers: _Servers, target: Any, extra: Mapping[Any, Mapping[str, _Addresses]]) -> asyncio.Task[_Addresses | _Trouble]:
        """The one task that finds the addresses of ``target``, for all names that lead to it."""
        key = servers, target
        if key not in self._targets:
            self._targets[key] = asyncio.create_task(self._addresses(servers, target, extra.get(target, {})))
        return self._targets[key]

    async def _addresses(self, servers: _Servers, target: Any, extra: Mapping[str, _Addresses]) -> _Addresses | _Trouble:
        """All address types of ``target`` side by side; those that came along with the SRV answer are not asked again."""
        if target == dns.name.root:
            return _Addresses(problem=("withdrawn", "stands beside others, where RFC 2782 allows it only alone"))
        found: dict[str, _Addresses | _Trouble] = {kind: extra[kind] for kind in self.terms.address_types if kind in extra}
        unknown = [kind for kind in self.terms.address_types if kind not in found]
        later = [kind for kind in unknown if self._silent[kind] >= SILENT_TARGETS and kind not in self._heard]
        await self._gather(servers, target, [kind for kind in unknown if kind not in later], found)
        if later and not _usable(found):
            await self._gather(servers, target, later, found)
        silence = {kind: f"{kind} of {self._silent[kind]} other targets stayed unanswered" for kind in unknown if kind not in found}
        troubles = {kind: answer for kind in self.terms.address_types for answer in [found.get(kind)] if isinstance(answer, _Trouble)}
        if troubles and not _usable(found):
            return next(iter(troubles.values()))
        unanswered = {**silence, **{kind: trouble.outcome.message for kind, trouble in troubles.items()}}
        given = [answer for answer in found.values() if isinstance(answer, _Addresses)]
        return replace(_together(given), unanswered=unanswered)

    async def _gather(self, servers: _Servers, target: Any, kinds: Sequence[str], found: dict[str, _Addresses | _Trouble]) -> None:
        """Ask for the address types ``kinds`` side by side, into ``found``.

        Once there are addresses, a type that is still unanswered gets the time of one more question: some servers never answer for AAAA.
        """
        asked = {asyncio.create_task(self._addresses_of(servers, target, kind)): kind for kind in kinds}
        loop = asyncio.get_running_loop()
        ends: float | None = None
        try:
            waiting = set(asked)
            while waiting:
                if ends is None and _usable(found):
                    ends = loop.time() + float(self.terms.timeout or TIMEOUT)
                done, waiting = await asyncio.wait(
                    waiting, timeout=None if ends is None else max(0.0, ends - loop.time()), return_when=asyncio.FIRST_COMPLETED
                )
                found.update((asked[task], task.result()) for task in done)
                if ends is not None and loop.time() >= ends:
                    break
            for task in waiting:
                text = f"{target.to_text()} {asked[task]}: no answer within {self.terms.timeout:g} s after the other addresses"
                found[asked[task]] = _Trouble(NoAnswer(target.to_text(), text))
        finally:
            for task in asked:
                task.cancel()
        for kind in kinds:
            answer = found[kind]
            if not (isinstance(answer, _Trouble) and isinstance(answer.outcome, NoAnswer)):
                self._heard.add(kind)
            elif _usable(found):
                self._silent[kind] += 1

    async def _addresses_of(self, servers: _Servers, target: Any, kind: str) -> _Addresses | _Trouble:
        """The addresses of one type."""
        answer = await self._ask(servers.addresses, target, kind)
        if isinstance(answer, _Trouble):
            denied = isinstance(answer.outcome, (NoData, NoSuchName))
            return _Addresses(problem=(answer.outcome.kind, _DENIED[answer.outcome.kind])) if denied else answer
        if answer.canonical_name != target:
            alias = f"is an alias of {answer.canonical_name.to_text()}, which RFC 2782 forbids"
            return _Addresses(problem=("alias", alias))
        return _Addresses(tuple(rdata.address for rdata in answer), answer.chaining_result.minimum_ttl)

    async def _ask(self, resolver: Any, name: Any, kind: str, must: bool = True) -> Any:
        """dnspython's answer to one question, or a _Trouble. ``must``: an answer without records is one."""
        async with self._slots:
            try:
                search = self.terms.search and not name.is_absolute()
                return await resolver.resolve(name, kind, tcp=resolver.tcp, raise_on_no_answer=must, search=search)
            except dns.exception.DNSException as error:
                return _Trouble(_unanswered(resolver, name, kind, error))


def _unanswered(resolver: Any, name: Any, kind: str, error: Any) -> NoData | NoSuchName | ServerFailure | NoAnswer:
    """What a question came to that dnspython ended with an exception."""
    text = name.to_text()
    servers = ", ".join(_text(server) for server in resolver.nameservers) or "no server"
    if isinstance(error, dns.resolver.NXDOMAIN):
        tried = ", ".join(tried.to_text() for tried in error.kwargs["qnames"])
        return NoSuchName(text, f"{tried}: no such name (NXDOMAIN); correct the name, or add it to the zone")
    if isinstance(error, dns.resolver.NoAnswer):
        found = error.kwargs["response"].question[0].name.to_text()
        return NoData(text, f"{found}: the name exists, but without {kind} records")
    if isinstance(error, (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout)):
        return _failure(f"{text} {kind}", error.kwargs.get("errors", ()), servers)
    return ServerFailure(text, f"{text} {kind}: the answer of {servers} is no valid one ({error})", code="MALFORMED")


_DENIED = {
    NoData.kind: "has no address; add an A or AAAA record",
    NoSuchName.kind: "does not exist (NXDOMAIN); correct the target, or add it to its zone",
}


@dataclass(frozen=True)
class _Addresses:
    """Addresses of a target; ``problem``: (kind, what) where it has none, by DNS's own word; ``unanswered``: type of addresses -> why
    nobody knows them."""

    addresses: tuple[str, ...] = ()
    ttl: int = 2**31 - 1
    problem: tuple[str, str] | None = None
    unanswered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Trouble:
    outcome: NoData | NoSuchName | ServerFailure | NoAnswer


def _usable(found: Mapping[str, _Addresses | _Trouble]) -> bool:
    """Whether a type of addresses is there, so that another that stays unanswered is no reason to lose the target."""
    return any(isinstance(answer, _Addresses) and answer.addresses for answer in found.values())


def _together(found: Sequence[_Addresses]) -> _Addresses:
    """The address types as one. An alias spoils all; a type without records spoils nothing while another has some."""
    addresses = tuple(sorted({address for each in found for address in each.addresses}, key=lambda text: (":" in text, text)))
    problems = [each.problem for each in found if each.problem]
    alias = [problem for problem in problems if problem[0] == "alias"]
    if alias or not addresses:
        return _Addresses(problem=(alias or problems)[0])
    return _Addresses(addresses, min(each.ttl for each in found))


def _members(outcome: Outcome) -> frozenset[str]:
    return outcome.members if isinstance(outcome, Records) else frozenset()


def _parsed(name: str, search: bool) -> Any:
    """The name as dnspython has it: absolute unless the search list is wanted, IDNA names as A-labels."""
    try:
        return dns.name.from_text(name, None if search else dns.name.root).canonicalize()
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise SrvTermsError(f"'{name}' is no DNS name ({error}); expected one like _grpc._tcp.example.org.") from None


@dataclass(frozen=True, eq=False)
class _Servers:
    """dnspython's resolvers of the same servers: one for SRV records, which get long, with EDNS; and one for the addresses of
    a host, which fit into the 512 bytes of plain DNS (and come by TCP where they do not), since EDNS costs a fifth of all
    processor time."""

    services: Any
    addresses: Any

    @property
    def each(self) -> list[Any]:
        """The servers, in the order in which they are tried."""
        return list(self.services.nameservers)


def _settled(terms: SrvTerms, system: ResolvConf) -> SrvTerms:
    """The terms, with what resolv.conf says where the caller does not."""
    types = terms.address_types
    if system.no_aaaa and "A" in types:
        types = ("A",)
    return replace(
        terms,
        timeout=terms.timeout or system.timeout or TIMEOUT,
        attempts=terms.attempts or system.attempts or ATTEMPTS,
        tcp=ALWAYS if system.use_vc else terms.tcp,
        address_types=types,
    )


def _servers(terms: SrvTerms, system: ResolvConf) -> _Servers:
    servers = terms.nameservers or tuple(NameServer(address, DNS_PORT) for address in system.nameservers)
    if not servers:
        raise SrvTermsError(f"{RESOLV_CONF} names no server: give some in nameservers")
    return _with_servers(terms, [_Server(server.address, server.port) for server in servers], system)


def _with_servers(terms: SrvTerms, servers: Sequence[Any], system: ResolvConf) -> _Servers:
    timeout, attempts = terms.timeout or TIMEOUT, terms.attempts or ATTEMPTS
    both = _Servers(dns.asyncresolver.Resolver(configure=False), dns.asyncresolver.Resolver(configure=False))
    for resolver in (both.services, both.addresses):
        resolver.nameservers = list(servers)
        resolver.domain = dns.name.root
        resolver.search = [_parsed(domain, search=False) for domain in system.search]
        resolver.ndots = system.ndots
        resolver.rotate = system.rotate
        resolver.tcp = terms.tcp == ALWAYS
        resolver.timeout = timeout
        pauses = sum(min(FIRST_PAUSE * 2**round_, 2.0) for round_ in range(attempts - 1))
        resolver.lifetime = timeout * attempts * len(resolver.nameservers) + pauses
    for resolver in (both.services, both.addresses) if system.edns0 else (both.services,):
        resolver.use_edns(0, 0, EDNS_PAYLOAD)
    return both


def _text(server: Any) -> str:
    return f"{server.address} port {server.port}"


def _additional(response: Any) -> dict[Any, dict[str, _Addresses]]:
    """Target -> address type -> addresses, of the additional section."""
    found: dict[Any, dict[str, _Addresses]] = {}
    for rrset in response.additional:
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            addresses = _Addresses(tuple(rdata.address for rdata in rrset), rrset.ttl)
            found.setdefault(rrset.name, {})[dns.rdatatype.to_text(rrset.rdtype)] = addresses
    return found


def _failure(question: str, errors: Sequence[tuple[str, bool, int, Any, Any]], servers: str) -> ServerFailure | NoAnswer:
    """What a row of failed tries comes to: a server's own word weighs more than silence.

    ``errors``: dnspython's, one for each try: (server, whether by TCP, port, exception or response code's name, response).
    """
    name = question.rpartition(" ")[0]
    codes = [str(what) for _server, _tcp, _port, what, _response in errors if isinstance(what, str)]
    if codes:
        remedy = "ask a server that serves this zone" if codes[0] == "REFUSED" else "look into that server's log"
        return ServerFailure(name, f"{question}: {codes[0]} from {servers}; {remedy}", code=codes[0])
    if any(isinstance(what, dns.message.Truncated) for *_ignored, what, _response in errors):
        how = next((f"{type(what).__name__}: {what}" for _server, tcp, _port, what, _response in errors if tcp), "no answer")
        text = f"{question}: the answer of {servers} was truncated, and by TCP there is none ({how}); open TCP port 53 to it"
        return ServerFailure(name, text, code="TRUNCATED")
    broken = [what for *_ignored, what, _response in errors if not isinstance(what, (dns.exception.Timeout, OSError))]
    if broken:
        return ServerFailure(name, f"{question}: the answer of {servers} is no valid one ({broken[0]})", code="MALFORMED")
    return NoAnswer(name, f"{question}: no answer from {servers}; see whether it runs and a firewall lets port 53 through (UDP and TCP)")
