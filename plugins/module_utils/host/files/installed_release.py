# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs releases of the server on this host, next to each other, and links to the current release.

A version has the files ``<root>/versions/<version>/bin/banyand-server`` and ``<root>/versions/<version>/ARTIFACT``. ``ARTIFACT`` names the source of
the program. One rename makes a version directory, so a version is complete or absent. An installed version never changes.
Standard library only, Python 3.9+.
"""

from __future__ import annotations

import hashlib
import os
import re
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
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut

PROGRAM = "bin/banyand-server"
MARKER = "ARTIFACT"
_INCOMING = ".incoming-"
#: Digits of a checksum in a message.
DIGITS = 8


class ReleaseError(Exception):
    """The release cannot be installed. The message has the problem and the remedy. Nothing has changed."""


@dataclass(frozen=True)
class Release:
    """The expected version on the host. ``source``: line of the version's marker, see source(); ``None`` accepts any source."""

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
        """Target of the link. The target is relative, so the whole root can be moved or mounted elsewhere."""
        return os.path.join("versions", self.version)


def source(sha512: str, flavor: str) -> str:
    """Return the line of a marker: the checksum of the whole artifact, and the flavor of the build."""
    return f"sha512:{sha512} {flavor}\n"


def _shortened(marker: str) -> str:
    """Return the line of a marker for a message, with the first digits of its checksum."""
    return cut(re.sub(rf"sha512:([0-9a-f]{{{DIGITS}}})[0-9a-f]*", r"SHA-512 \1...", " ".join(marker.split())), 26)


def is_installed(release: Release) -> bool:
    """Return whether the version is installed. Raises ReleaseError if the directory is incomplete or has a different source."""
    if not os.path.lexists(release.directory):
        return False
    try:
        with open(os.path.join(release.directory, MARKER), encoding="utf-8") as stream:
            found = stream.read()
    except FileNotFoundError:
        found = ""
    except OSError as error:
        raise ReleaseError(f"{release.directory}: cannot be read: {error.strerror}. Run this with become: true.") from error
    if not found or not os.access(os.path.join(release.directory, PROGRAM), os.X_OK):
        raise ReleaseError(
            f"{release.directory} is incomplete (expected {PROGRAM} and {MARKER}). Another program made or changed it. "
            "Move it away, then run this again."
        )
    if release.source is not None and found != release.source:
        raise ReleaseError(
            f"{release.directory} has {_shortened(found)}, and banyandb_artifact_checksum has {_shortened(release.source)}. "
            "Check both, or set another banyandb_version."
        )
    return True


def linked_version(release: Release) -> str:
    """Return the version to which the link leads, or an empty text without a link. Raises ReleaseError if the path is not a link."""
    try:
        return os.path.basename(os.readlink(release.link))
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ReleaseError(f"{release.link} is not a symbolic link to a version ({error.strerror}). Move it away, then run this again.") from error


def is_linked(release: Release) -> bool:
    """Return whether the link leads to this version by exactly the expected target. Raises ReleaseError."""
    return linked_version(release) != "" and os.readlink(release.link) == release.target


def install(release: Release, program: str, sha256: str) -> None:
    """Install the program as this version. ``program``: path on this host. ``sha256``: expected digest, in hexadecimal. Raises ReleaseError.

    Copies the program into a new directory, compares the digest during the copy, syncs the directory and renames it.
    """
    if release.source is None:
        raise ReleaseError(f"{release.directory}: src is set, but source is not set. Set source with src.")
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
        raise ReleaseError(
            f"{error.filename or release.versions}: {error.strerror}, so version {release.version} is not installed. "
            "Repair the disk, then run this again."
        ) from error


def link(release: Release) -> None:
    """Switch the link to this version. The switch is atomic, so a reader sees the old or the new version. Raises ReleaseError."""
    linked_version(release)  # raises if the path is not a link
    try:
        put_link(release.link, release.target)
    except OSError as error:
        raise ReleaseError(f"{release.link}: not changed: {error.strerror}. Repair the disk, then run this again.") from error


def superfluous(release: Release, keep: int, stay: Collection[str], proc: str = "/proc") -> list[str]:
    """Return the names of superfluous versions, oldest first. ``keep``: number of versions that stay. Raises OSError.

    The version of ``release``, versions in ``stay``, versions that a process runs, and directories of others always stay.
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
    """Remove versions by name. Raises ReleaseError; versions removed before the error stay removed."""
    try:
        with locked(release.versions):
            for name in names:
                # The rename keeps the rule that a version is complete or absent.
                gone = os.path.join(release.versions, _INCOMING + secrets.token_hex(6))
                os.rename(os.path.join(release.versions, name), gone)
                shutil.rmtree(gone)
            sync(release.versions)
    except OSError as error:
        raise ReleaseError(f"{error.filename or release.versions}: an old version cannot be removed: {error.strerror}. Remove it.") from error


def _running(versions: str, proc: str) -> set[str]:
    """Return the versions whose program a process runs."""
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
            f"the program arrived damaged on this host: expected SHA-256 {sha256[:DIGITS]}..., found {digest.hexdigest()[:DIGITS]}.... "
            "Remove banyandb_cache_dir, then run this again."
        )
    write(os.path.join(directory, MARKER), marker.encode(), READABLE)
    for path in (os.path.dirname(target), directory):
        os.chmod(path, 0o755)
        sync(path)


def _remove_leftovers(versions: str) -> None:
    for name in os.listdir(versions):
        if name.startswith(_INCOMING):
            shutil.rmtree(os.path.join(versions, name), ignore_errors=True)
