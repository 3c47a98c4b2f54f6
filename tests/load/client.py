# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load: one writer and one reader for each liaison, all at once, and the count at the end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import itertools
import pathlib
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc

from . import figures
from .figures import Acknowledged, Answer, Failure
from .liaison import SUCCEED, Liaison, Point, why

SERIES = 16
"""Number of series of the points. Every shard has some of them."""

FLUSHED = 7.0
"""Seconds after which a query must find an acknowledged point: the server flushes after 5 s (contract, section 8)."""

WINDOW = 10.0
"""Seconds of points that a query asks for, up to FLUSHED seconds ago."""

ACKNOWLEDGE_TIMEOUT, GIVE_UP = 20.0, 60.0
"""Seconds for one try of a write, and seconds after which the client stops trying a point."""

QUERY_TIMEOUT = 8.0
SETUP_TIMEOUT = 60.0
PAUSE = 0.2
"""Seconds between two tries of a write, when no liaison took it, and between two polls."""

SLICE = 10_000
"""Milliseconds of points that one query of the count asks for."""


class SetUpError(Exception):
    """The load did not start. The message has the liaison and the failed step."""


class CountError(Exception):
    """The client cannot count the missing points. The message says why."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """``liaisons``: host:port of each public port. ``rate``: points a second, over all liaisons. ``period``: seconds between
    two batches of a liaison. ``queries``: queries a second through each liaison. ``patience``: seconds without a newly found
    point after which the count ends. ``ca``: file with the CA of liaisons that turn TLS on or off during the run.
    """

    liaisons: tuple[str, ...]
    rate: float = 100.0
    period: float = 0.5
    queries: float = 2.0
    group: str = "load"
    measure: str = "points"
    patience: float = 20.0
    ca: pathlib.Path | None = None


class Load:
    """One run. ``ready`` is set when every liaison has acknowledged points and found them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ready = threading.Event()
        self._run = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)
        self._made = 0
        self._last = 0
        self._acknowledged: dict[int, Acknowledged] = {}
        self._recent: list[Acknowledged] = []
        self._write_errors: list[Failure] = []
        self._query_errors: list[Failure] = []
        self._redirected: list[Failure] = []
        self._answers: list[Answer] = []
        self._complete: set[str] = set()
        self._began = 0.0

    async def run(self, stopped: Callable[[], bool]) -> dict[str, Any]:
        """Write and query until ``stopped()`` is true, then count. Return the figures of README.md. Raises SetUpError, CountError."""
        settings = self.settings
        liaisons = [Liaison(address, settings.group, settings.measure, ca=settings.ca) for address in settings.liaisons]
        try:
            await self._set_up(liaisons)
            started = datetime.datetime.now(datetime.UTC)
            self._began = time.monotonic()
            await self._write_and_read(liaisons, stopped)
            seconds = self._now()
            found = await self._find_all(liaisons)
            counted = self._now()
        finally:
            for liaison in liaisons:
                await liaison.close()
        return {
            "started_at": started.isoformat(timespec="milliseconds"),
            "seconds": round(seconds, 1),
            "counted_after": round(counted - seconds, 1),
            "liaisons": list(settings.liaisons),
            "group": settings.group,
            "measure": settings.measure,
            "rate": settings.rate,
            **figures.summary(self._acknowledged, self._made, found, self._write_errors, self._query_errors, self._redirected, self._answers),
        }

    def _now(self) -> float:
        return time.monotonic() - self._began

    # Before

    async def _set_up(self, liaisons: list[Liaison]) -> None:
        """Make the group and the measure when they are missing, and wait until every liaison knows them."""
        first = liaisons[0]
        await _insist(first, first.make_group, "make the group")
        await _insist(first, first.make_measure, "make the measure")

        async def knows(liaison: Liaison) -> None:
            if not await liaison.knows_measure():
                raise _NotYet("the liaison does not know the measure")

        async def takes(liaison: Liaison) -> None:
            answers: list[str] = []
            # The count ignores this point: see _own.
            point = Point(1, _milliseconds(), f"first-{self._run}")
            await liaison.write([point], ACKNOWLEDGE_TIMEOUT, lambda _, status: answers.append(status))
            if answers != [SUCCEED]:
                raise _NotYet(f"the answer to a write was {answers or 'empty'}")

        for liaison in liaisons:
            await _insist(liaison, functools.partial(knows, liaison), "learn of the measure")
            await _insist(liaison, functools.partial(takes, liaison), "take a point")

    # During the run

    async def _write_and_read(self, liaisons: list[Liaison], stopped: Callable[[], bool]) -> None:
        done = asyncio.Event()
        writers = [asyncio.create_task(self._keep_writing(liaisons, index, done)) for index in range(len(liaisons))]
        readers = [asyncio.create_task(self._keep_reading(liaisons, index, done)) for index in range(len(liaisons))]
        try:
            while not stopped():
                for task in (*writers, *readers):
                    if task.done():
                        task.result()
                await asyncio.sleep(PAUSE)
            done.set()
            await asyncio.gather(*writers, *readers)
        finally:
            for task in (*writers, *readers):
                task.cancel()

    async def _keep_writing(self, liaisons: list[Liaison], index: int, done: asyncio.Event) -> None:
        """Write a batch every period, also while earlier batches wait for an answer. Return when all batches have ended."""
        settings = self.settings
        # The liaisons write at different times, so that the load on the machine is even.
        due = time.monotonic() + settings.period * index / len(liaisons)
        batches: set[asyncio.Task[None]] = set()
        owed = 0.0
        while not await _set_within(done, due - time.monotonic()):
            due += settings.period
            owed += settings.rate * settings.period / len(liaisons)
            batch = asyncio.create_task(self._write(self.make_points(int(owed)), _from(liaisons, index)))
            owed -= int(owed)
            batches.add(batch)
            for over in [task for task in batches if task.done()]:
                batches.remove(over)
                over.result()
        await asyncio.gather(*batches)

    def make_points(self, count: int) -> list[Point]:
        """Make points with different pairs of series and time: a series repeats after a millisecond at the earliest."""
        now, points = _milliseconds(), []
        for number in itertools.islice(self._numbers, count):
            series = number % SERIES
            self._last = max(now, self._last + (series == 0))
            points.append(Point(number, self._last, f"{self._run}-{series}"))
        self._made += count
        return points

    async def _write(self, points: list[Point], liaisons: list[Liaison]) -> None:
        """Write through one liaison after the other until each point is acknowledged."""
        waiting = {point.number: point for point in points}
        sent = self._now()
        for attempt, liaison in enumerate(itertools.cycle(liaisons), start=1):
            reasons: set[str] = set()

            def answered(number: int, status: str) -> None:
                if status != SUCCEED:
                    reasons.add(status)
                elif number in waiting:
                    point = waiting.pop(number)
                    self._acknowledge(Acknowledged(number, point.time, liaison.address, sent, self._now()))

            began = self._now()
            try:
                await liaison.write(list(waiting.values()), ACKNOWLEDGE_TIMEOUT, answered)
            except grpc.RpcError as error:
                reasons.add(why(error))
            if not waiting:
                return
            self._write_errors += [Failure(began, liaison.address, reason) for reason in reasons or {"no answer for a point"}]
            if self._now() - sent > GIVE_UP:
                return
            if attempt % len(liaisons) == 0:
                await asyncio.sleep(PAUSE)

    def _acknowledge(self, point: Acknowledged) -> None:
        self._acknowledged[point.number] = point
        self._recent.append(point)

    async def _keep_reading(self, liaisons: list[Liaison], index: int, done: asyncio.Event) -> None:
        """Send one query after the other, at most at the configured rate."""
        pause = 1 / self.settings.queries
        due = time.monotonic()
        while not await _set_within(done, due - time.monotonic()):
            due = max(due + pause, time.monotonic())
            await self._query(_from(liaisons, index))

    async def _query(self, liaisons: list[Liaison]) -> None:
        """Ask the first liaison for the points of a window that a query must find completely. Record the share of missed points.

        When a liaison refuses or resets the query, ask the next liaison: the query has not failed.
        """
        asked, clock = self._now(), _milliseconds()
        end = clock - int(FLUSHED * 1000)
        begin = end - int(WINDOW * 1000)
        horizon = begin - int(ACKNOWLEDGE_TIMEOUT * 1000)
        self._recent = [point for point in self._recent if point.time >= horizon]
        wanted = figures.expected(self._recent, asked - FLUSHED, begin, end)
        for liaison in liaisons:
            try:
                found = await liaison.query(begin, end, QUERY_TIMEOUT)
            except grpc.RpcError as error:
                failure = Failure(asked, liaison.address, why(error))
                if error.code() != grpc.StatusCode.UNAVAILABLE or liaison is liaisons[-1]:
                    self._query_errors.append(failure)
                    return
                self._redirected.append(failure)
            else:
                break
        answer = Answer(asked, liaison.address, self._now() - asked, figures.missed_share(wanted, self._own(found)))
        self._answers.append(answer)
        if wanted and not answer.missed:
            self._complete.add(liaison.address)
            if self._complete == set(self.settings.liaisons):
                self.ready.set()

    def _own(self, found: set[tuple[str, int]]) -> set[int]:
        """Return the numbers of this run's points."""
        return {number for series, number in found if series.startswith(self._run)}

    # Afterwards

    async def _find_all(self, liaisons: list[Liaison]) -> set[int]:
        """Return the numbers that any liaison finds, and repeat while their number grows. Raises CountError."""
        found: set[int] = set()
        newest = time.monotonic() + FLUSHED
        while True:
            before, failure = len(found), ""
            lost = figures.missing(self._acknowledged, found)
            for begin in sorted({point.time // SLICE * SLICE for point in lost}):
                try:
                    found |= await self._find(liaisons, begin)
                except _NotYet as error:
                    failure = str(error)
            if not figures.missing(self._acknowledged, found):
                return found
            if len(found) > before:
                newest = max(newest, time.monotonic())
            elif time.monotonic() > newest + self.settings.patience:
                if failure:
                    raise CountError(failure)
                return found
            await asyncio.sleep(1.0)

    async def _find(self, liaisons: list[Liaison], begin: int) -> set[int]:
        """Return the numbers of one slice. An answer of one liaison is enough."""
        found: set[int] = set()
        reasons = []
        for liaison in liaisons:
            try:
                found |= self._own(await liaison.query(begin, begin + SLICE, QUERY_TIMEOUT))
            except grpc.RpcError as error:
                reasons.append(f"{liaison.address}: {why(error)}")
        if len(reasons) == len(liaisons):
            raise _NotYet("no liaison answers a query: " + "; ".join(reasons))
        return found


class _NotYet(Exception):
    """A condition is not true yet. The message has the missing fact."""


async def _insist(liaison: Liaison, action: Callable[[], Awaitable[None]], what: str) -> None:
    """Try an action until it succeeds. Raises SetUpError."""
    deadline = time.monotonic() + SETUP_TIMEOUT
    while True:
        try:
            await action()
            return
        except (grpc.RpcError, _NotYet) as error:
            if time.monotonic() > deadline:
                reason = why(error) if isinstance(error, grpc.RpcError) else str(error)
                raise SetUpError(f"{liaison.address} did not {what} within {SETUP_TIMEOUT:.0f} s: {reason}") from error
        await asyncio.sleep(PAUSE)


def _from(liaisons: list[Liaison], index: int) -> list[Liaison]:
    """Return all liaisons in the order of the tries, starting with this one."""
    return [*liaisons[index:], *liaisons[:index]]


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most for this time. Return whether the event is set."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), max(seconds, 0))
    return event.is_set()


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Running:
    """A load in a separate thread. ``result`` has the figures after the end of ``running``."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.stop = threading.Event()
        self.result: dict[str, Any] = {}
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.result = asyncio.run(self.load.run(self.stop.is_set))
        except BaseException as error:
            self.failure = error

    @property
    def ready(self) -> bool:
        """Return whether every liaison takes and finds points. Raises the error that ended the load."""
        if self.failure is not None:
            raise self.failure
        return self.load.ready.is_set()

    def end(self) -> None:
        """Stop and wait for the count. Raises the error of the load."""
        self.stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Run a load during the block. ``result`` has the figures afterwards."""
    load = Running(Load(settings))
    try:
        yield load
    finally:
        load.end()
