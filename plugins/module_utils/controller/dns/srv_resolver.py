# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask DNS for SRV records and the addresses of their targets, for many names at once, with dnspython's asyncio resolver.

An import of this module never fails: without dnspython, ``DNS_IMPORT_ERROR`` has the traceback. The module does not use or change the resolver of
the process (``dns.resolver.default_resolver``).
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
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

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
        """A name server whose long answers are parsed one at a time.

        Parsing takes 0.1 s for 500 targets and blocks the event loop. Without the limit, many long answers at once would let questions time out.

        Old servers and firewalls refuse or drop a question with EDNS. After the first such question, this server is asked without EDNS (RFC 6891,
        section 6.2.2).
        """

        def __init__(self, address: str, port: int) -> None:
            super().__init__(address, port)
            self._reading = asyncio.Lock()
            self._plain = False

        async def async_query(
            self, request: Any, timeout: float, source: Any, source_port: int, max_size: bool, backend: Any, *rest: Any, **more: Any
        ) -> Any:
            """Ask as dnspython does, and once more without EDNS when the server does not know EDNS."""
            given = source, source_port, max_size, backend, *rest
            asked = _without_edns(request) if self._plain else request
            try:
                answer = await self._once(asked, timeout, *given, **more)
            except dns.exception.Timeout:
                self._plain = self._plain or not max_size  # the next try, without EDNS, may succeed
                raise
            if asked.edns < 0 or answer.rcode() not in _EDNS_REFUSED:
                return answer
            plain = await self._once(_without_edns(request), timeout, *given, **more)
            self._plain = plain.rcode() not in _EDNS_REFUSED
            return plain

        async def _once(
            self, request: Any, timeout: float, source: Any, source_port: int, max_size: bool, backend: Any, *rest: Any, **more: Any
        ) -> Any:
            """Ask as dnspython does. By TCP (``max_size``) only the wait for the answer counts against ``timeout``, not the parsing."""
            if not max_size:
                return await super().async_query(request, timeout, source, source_port, max_size, backend, *rest, **more)
            try:
                wire = await asyncio.wait_for(self._by_tcp(request.to_wire()), timeout)
            except TimeoutError:
                raise dns.exception.Timeout from None
            async with self._reading:
                await asyncio.sleep(0)  # let other tasks run between two answers
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


# Marks a message that came by TCP and is therefore complete.
_BY_TCP = "came_by_tcp"

# Largest answer of DNS without EDNS, in bytes (RFC 1035, section 4.2.1). The resolver asks again by TCP when an answer comes near this size.
# Some servers and middleboxes shorten an answer without the truncation bit (measured: 12 of 30 records).
UDP_BYTES = 512
# Bytes of an SRV record without its target: compressed name, type, class, TTL, length, priority, weight, port.
RECORD_BYTES = 18

# Values of SrvTerms.tcp.
AUTO = "auto"
ALWAYS = "always"
TCP = (AUTO, ALWAYS)

# After so many targets without an answer for one address type, the resolver does not wait for this type.
SILENT_TARGETS = 3

# Defaults when neither the caller nor resolv.conf has a value.
TIMEOUT = 2.0
ATTEMPTS = 2

# DNS Flag Day 2020: larger UDP answers may be sent in fragments, which get lost.
EDNS_PAYLOAD = 1232

# dnspython's pause before its second round, in seconds. The pause doubles with each round.
FIRST_PAUSE = 0.1


class SrvTermsError(ValueError):
    """The terms are invalid, or a name is no DNS name; the message says what to change."""


