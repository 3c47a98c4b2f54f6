# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch and verify a release tarball on the controller, and unpack the one program that a host needs.

Layout of a release (source: the server's release scripts): ``bin/banyand-server-{static,slim}-linux-{amd64,arm64}`` without other folders.
``<tarball>.sha512``, as sha512sum writes it, is beside the tarball.

Layout of the cache:
- ``<cache>/<sha512 of the tarball>/<name of the program>`` exists only when it comes from a tarball with this checksum. So the controller unpacks
a program once for all hosts.
- ``<name>.json`` beside the program has its SHA-256 and identifies the file (device, inode, size, time of change).
- ``<cache>/fetched`` has a directory for each fetched source.
Locks are on these directories, so two different artifacts do not wait for each other.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import READABLE, writing
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import write as write_whole
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut, fitted, listed, shown, without_credentials

PROGRAM = "banyand-server"
BLOCK = 1024 * 1024
# A line of sha512sum, a line of sha512sum --tag, or a digest alone.
_LINE = re.compile(r"(?P<plain>[0-9A-Fa-f]{128})(\s+\*?(?P<name>\S.*))?|SHA512 \((?P<tagged>.+)\) = (?P<tag>[0-9A-Fa-f]{128})")
_SHA512 = re.compile(r"[0-9A-Fa-f]{128}")
_CHECKSUM_BYTES = 64 * 1024
_VERIFIED = "VERIFIED"
#: Characters for the reason of a failed download. The message also needs room for the URL and for what to do.
REASON = 60

#: Opens a URL for reading. Raises OSError.
Opener = Callable[[str], IO[bytes]]


class ArtifactError(Exception):
    """The artifact is not usable; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Program:
    """A program in the controller's cache: its path, its SHA-256, and the SHA-512 of its tarball."""

    path: str
    sha256: str
    artifact_sha512: str


def program(artifact: str, checksum: str, architecture: str, flavor: str, cache: str, opener: Opener) -> Program:
    """Return the verified program for one architecture (``amd64``, ``arm64``) and flavor (``static``, ``slim``).

    ``artifact``: URL or path. ``checksum``: ``sha512:<hex>``, or the URL or path of a ``.sha512`` file.
    Raises ArtifactError.
    """
    name = f"{PROGRAM}-{flavor}-linux-{architecture}"
    sha512 = expected_sha512(artifact, checksum, cache, opener)
    path = os.path.join(cache, sha512, name)
    if not _is_url(artifact) and not os.path.isfile(os.path.expanduser(artifact)):
        raise ArtifactError(fitted("banyandb_artifact ", artifact, " is no file on the controller. Set the path of a release tarball."))
    try:
        sha256 = _remembered(path)
        if not sha256:
            tarball = _local(artifact, cache, opener)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with locked(os.path.dirname(path)):
                sha256 = _remembered(path)  # another process may have unpacked it meanwhile
                if not sha256:
                    _verify(tarball, sha512, artifact, checksum, cache)
                    sha256 = _unpack(tarball, name, path)
        return Program(path, sha256, sha512)
    except OSError as error:
        raise ArtifactError(f"{error.filename or cache}: {error.strerror}. Repair the directory, or set another banyandb_cache_dir.") from error


def expected_sha512(artifact: str, checksum: str, cache: str, opener: Opener) -> str:
    """Return the 128 hexadecimal digits of ``checksum`` for ``artifact``. Raises ArtifactError."""
    if checksum.startswith("sha512:"):
        text = checksum[len("sha512:") :]
        if not _SHA512.fullmatch(text):
            raise ArtifactError(f"banyandb_artifact_checksum: expected sha512: and 128 hexadecimal digits, found {shown(checksum)}. Correct it.")
        return text.lower()
    where = without_credentials(checksum)
    try:
        found = _listed_sha512(checksum, _name(artifact), cache, opener)
    except OSError as error:
        raise ArtifactError(
            fitted(
                "the checksum ",
                where,
                f" cannot be read ({error.strerror}). Put the .sha512 file there, or set banyandb_artifact_checksum: sha512:<hex>.",
            )
        ) from error
    if not found:
        raise ArtifactError(fitted("", where, f" holds no SHA-512 of {_name(artifact)} (128 hexadecimal digits). Write it with sha512sum."))
    return found


def known_sha512(artifact: str, checksum: str) -> str:
    """Return the 128 hexadecimal digits of ``checksum`` when no network is needed to read them; else an empty text."""
    if checksum.startswith("sha512:"):
        text = checksum[len("sha512:") :]
        return text.lower() if _SHA512.fullmatch(text) else ""
    if not checksum or _is_url(checksum):
        return ""
    try:
        return _sha512_in(_list_in(os.path.expanduser(checksum)), _name(artifact))
    except OSError:
        return ""  # expected_sha512() reports the error


def _sha512_in(text: str, name: str) -> str:
    """Return the digest of the file ``name``, or the only digest if it has no file name; else an empty text."""
    digests = _digests(text)
    return digests.get(name) or (digests.get("", "") if len(digests) == 1 else "")


def _digests(text: str) -> dict[str, str]:
    """Return file name -> digest of a list of checksums; empty for any other text, such as an HTML page."""
    digests: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _LINE.fullmatch(line)
        if match is None:
            return {}
        digests[os.path.basename(match["name"] or match["tagged"] or "")] = (match["plain"] or match["tag"]).lower()
    return digests


def _listed_sha512(checksum: str, name: str, cache: str, opener: Opener) -> str:
    """Return the digest of the file ``name`` in a list of checksums, or an empty text. Raises OSError and ArtifactError.

    A fetched list is kept only with a digest of ``name``. A kept list without this digest is fetched again, because a mirror adds releases to its
    list.
    """
    if not _is_url(checksum):
        return _sha512_in(_list_in(os.path.expanduser(checksum)), name)
    path = _fetched(checksum, cache)
    with contextlib.suppress(FileNotFoundError):
        found = _sha512_in(_list_in(path), name)
        if found:
            return found
    try:
        with contextlib.closing(opener(checksum)) as incoming:
            text = incoming.read(_CHECKSUM_BYTES).decode("ascii", "replace")
    except OSError as error:  # errors of urllib are OSErrors
        raise _not_fetched(checksum, error) from error
    found = _sha512_in(text, name)
    if found:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, text.encode(), READABLE)
    return found


