# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users: which ports ask for a password, and when a running server loads other users (contract, section 7)."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator

import grpc
import pytest

from . import asking
from .asking import Calls
from .conftest import Cluster
from .servers import GRPC, HTTP, INTERNAL, Server, listing
from .waiting import SOON, holds, until

OLD, NEW, OTHER = ("ops", "old-4711"), ("ops", "new-4712"), ("app", "other-4713")
STATE, NODE = "banyandb.database.v1.ClusterStateService/GetClusterState", "banyandb.database.v1.NodeQueryService/GetCurrentNode"
HEALTH = "grpc.health.v1.Health/Check"
VARIABLE = "BYDB_AUTH_CONFIG_FILE"


def text(*users: tuple[str, str]) -> str:
    return json.dumps({"users": [{"username": name, "password": password} for name, password in users]})


class Guarded:
    """A standalone server with users."""

    def __init__(self, server: Server, calls: Calls, folder: pathlib.Path) -> None:
        self.server, self.calls, self.path = server, calls, folder / "users.json"
        self.log_size = 0

    def start(self, content: str, mode: int = 0o600) -> None:
        self.server.kill()
        self.path.write_text(content)
        self.path.chmod(mode)
        self.log_size = self.server.log.stat().st_size if self.server.log.exists() else 0
        self.server.start(**{VARIABLE: str(self.path)})

    def ready(self, *users: tuple[str, str]) -> None:
        self.start(text(*users))
        until(lambda: self.admits(users[0]), SOON, f"{self.server} answers")

    def in_place(self, content: str) -> None:
        """Overwrite the file with one write, which the server sees as one change. Blanks cover the rest of the old text."""
        with self.path.open("r+b", buffering=0) as file:
            file.write(content.encode().ljust(self.path.stat().st_size))

    def admits(self, user: tuple[str, str] | None) -> bool:
        """Return whether both ports admit the user. They must agree. Raises OSError while the server does not serve."""
        try:
            asking.page(self.server.host.address, HTTP, "/api/v1/cluster/state", user)
            by_http = True
        except asking.NotServing as error:
            if ": 401 " not in str(error):
                raise
            by_http = False
        by_grpc = code(self.calls, self.server, GRPC, STATE, user) is None
        if by_http != by_grpc:
            raise OSError(f"{user}: over HTTP {by_http}, over gRPC {by_grpc}")
        return by_http

    def says(self, sentence: str) -> bool:
        """Return whether the log has the text since the last start."""
        return sentence in self.server.log.read_bytes()[self.log_size :].decode()

    @property
    def watched(self) -> bool:
        return self.server.watches_of(self.path) > 0


def code(calls: Calls, server: Server, port: int, path: str, user: tuple[str, str] | None = None) -> grpc.StatusCode | None:
    """Return why a port refuses a call; None if it answers. Raises OSError while it does not serve."""
    try:
        calls.ask(server.host.address, port, path, user)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            raise OSError(str(error)) from error
        return error.code()
    return None


@pytest.fixture(scope="module")
def standalone(add: Callable[..., Server]) -> Server:
    return add("standalone", 6, **{"node-discovery-mode": "none"})


@pytest.fixture
def guarded(standalone: Server, calls: Calls, tmp_path: pathlib.Path) -> Iterator[Guarded]:
    yield Guarded(standalone, calls, tmp_path)
    standalone.kill()


def test_a_liaison_asks_on_its_public_ports_alone_and_a_data_node_never(
    cluster: Cluster, add: Callable[..., Server], calls: Calls, tmp_path: pathlib.Path
) -> None:
    users = tmp_path / "users.json"
    users.write_text(text(OLD))
    users.chmod(0o600)
    liaison, data = add("liaison", 7), add("data", 8)
    for server, entries in ((data, {}), (liaison, cluster.data_entries)):
        server.rename(listing(entries))
        server.start(**{VARIABLE: str(users)})
    for server in (liaison, data):
        until(lambda: code(calls, server, GRPC, HEALTH) is None, SOON, f"{server} answers")
    assert {path: code(calls, liaison, GRPC, path) for path in (STATE, NODE, HEALTH)} == {
        STATE: grpc.StatusCode.UNAUTHENTICATED,
        NODE: grpc.StatusCode.UNAUTHENTICATED,
        HEALTH: None,
    }
    assert {code(calls, liaison, GRPC, path, OLD) for path in (STATE, NODE)} == {None}
    assert {code(calls, liaison, INTERNAL, path) for path in (STATE, NODE)} == {None}
    assert asking.page(liaison.host.address, HTTP, "/api/healthz")
    with pytest.raises(asking.NotServing, match=": 401 "):
        asking.page(liaison.host.address, HTTP, "/api/v1/cluster/state")
    assert {code(calls, data, GRPC, path) for path in (STATE, NODE)} == {None}
    assert asking.state(data.host.address)
    liaison.kill()
    data.kill()


