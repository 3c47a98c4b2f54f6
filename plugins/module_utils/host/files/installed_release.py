# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of the server on this host: side by side under one directory, with a link to the one in use.

``<root>/versions/<version>/bin/banyand-server`` and beside ``bin`` the file ``ARTIFACT``, which says what it was taken
from. A version directory comes into being by one rename, so it is whole or not there; it is never changed afterwards.
Standard library only, Python 3.9+.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import (
    READABLE,
    Ownership,
    make_parents,
    put_link,
    sync,
    write,
    writing,
)

PROGRAM = "bin/banyand-server"
MARKER = "ARTIFACT"
_INCOMING = ".incoming-"


class ReleaseError(Exception):
    """The release cannot be put in place; the message says what is wrong and what to do. Nothing was changed."""


@dataclass(frozen=True)
class Release:
    """A version as it should be on the host: ``source`` is the line of its marker (``None``: any), see ``source``."""

    root: str
    version: str
    source: str | None

    @property
    def versions(self) -> str:
        return os.path.join(self.root, "versions")

    @property
    def directory(self) -> str:
        return os.path.join(self.versions, self.version)

    @property
    def link(self) -> str:
        return os.path.join(self.root, "current")

    @property
    def target(self) -> str:
        """What the link says: relative, so that the whole root can be moved or mounted elsewhere."""
        return os.path.join("versions", self.version)


def source(sha512: str, flavor: str) -> str:
    """The marker's line: the checksum of the whole artifact, and which of its builds was taken."""
    return f"sha512:{sha512} {flavor}\n"


def is_installed(release: Release) -> bool:
    """Whether the version is there, whole. Raises ReleaseError when something else stands in its place."""
    if not os.path.lexists(release.directory):
        return False
    try:
        with open(os.path.join(release.directory, MARKER), encoding="utf-8") as stream:
            found = stream.read()
    except FileNotFoundError:
        found = ""
    except OSError as error:
        raise ReleaseError(f"{release.directory}: {error.strerror}; run this with become: true") from error
    if not found or not os.access(os.path.join(release.directory, PROGRAM), os.X_OK):
        raise ReleaseError(
            f"{release.directory} exists and is not whole (expected {PROGRAM} and {MARKER} in it): "
            "somebody else made it or changed it. Move it away, then run this again"
        )
    if release.source is not None and found != release.source:
        raise ReleaseError(
            f"{release.directory} was installed from another artifact: expected {release.source.strip()}, found "
            f"{found.strip()}. Versions are never changed in place: give this artifact another banyandb_version, or "
            "move the directory away"
        )
    return True


def linked_version(release: Release) -> str:
    """The version that the link leads to; empty without a link. Raises ReleaseError when it is no link."""
    try:
        return os.path.basename(os.readlink(release.link))
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ReleaseError(f"{release.link} is not a symbolic link to a version ({error.strerror}): move it away, then run this again") from error


def is_linked(release: Release) -> bool:
    """Whether the link leads to this version, by exactly the target that it should say."""
    return linked_version(release) != "" and os.readlink(release.link) == release.target


def install(release: Release, program: str, sha256: str) -> None:
    """Put the program at ``program`` (a file on this host) in place as this version. Raises ReleaseError.

    It is copied into a directory of its own, checked against ``sha256`` while it is read, made durable, and renamed.
    """
    if release.source is None:
        raise ReleaseError(f"{release.directory}: a program came along, but not what it was taken from: give source with src")
    try:
        for directory in (release.root, release.versions):
            make_parents(directory, inclusive=True)
        with locked(release.versions):
            _remove_leftovers(release.versions)
            incoming = os.path.join(release.versions, _INCOMING + secrets.token_hex(6))
            try:
                _fill(incoming, program, sha256, release.source)
                os.rename(incoming, release.directory)
            except BaseException:
                shutil.rmtree(incoming, ignore_errors=True)
                raise
            sync(release.versions)
    except OSError as error:
        raise ReleaseError(f"{error.filename or release.versions}: {error.strerror}; version {release.version} was not installed") from error


def link(release: Release) -> None:
    """Let the link lead to this version, in one step: whoever follows it sees the old version or the new one."""
    linked_version(release)  # refuses what is no link
    try:
        put_link(release.link, release.target)
    except OSError as error:
        raise ReleaseError(f"{release.link}: {error.strerror}; the link was left as it is") from error


def superfluous(release: Release, keep: int, stay: Collection[str], proc: str = "/proc") -> list[str]:
    """Return the names of the versions beyond the newest ``keep`` ones, oldest first. Raises OSError.

    The version of ``release``, those of ``stay`` and those whose program runs always stay, and so does what this collection did not install.
    """
    ages: dict[str, int] = {}
    for entry in os.scandir(release.versions):
        marker = os.path.join(entry.path, MARKER)
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".") and os.path.isfile(marker):
            ages[entry.name] = os.stat(marker).st_mtime_ns
    needed = {release.version, *stay, *_running(release.versions, proc)}
    oldest = sorted((name for name in ages if name not in needed), key=lambda name: ages[name])
    return oldest[: max(0, len(ages) - keep)]


def prune(release: Release, names: Iterable[str]) -> None:
    """Remove these versions. Raises ReleaseError; what was removed by then stays removed."""
    try:
        with locked(release.versions):
            for name in names:
                # Out of the way by one rename: a version is whole or not there.
                gone = os.path.join(release.versions, _INCOMING + secrets.token_hex(6))
                os.rename(os.path.join(release.versions, name), gone)
                shutil.rmtree(gone)
            sync(release.versions)
    except OSError as error:
        raise ReleaseError(f"{error.filename or release.versions}: an old version cannot be removed: {error.strerror}; remove it") from error


def _running(versions: str, proc: str) -> set[str]:
    """Return the versions whose program some process runs."""
    found = set()
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            program = os.readlink(os.path.join(proc, pid, "exe"))
        except OSError:
            continue
        if program.startswith(f"{versions}{os.sep}"):
            found.add(program[len(versions) + 1 :].split(os.sep)[0])
    return found


def _fill(directory: str, program: str, sha256: str, marker: str) -> None:
    target = os.path.join(directory, PROGRAM)
    os.mkdir(directory)
    os.mkdir(os.path.dirname(target))
    digest = hashlib.sha256()
    with open(program, "rb") as incoming, writing(target, Ownership(None, None, 0o755)) as outgoing:
        for block in iter(lambda: incoming.read(1024 * 1024), b""):
            digest.update(block)
            outgoing.write(block)
    if digest.hexdigest() != sha256:
        raise ReleaseError(
            f"the program arrived damaged on this host: expected SHA-256 {sha256}, found {digest.hexdigest()}. "
            "Run this again; if it stays so, remove the cache on the controller"
        )
    write(os.path.join(directory, MARKER), marker.encode(), READABLE)
    for path in (os.path.dirname(target), directory):
        os.chmod(path, 0o755)
        sync(path)


def _remove_leftovers(versions: str) -> None:
    for name in os.listdir(versions):
        if name.startswith(_INCOMING):
            shutil.rmtree(os.path.join(versions, name), ignore_errors=True)