@dataclass(frozen=True)
class SrvTerms:
    """How DNS is asked.

    ``nameservers``: servers in the order of use; empty: those of /etc/resolv.conf, with its options.
    ``timeout``: seconds for one question to one server. ``attempts``: rounds through all servers. None: the value of resolv.conf, else TIMEOUT and
    ATTEMPTS.
    ``search``: whether the system's search list completes names without a trailing dot. When False, every name is absolute.
    ``address_types``: asked for each target. ``tcp``: ALWAYS asks by TCP only; AUTO also asks by TCP when an answer by UDP is long.
    ``concurrency``: number of parallel questions.
    ``second_opinion``: whether an answer that denies the name, or lacks a ``known`` target, counts only when a second server gives the same answer.
    ``known``: name -> set of ``target:port``.
    ``serial``: whether the server that gives records is also asked for the serial of their zone.
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
    """Return name -> outcome for all names, in the order given. Raises SrvTermsError for an invalid name."""

    async def ask() -> dict[str, Outcome]:
        return await SrvResolver(terms).resolve_all(names)

    return asyncio.run(ask())


def canonical(name: str, search: bool = False) -> str:
    """Return the name in the form of outcomes. Raises SrvTermsError."""
    text: str = _parsed(name, search).to_text()
    return text


class SrvResolver:
    """One round of questions. A target of several names is asked for once. Raises SrvTermsError."""

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
            raise SrvTermsError(f"second_opinion needs two name servers, there is {len(self._servers.each)}. Add another to nameservers.")

    async def resolve_all(self, names: Iterable[str]) -> dict[str, Outcome]:
        """Return the same as the function resolve_all(), from a running event loop."""
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
        """Return ``first`` when at least two servers respond, and every server that responds gives the same answer alone."""
        alone = [_with_servers(self.terms, [server], self._system) for server in self._servers.each]
        opinions = await asyncio.gather(*(self._through(server, name) for server in alone))
        answers = [opinion for opinion in opinions if not isinstance(opinion, (ServerFailure, NoAnswer))]
        if len(answers) > 1 and all(type(first) is type(answer) and _members(first) == _members(answer) for answer in answers):
            return first
        said = "; ".join(f"{_text(server)}: {opinion.message}" for server, opinion in zip(self._servers.each, opinions))
        text = f"{first.name}: fewer nodes than known, and no two name servers agree on it ({said}). Ask again when the zone has spread"
        return ServerFailure(first.name, text, code="DISAGREEMENT")

    async def _through(self, servers: _Servers, name: Any) -> Outcome:
        """Return what ``servers`` say about ``name``, with the addresses of the targets."""
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
        # In parallel with the addresses, the serial costs time only when no server responds.
        serial = asyncio.create_task(self._serial(answer)) if self.terms.serial else None
        found = await asyncio.gather(*(self._target(servers, rdata.target, extra) for rdata in answer))
        zone_serial = await serial if serial else None
        incomplete = [addresses for addresses in found if isinstance(addresses, _Trouble)]
        if incomplete:
            # An incomplete answer is a failure of this name, never a shorter list.
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
        """Return whether an answer came by UDP and has no room for one more record in plain DNS."""
        if getattr(answer.response, _BY_TCP, False):
            return False
        longest = max(len(rdata.target.to_wire()) for rdata in answer) + RECORD_BYTES
        # This is the size that dnspython would write. A server may compress the targets, so the resolver may ask by TCP without need.
        return len(answer.response.to_wire()) + longest > UDP_BYTES

    async def _whole(self, answer: Any, name: Any) -> tuple[Any, str]:
        """Return the answer by TCP from the server that gave ``answer``; without one, return ``answer`` and the reason."""
        server = _with_servers(replace(self.terms, attempts=1, tcp=ALWAYS), [_Server(answer.nameserver, answer.port)], self._system)
        by_tcp = await self._ask(server.services, name, "SRV")
        if not isinstance(by_tcp, _Trouble):
            return by_tcp, ""
        where = f"{answer.nameserver} port {answer.port}"
        reason = f"{name.to_text()}: the answer by UDP is long, may be cut off, and TCP gives none. Open TCP port {answer.port} of {where}"
        return answer, reason

    async def _serial(self, answer: Any) -> int | None:
        """Return the serial of the zone of the SRV records, from the server that gave them; None when the server does not report it.

        An answer with records has no serial. The answer to a question for SOA has one, also when the name has no SOA record (RFC 2308).
        """
        server = _with_servers(replace(self.terms, attempts=1), [_Server(answer.nameserver, answer.port)], self._system)
        found = await self._ask(server.addresses, answer.canonical_name, "SOA", must=False)
        if isinstance(found, _Trouble):
            return None
        sections = (found.response.answer, found.response.authority)
        serial: int | None = next((rrset[0].serial for section in sections for rrset in section if rrset.rdtype == dns.rdatatype.SOA), None)
        return serial

    def _target(self, servers: _Servers, target: Any, extra: Mapping[Any, Mapping[str, _Addresses]]) -> asyncio.Task[_Addresses | _Trouble]:
        """Return the one task that finds the addresses of ``target``, for all names with this target."""
        key = servers, target
        if key not in self._targets:
            self._targets[key] = asyncio.create_task(self._addresses(servers, target, extra.get(target, {})))
        return self._targets[key]

    async def _addresses(self, servers: _Servers, target: Any, extra: Mapping[str, _Addresses]) -> _Addresses | _Trouble:
        """Return all addresses of ``target``. The address types are asked in parallel. Addresses in the SRV answer are not asked again."""
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
        """Ask for the address types ``kinds`` in parallel, and put the answers into ``found``.

        After the first addresses, the other type gets the time of one more question: some servers never respond to AAAA.
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
        """Return the addresses of one type."""
        answer = await self._ask(servers.addresses, target, kind)
        if isinstance(answer, _Trouble):
            denied = isinstance(answer.outcome, (NoData, NoSuchName))
            return _Addresses(problem=(answer.outcome.kind, _DENIED[answer.outcome.kind])) if denied else answer
        if answer.canonical_name != target:
            alias = f"is an alias of {answer.canonical_name.to_text()}, which RFC 2782 forbids"
            return _Addresses(problem=("alias", alias))
        return _Addresses(tuple(rdata.address for rdata in answer), answer.chaining_result.minimum_ttl)

    async def _ask(self, resolver: Any, name: Any, kind: str, must: bool = True) -> Any:
        """Return dnspython's answer to one question, or a _Trouble. ``must``: whether an answer without records is a _Trouble."""
        async with self._slots:
            try:
                search = self.terms.search and not name.is_absolute()
                return await resolver.resolve(name, kind, tcp=resolver.tcp, raise_on_no_answer=must, search=search)
            except dns.exception.DNSException as error:
                return _Trouble(_unanswered(resolver, name, kind, error))