def test_a_write_in_place_counts_soon_also_with_padding_and_unknown_keys(guarded: Guarded) -> None:
    guarded.ready(OLD)
    assert not guarded.admits(None)
    guarded.in_place(json.dumps({"written_by": "somebody", "users": json.loads(text(NEW, OTHER))["users"]}).ljust(4095) + "\n")
    seconds = until(lambda: guarded.admits(NEW), SOON, "the new password counts")
    assert seconds > 0.4
    assert guarded.admits(OTHER) and not guarded.admits(OLD)
    guarded.in_place(text(OLD))
    until(lambda: guarded.admits(OLD), SOON, "the second write counts too")
    assert not guarded.admits(NEW)


def test_of_two_writes_in_quick_succession_the_last_one_counts_and_the_first_one_never(guarded: Guarded) -> None:
    guarded.ready(OLD)
    guarded.in_place(text(NEW))
    holds(lambda: guarded.admits(OLD), 0.3, "the first write does not count yet")
    guarded.in_place(text(OTHER))
    holds(lambda: not guarded.admits(NEW), 0.3, "the second write has begun the wait again")
    until(lambda: guarded.admits(OTHER), SOON, "the second write counts")
    assert not guarded.admits(NEW)


def test_a_file_renamed_over_it_never_counts_and_ends_the_watch(guarded: Guarded) -> None:
    guarded.ready(OLD)
    until(lambda: guarded.watched, SOON, "the server watches its file")
    new = guarded.path.with_suffix(".new")
    new.write_text(text(NEW))
    new.chmod(0o600)
    new.replace(guarded.path)
    holds(lambda: guarded.admits(OLD) and not guarded.admits(NEW) and not guarded.watched, 1.5, "the server keeps its users")
    guarded.in_place(text(OTHER))
    holds(lambda: guarded.admits(OLD) and not guarded.admits(OTHER), 1.5, "a write in place comes too late")


def test_a_file_moved_in_after_the_old_one_was_moved_away_counts_once(guarded: Guarded) -> None:
    guarded.ready(OLD)
    until(lambda: guarded.watched, SOON, "the server watches its file")
    new = guarded.path.with_suffix(".new")
    new.write_text(text(NEW))
    new.chmod(0o600)
    guarded.path.replace(guarded.path.with_suffix(".old"))
    new.replace(guarded.path)
    until(lambda: guarded.admits(NEW), SOON, "the new file counts")
    assert not guarded.watched
    guarded.in_place(text(OTHER))
    holds(lambda: guarded.admits(NEW) and not guarded.admits(OTHER), 1.5, "the watch is lost")


@pytest.mark.parametrize("content", ['{"users": []}', "", "{}"], ids=["an empty list", "an empty file", "no list"])
def test_without_a_user_the_server_refuses_everybody(guarded: Guarded, content: str) -> None:
    guarded.ready(OLD)
    guarded.in_place(content)
    until(lambda: not guarded.admits(OLD), SOON, "the list counts")
    assert not guarded.admits(None)


@pytest.mark.parametrize("content", ['{"users": [{"username": "ops", "passw', '{"users": "ops"}', "[]"], ids=["half a file", "no list", "no mapping"])
def test_an_invalid_file_keeps_the_users_and_the_next_write_counts(guarded: Guarded, content: str) -> None:
    guarded.ready(OLD)
    guarded.in_place(content)
    until(lambda: guarded.says("failed to reload config"), SOON, "the server has read the file")
    assert guarded.admits(OLD)
    guarded.in_place(text(NEW))
    until(lambda: guarded.admits(NEW), SOON, "the next write counts")


def test_a_file_with_another_mode_is_not_read(guarded: Guarded) -> None:
    guarded.ready(OLD)
    guarded.path.chmod(0o640)
    guarded.in_place(text(NEW))
    until(lambda: guarded.says("has unsafe permissions"), SOON, "the server has seen the write")
    assert guarded.admits(OLD)
    guarded.start(text(OLD), mode=0o640)
    guarded.server.exited(within=SOON)


def test_a_username_that_is_listed_twice_has_both_passwords(guarded: Guarded) -> None:
    guarded.ready(OLD, NEW)
    assert guarded.admits(OLD) and guarded.admits(NEW)


def test_blanks_around_names_and_passwords_do_not_count(guarded: Guarded) -> None:
    guarded.ready(("ops", " padded-4714 "))
    assert guarded.admits(("ops", "padded-4714")) and not guarded.admits(("ops", "padded"))


def test_a_server_does_not_start_with_half_a_file(guarded: Guarded) -> None:
    guarded.start(text(OLD)[:30])
    guarded.server.exited(within=SOON)
