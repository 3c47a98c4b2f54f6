# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks DNS for SRV records and the addresses of their targets, many names at once, on dnspython's asyncio resolver.

Importing this module never fails: without dnspython, ``DNS_IMPORT_ERROR`` holds the traceback. The process's own
resolver (``dns.resolver.default_resolver``) is neither used nor changed.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.srv import (
    DNS_PORT,
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

DNS_IMPORT_ERROR: str | None = None
try:
    import dns.asyncresolver
    import dns.exception
    import dns.message
    import dns.name
    import dns.nameserver
    import dns.rdatatype
    import dns.resolver
except ImportError:
    DNS_IMPORT_ERROR = traceback.format_exc()

# DNS Flag Day 2020: larger UDP answers risk fragments, which get lost.
EDNS_PAYLOAD = 1232

# The DNS library's own pause before its second round of silent servers doubles from 0.1 s.
FIRST_PAUSE = 0.1


class SrvTermsError(ValueError):
    """Terms that DNS cannot be asked on, or a name that is none; the message says what to change."""


@dataclass(frozen=True)
class SrvTerms:
    """How DNS is asked.

    ``nameservers`` in the order in which they are tried; none: those of /etc/resolv.conf. ``timeout`` is the seconds that
    a server has for one question, ``attempts`` the rounds through all servers. ``search`` lets the system's search list
    complete names without a trailing dot; otherwise every name is absolute. ``address_types`` are asked for each target.
    ``concurrency`` is the number of questions under way at a time. With ``second_opinion`` an answer that denies the
    name, or lacks one of the ``known`` targets (name -> ``target:port``), counts only when a second server says so too.

    Raises SrvTermsError.
    """

    nameservers: tuple[NameServer, ...] = ()
    timeout: float = 2.0
    attempts: int = 2
    search: bool = False
    address_types: tuple[str, ...] = ("A", "AAAA")
    concurrency: int = 64
    second_opinion: bool = False
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("timeout", 0.001), ("attempts", 1), ("concurrency", 1)):
            if not getattr(self, name) >= least:
                raise SrvTermsError(f"{name} is {getattr(self, name)}: expected at least {least}")
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
        self.terms = terms
        self._slots = asyncio.Semaphore(terms.concurrency)
        self._targets: dict[Any, asyncio.Task[_Addresses | _Trouble]] = {}
        self._resolver = _resolver(terms, terms.nameservers)
        if terms.second_opinion and len(self._resolver.nameservers) < 2:
            raise SrvTermsError(f"second_opinion needs two name servers, there is {len(self._resolver.nameservers)}: name another in nameservers")

    async def resolve_all(self, names: Iterable[str]) -> dict[str, Outcome]:
        """As resolve_all(), in a loop that runs already."""
        asked = {name: _parsed(name, self.terms.search) for name in names}
        return dict(zip(asked, await asyncio.gather(*(self._resolve(name) for name in asked.values()))))

    async def _resolve(self, name: Any) -> Outcome:
        outcome = await self._through(self._resolver, name)
        if not self.terms.second_opinion or isinstance(outcome, (ServerFailure, NoAnswer)) or not self._shrinks(outcome):
            return outcome
        return await self._confirmed(name, outcome)

    def _shrinks(self, outcome: Outcome) -> bool:
        known = self.terms.known.get(outcome.name, frozenset())
        return not isinstance(outcome, Records) or bool(known - _members(outcome))

    async def _confirmed(self, name: Any, first: Outcome) -> Outcome:
        """``first``, if every server that answers says the same when it is asked alone, and at least two do."""
        alone = [_with_servers(self.terms, [server]) for server in self._resolver.nameservers]
        opinions = await asyncio.gather(*(self._through(resolver, name) for resolver in alone))
        answers = [opinion for opinion in opinions if not isinstance(opinion, (ServerFailure, NoAnswer))]
        if len(answers) > 1 and all(type(first) is type(answer) and _members(first) == _members(answer) for answer in answers):
            return first
        said = "; ".join(f"{_text(server)}: {opinion.message}" for server, opinion in zip(self._resolver.nameservers, opinions))
        text = f"{first.name}: fewer nodes than known, and no two name servers agree on it ({said}). Ask again when the zone has spread"
        return ServerFailure(first.name, text, code="DISAGREEMENT")

    async def _through(self, resolver: Any, name: Any) -> Outcome:
        """What ``resolver`` says of ``name``, with the addresses of the targets."""
        answer = await self._ask(resolver, name, "SRV")
        if isinstance(answer, _Trouble):
            return answer.outcome
        text = name.to_text()
        if [rdata.target for rdata in answer] == [dns.name.root]:
            return NoData(text, f"{text}: its only target is '.', the service is withdrawn (RFC 2782)", withdrawn=True)
        extra = _additional(answer.response)
        found = await asyncio.gather(*(self._target(resolver, rdata.target, extra) for rdata in answer))
        incomplete = [addresses for addresses in found if isinstance(addresses, _Trouble)]
        if incomplete:
            # The answer is not whole: a failure of this name, and never a shorter list.
            outcome = incomplete[0].outcome
            return replace(outcome, name=text, message=f"{text}: its target {outcome.message}")
        records, problems = [], set()
        for rdata, addresses in zip(answer, (each for each in found if isinstance(each, _Addresses))):
            ttl = min(answer.chaining_result.minimum_ttl, addresses.ttl)
            target = rdata.target.canonicalize().to_text()
            records.append(SrvRecord(target, rdata.port, rdata.priority, rdata.weight, ttl, addresses.addresses))
            if addresses.problem:
                kind, what = addresses.problem
                problems.add(TargetProblem(target, kind, f"target {target} {what}"))
        server = f"{answer.nameserver} port {answer.port}"
        return Records(text, membership(records), server, tuple(sorted(problems, key=lambda problem: problem.target)))

    async def _target(self, resolver: Any, target: Any, extra: Mapping[Any, Mapping[str, _Addresses]]) -> _Addresses | _Trouble:
        if target == dns.name.root:
            return _Addresses(problem=("withdrawn", "stands beside others, where RFC 2782 allows it only alone"))
        key = (id(resolver), target)
        if key not in self._targets:
            self._targets[key] = asyncio.create_task(self._addresses(resolver, target, extra.get(target, {})))
        return await self._targets[key]

    async def _addresses(self, resolver: Any, target: Any, extra: Mapping[str, _Addresses]) -> _Addresses | _Trouble:
        """All address types of ``target`` side by side; those that came along with the SRV answer are not asked again."""

        async def of(kind: str) -> _Addresses | _Trouble:
            if kind in extra:
                return extra[kind]
            answer = await self._ask(resolver, target, kind)
            if isinstance(answer, _Trouble):
                denied = isinstance(answer.outcome, (NoData, NoSuchName))
                return _Addresses(problem=(answer.outcome.kind, _DENIED[answer.outcome.kind])) if denied else answer
            if answer.canonical_name != target:
                alias = f"is an alias of {answer.canonical_name.to_text()}, which RFC 2782 forbids"
                return _Addresses(problem=("alias", alias))
            return _Addresses(tuple(rdata.address for rdata in answer), answer.chaining_result.minimum_ttl)

        found = await asyncio.gather(*(of(kind) for kind in self.terms.address_types))
        troubles = [addresses for addresses in found if isinstance(addresses, _Trouble)]
        return troubles[0] if troubles else _together([addresses for addresses in found if isinstance(addresses, _Addresses)])

    async def _ask(self, resolver: Any, name: Any, kind: str) -> Any:
        """dnspython's answer to one question, or a _Trouble."""
        question = f"{name.to_text()} {kind}"
        servers = ", ".join(_text(server) for server in resolver.nameservers) or "no server"
        async with self._slots:
            try:
                return await resolver.resolve(name, kind, search=self.terms.search and not name.is_absolute())
            except dns.resolver.NXDOMAIN as error:
                tried = ", ".join(tried.to_text() for tried in error.kwargs["qnames"])
                return _Trouble(NoSuchName(name.to_text(), f"{tried}: no such name (NXDOMAIN); correct the name, or add it to the zone"))
            except dns.resolver.NoAnswer as error:
                found = error.kwargs["response"].question[0].name.to_text()
                return _Trouble(NoData(name.to_text(), f"{found}: the name exists, but without {kind} records"))
            except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as error:
                return _Trouble(_failure(question, error.kwargs.get("errors", ()), servers))
            except dns.exception.DNSException as error:
                return _Trouble(ServerFailure(name.to_text(), f"{question}: the answer of {servers} is no valid one ({error})", code="MALFORMED"))


