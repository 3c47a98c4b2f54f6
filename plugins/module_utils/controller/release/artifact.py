# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release tarball on the controller: fetched once, verified, and the one program of it that a host needs.

Layout of a release (source: the server's release scripts): flat
``bin/banyand-server-{static,slim}-linux-{amd64,arm64}``, beside it ``<tarball>.sha512`` as sha512sum writes it.

The cache is addressed by content: ``<cache>/<sha512 of the tarball>/<name of the program>`` exists only if it came out
of a tarball with that very checksum, so a second host costs no second unpacking. What was fetched lies under
``<cache>/fetched``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, cast

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller import files
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted

PROGRAM = "banyand-server"
_SHA512 = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{128}(?![0-9A-Fa-f])")

#: Opens a URL for reading. Raises OSError or one of its kind.
Opener = Callable[[str], IO[bytes]]


class ArtifactError(Exception):
    """The artifact cannot be used; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Program:
    """The program in the controller's cache: its path, its SHA-256, and the SHA-512 of the tarball it is from."""

    path: str
    sha256: str
    artifact_sha512: str


def program(artifact: str, checksum: str, architecture: str, flavor: str, cache: str, opener: Opener) -> Program:
    """The program for one architecture (``amd64``, ``arm64``) and flavor (``static``, ``slim``), verified.

    ``artifact`` is a URL or a path; ``checksum`` is ``sha512:<hex>``, or the URL or path of a ``.sha512`` file.
    Raises ArtifactError.
    """
    name = f"{PROGRAM}-{flavor}-linux-{architecture}"
    sha512 = expected_sha512(checksum, cache, opener)
    path = os.path.join(cache, sha512, name)
    tarball = _local(artifact, cache, opener) if not _is_url(artifact) or not os.path.exists(path) else ""
    if tarball and not os.path.isfile(tarball):
        raise ArtifactError(
            f"banyandb_artifact {artifact} is no file on the controller: give the path of a release tarball"
        )
    try:
        with files.locked(cache):
            if not os.path.exists(path):
                _verify(tarball, sha512, artifact, checksum, cache)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _unpack(tarball, name, path)
        return Program(path, _digest(path, "sha256"), sha512)
    except OSError as error:
        raise ArtifactError(
            f"{error.filename or cache}: {error.strerror}; give another banyandb_cache_dir or mend it"
        ) from error


def expected_sha512(checksum: str, cache: str, opener: Opener) -> str:
    """The 128 hexadecimal digits that ``checksum`` names. Raises ArtifactError."""
    if checksum.startswith("sha512:"):
        text, where = checksum[len("sha512:") :], "banyandb_artifact_checksum"
        if not _SHA512.fullmatch(text):
            raise ArtifactError(f"{where}: expected sha512: and 128 hexadecimal digits, found {checksum!r}")
        return text.lower()
    try:
        with open(_local(checksum, cache, opener), encoding="ascii", errors="replace") as stream:
            text = stream.read(64 * 1024)
    except OSError as error:
        raise ArtifactError(
            f"the checksum {checksum} cannot be read ({error.strerror}): an artifact is never used unverified. Put the "
            ".sha512 file there, or give banyandb_artifact_checksum: sha512:<hex>"
        ) from error
    found = _SHA512.search(text)
    if found is None:
        raise ArtifactError(
            f"{checksum} holds no SHA-512 (128 hexadecimal digits): expected a line as sha512sum writes it"
        )
    return found.group(0).lower()


def known_sha512(checksum: str) -> str:
    """The 128 hexadecimal digits that ``checksum`` names, where they can be had without asking anybody; else empty."""
    text = checksum
    if checksum and not checksum.startswith("sha512:") and not _is_url(checksum):
        try:
            with open(os.path.expanduser(checksum), encoding="ascii", errors="replace") as stream:
                text = stream.read(64 * 1024)
        except OSError:
            return ""  # whatever needs it says so
    found = _SHA512.search(text)
    return found.group(0).lower() if found else ""


def _verify(tarball: str, sha512: str, artifact: str, checksum: str, cache: str) -> None:
    try:
        found = _digest(tarball, "sha512")
    except OSError as error:
        raise ArtifactError(
            f"banyandb_artifact {artifact} cannot be read on the controller: {error.strerror}"
        ) from error
    if found == sha512:
        return
    for source in (artifact, checksum):
        if _is_url(source):  # let the next run fetch them anew
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_fetched(source, cache))
    raise ArtifactError(
        fitted(
            "banyandb_artifact ",
            os.path.basename(artifact),
            f" does not match its checksum: expected SHA-512 {sha512[:8]}..., found {found[:8]}.... "
            "Fetch it again, or correct banyandb_artifact_checksum.",
        )
    )


def _unpack(tarball: str, name: str, path: str) -> None:
    """Take the one member out; never by its own path, so a hostile name leads nowhere."""
    temporary = f"{path}.{secrets.token_hex(6)}"
    try:
        with tarfile.open(tarball, "r:*") as archive:
            members = [member for member in archive if member.isfile()]
            chosen = [member for member in members if os.path.basename(member.name) == name]
            if len(chosen) != 1:
                there = sorted(os.path.basename(member.name) for member in members if PROGRAM in member.name)
                raise ArtifactError(
                    f"{tarball} has no program {name}, which this host needs (banyandb_flavor and its architecture). It has: "
                    + (
                        ", ".join(there)
                        or f"no {PROGRAM} at all; is it a release named skywalking-banyandb-<version>-banyand.tgz?"
                    )
                )
            # Never None here: only what is no regular file has no stream.
            stream = cast(IO[bytes], archive.extractfile(chosen[0]))
            with stream, open(temporary, "wb") as target:
                shutil.copyfileobj(stream, target, 1024 * 1024)
        os.rename(temporary, path)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ArtifactError(
            f"{tarball} is no readable tarball ({error}): expected skywalking-banyandb-<version>-banyand.tgz"
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _local(source: str, cache: str, opener: Opener) -> str:
    """The path of a source on the controller; a URL is fetched unless it already was."""
    if not _is_url(source):
        return os.path.expanduser(source)
    path = _fetched(source, cache)
    temporary = f"{path}.{secrets.token_hex(6)}"
    try:
        with files.locked(cache):
            if os.path.exists(path):
                return path
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with contextlib.closing(opener(source)) as incoming, open(temporary, "wb") as outgoing:
                shutil.copyfileobj(incoming, outgoing, 1024 * 1024)
            os.rename(temporary, path)
    except OSError as error:  # what urllib raises is of its kind
        raise ArtifactError(
            f"{source} cannot be fetched by the controller: {error}. Check the address and the proxy, or give the path of a "
            "copy on the controller"
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return path


def _fetched(url: str, cache: str) -> str:
    name = os.path.basename(url.split("?")[0].split("#")[0]) or "artifact"
    return os.path.join(cache, "fetched", hashlib.sha256(url.encode()).hexdigest()[:16], name)


def _is_url(source: str) -> bool:
    return re.match(r"https?://", source) is not None


def _digest(path: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1024 * 1024), b""):
            digest.update(block)
    return digest.hexdigest()