def _list_in(path: str) -> str:
    """Return the text of a list of checksums. Raises OSError."""
    with open(path, encoding="ascii", errors="replace") as stream:
        return stream.read(_CHECKSUM_BYTES)


def _verify(tarball: str, sha512: str, artifact: str, checksum: str, cache: str) -> None:
    """Check that the tarball has this checksum. The caller holds the lock of the content. Raises ArtifactError."""
    public = without_credentials(artifact)
    note = os.path.join(cache, sha512, _VERIFIED)
    try:
        signature = _signature(tarball)
        if _read_note(note) == {"tarball": signature}:
            return
        found = _digest(tarball, "sha512")
    except OSError as error:
        raise ArtifactError(
            fitted("banyandb_artifact ", public, f" cannot be read on the controller: {error.strerror}. Correct the permissions of the file.")
        ) from error
    if found == sha512:
        write_whole(note, json.dumps({"tarball": signature}).encode(), READABLE)
        return
    for source in (artifact, checksum):
        if _is_url(source):  # the next run fetches them again
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_fetched(source, cache))
    raise ArtifactError(
        fitted(
            "banyandb_artifact ",
            os.path.basename(public),
            f" does not match its checksum: expected SHA-512 {sha512[:8]}..., found {found[:8]}.... "
            "Fetch it again, or correct banyandb_artifact_checksum.",
        )
    )