_DENIED = {
    NoData.kind: "has no address; add an A or AAAA record",
    NoSuchName.kind: "does not exist (NXDOMAIN); correct the target, or add it to its zone",
}


@dataclass(frozen=True)
class _Addresses:
    """Addresses of a target; ``problem``: (kind, what) where it has none, by DNS's own word."""

    addresses: tuple[str, ...] = ()
    ttl: int = 2**31 - 1
    problem: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Trouble:
    outcome: NoData | NoSuchName | ServerFailure | NoAnswer


def _together(found: Sequence[_Addresses]) -> _Addresses:
    """The address types as one. An alias spoils all; a type without records spoils nothing while another has some."""
    addresses = tuple(sorted({address for each in found for address in each.addresses}, key=lambda text: (":" in text, text)))
    problems = [each.problem for each in found if each.problem]
    alias = [problem for problem in problems if problem[0] == "alias"]
    if alias or not addresses:
        return _Addresses(problem=(alias or problems)[0])
    return _Addresses(addresses, min(each.ttl for each in found))


def _members(outcome: Outcome) -> frozenset[str]:
    return frozenset(record.member for record in outcome.records) if isinstance(outcome, Records) else frozenset()


def _parsed(name: str, search: bool) -> Any:
    """The name as dnspython has it: absolute unless the search list is wanted, IDNA names as A-labels."""
    try:
        return dns.name.from_text(name, None if search else dns.name.root).canonicalize()
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise SrvTermsError(f"'{name}' is no DNS name ({error}); expected one like _grpc._tcp.example.org.") from None


def _resolver(terms: SrvTerms, nameservers: Iterable[NameServer]) -> Any:
    if nameservers:
        return _with_servers(terms, [dns.nameserver.Do53Nameserver(server.address, server.port) for server in nameservers])
    try:
        system = dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise SrvTermsError("/etc/resolv.conf names no server: give some in nameservers") from None
    return _with_servers(terms, system.nameservers, system.domain, system.search)


def _with_servers(terms: SrvTerms, servers: Sequence[Any], domain: Any = None, search: Sequence[Any] = ()) -> Any:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [server if not isinstance(server, str) else dns.nameserver.Do53Nameserver(server, DNS_PORT) for server in servers]
    if domain is not None:
        resolver.domain, resolver.search = domain, list(search)
    resolver.timeout = terms.timeout
    pauses = sum(min(FIRST_PAUSE * 2**round_, 2.0) for round_ in range(terms.attempts - 1))
    resolver.lifetime = terms.timeout * terms.attempts * len(resolver.nameservers) + pauses
    resolver.use_edns(0, 0, EDNS_PAYLOAD)
    return resolver


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