def _unanswered(resolver: Any, name: Any, kind: str, error: Any) -> NoData | NoSuchName | ServerFailure | NoAnswer:
    """Return the outcome of a question that dnspython ended with an exception."""
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
    """The addresses of a target.

    ``problem``: (kind, text) when DNS says that the target has no address. ``unanswered``: address type -> why it is unknown.
    """

    addresses: tuple[str, ...] = ()
    ttl: int = 2**31 - 1
    problem: tuple[str, str] | None = None
    unanswered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Trouble:
    outcome: NoData | NoSuchName | ServerFailure | NoAnswer


def _usable(found: Mapping[str, _Addresses | _Trouble]) -> bool:
    """Return whether one type of addresses is known. An unanswered other type is then no reason to lose the target."""
    return any(isinstance(answer, _Addresses) and answer.addresses for answer in found.values())


def _together(found: Sequence[_Addresses]) -> _Addresses:
    """Return all address types as one value.

    An alias makes all addresses unusable. A type without records does not matter while the other type has some.
    """
    addresses = tuple(sorted({address for each in found for address in each.addresses}, key=lambda text: (":" in text, text)))
    problems = [each.problem for each in found if each.problem]
    alias = [problem for problem in problems if problem[0] == "alias"]
    if alias or not addresses:
        return _Addresses(problem=(alias or problems)[0])
    return _Addresses(addresses, min(each.ttl for each in found))


def _members(outcome: Outcome) -> frozenset[str]:
    return outcome.members if isinstance(outcome, Records) else frozenset()


def _parsed(name: str, search: bool) -> Any:
    """Return the name in dnspython's form: absolute unless ``search``, IDNA names as A-labels. Raises SrvTermsError."""
    try:
        return dns.name.from_text(name, None if search else dns.name.root).canonicalize()
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise SrvTermsError(f"{shown(name)} is no DNS name ({error}): expected one like _grpc._tcp.example.org.") from None


@dataclass(frozen=True, eq=False)
class _Servers:
    """Two dnspython resolvers for the same servers.

    ``services``: for SRV records, with EDNS, because these answers are long.
    ``addresses``: for addresses, without EDNS. These answers fit into the 512 bytes of plain DNS, and come by TCP when they do not. EDNS would take
    20 %
    of all processor time.
    """

    services: Any
    addresses: Any

    @property
    def each(self) -> list[Any]:
        """The servers, in the order of use."""
        return list(self.services.nameservers)


def _settled(terms: SrvTerms, system: ResolvConf) -> SrvTerms:
    """Return the terms, with the values of resolv.conf where the caller gave none."""
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
        raise SrvTermsError(f"{RESOLV_CONF} names no server. Set nameservers.")
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
    """Return target -> address type -> addresses, from the additional section."""
    found: dict[Any, dict[str, _Addresses]] = {}
    for rrset in response.additional:
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            addresses = _Addresses(tuple(rdata.address for rdata in rrset), rrset.ttl)
            found.setdefault(rrset.name, {})[dns.rdatatype.to_text(rrset.rdtype)] = addresses
    return found


def _failure(question: str, errors: Sequence[tuple[str, bool, int, Any, Any]], servers: str) -> ServerFailure | NoAnswer:
    """Return the outcome of several failed tries. A response code of a server counts more than silence.

    ``errors``: from dnspython, one for each try: (server, whether by TCP, port, exception or name of the response code, response).
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