def _unpack(tarball: str, name: str, path: str) -> str:
    """Unpack one member of the tarball and return its SHA-256. Raises ArtifactError and OSError.

    The path inside the tarball is not used, so a hostile path has no effect.
    """
    file = os.path.basename(tarball)
    digest = hashlib.sha256()
    try:
        with tarfile.open(tarball, "r:*") as archive:
            members = [member for member in archive if member.isfile()]
            chosen = [member for member in members if os.path.basename(member.name) == name]
            if len(chosen) != 1:
                there = sorted(os.path.basename(member.name) for member in members if PROGRAM in member.name)
                raise ArtifactError(_no_build(file, name, there))
            # Never None: every regular file has a stream.
            stream = cast(IO[bytes], archive.extractfile(chosen[0]))
            with stream, writing(path, READABLE) as target:
                for block in iter(lambda: stream.read(BLOCK), b""):
                    digest.update(block)
                    target.write(block)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        # The error of a file of another kind has one line for each kind of compression.
        reason = "not a tarball" if isinstance(error, tarfile.ReadError) else str(error)
        raise ArtifactError(
            fitted("", file, f" cannot be unpacked ({cut(reason, REASON)}). Set banyandb_artifact to skywalking-banyandb-<version>-banyand.tgz.")
        ) from error
    write_whole(f"{path}.json", json.dumps({"sha256": digest.hexdigest(), "file": _signature(path)}).encode(), READABLE)
    return digest.hexdigest()


def _no_build(file: str, name: str, there: Sequence[str]) -> str:
    """Return the message for a tarball without the program ``name``. ``there``: names of the programs in the tarball."""
    if not there:
        return fitted("", file, f" has no program {PROGRAM}. Set banyandb_artifact to skywalking-banyandb-<version>-banyand.tgz.")
    needed, *others = (each.removeprefix(f"{PROGRAM}-") for each in (name, *there))
    return fitted("", file, f" has no build {needed} for this host, but {listed(others, 2)}. Set another banyandb_flavor or banyandb_artifact.")


def _remembered(path: str) -> str:
    """Return the SHA-256 of the unpacked program; empty when the file is not the one that was unpacked. Raises OSError."""
    note = _read_note(f"{path}.json")
    try:
        same = note.get("file") == _signature(path)
    except FileNotFoundError:
        return ""
    return str(note.get("sha256", "")) if same else ""


def _signature(path: str) -> list[int]:
    """Return the values that change when a file is replaced or changed. Raises OSError."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


def _read_note(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            found = json.load(stream)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _local(source: str, cache: str, opener: Opener) -> str:
    """Return the path of a source on the controller. A URL is fetched once. Raises ArtifactError and OSError."""
    if not _is_url(source):
        return os.path.expanduser(source)
    path = _fetched(source, cache)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with locked(os.path.dirname(path)):
        if os.path.exists(path):
            return path
        try:
            with contextlib.closing(opener(source)) as incoming, writing(path, READABLE) as outgoing:
                for block in iter(lambda: incoming.read(BLOCK), b""):
                    outgoing.write(block)
        except OSError as error:  # errors of urllib are OSErrors
            raise _not_fetched(source, error) from error
    return path


def _not_fetched(source: str, error: OSError) -> ArtifactError:
    said = str(error).replace(source, "the URL").replace(without_credentials(source), "the URL")
    return ArtifactError(
        fitted(
            "",
            without_credentials(source),
            f" cannot be fetched by the controller: {cut(said, REASON)}. Check the address and the proxy, or set the path of a copy.",
        )
    )


def _fetched(url: str, cache: str) -> str:
    """Return the path of a fetched URL. User and password are not part of the path, so another password finds the same file."""
    public = re.sub(r"(://)[^/?#]*@", r"\1", url, count=1)
    return os.path.join(cache, "fetched", hashlib.sha256(public.encode()).hexdigest()[:16], _name(url))


def _name(source: str) -> str:
    """Return the file name in a URL or a path."""
    return os.path.basename(re.split("[?#]", source)[0] if _is_url(source) else source) or "artifact"


def _is_url(source: str) -> bool:
    return re.match(r"https?://", source) is not None


def _digest(path: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
