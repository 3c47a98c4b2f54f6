# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the certificate, the key and the CA file of this host. Standard library only, Python 3.9+.

The standard library reads no X.509, so the controller gets the text of the two public files. No text, size or digest of the key leaves the host:
the host itself checks that the key matches the certificate.

Order of the writes: ``ca.crt``, ``node.key``, ``node.crt``. Measured with the real server: it loads a new pair 2.1 s after the first of the two
renames, in either order. When only one of the two is new, the running server keeps its old pair, and a server that starts then exits. So the two
renames follow directly. A renewal writes ``node.crt`` only. The old files must have no hard link: with one, the server never sees the rename.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator
from typing import IO, NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import Busy, NotLockable, locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import (
    Ownership,
    give,
    leftovers,
    make_parents,
    remove,
    sync,
    writing,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import (
    HostStateError,
    cannot_read,
    cannot_write,
    owner_name,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_der import BadDer, certificates_in
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import CA_FILE, CERTIFICATE_FILE, KEY_FILE

LOCK_SECONDS = 30.0
#: Most bytes of a file. A larger file counts as unreadable.
MOST_BYTES = 1024 * 1024
MODES = {CA_FILE: 0o644, KEY_FILE: 0o600, CERTIFICATE_FILE: 0o644}


class FoundFile(NamedTuple):
    """One file. ``what``: ``file``, ``absent`` or ``other`` (a link, a directory). ``mode``: octal digits.

    ``sha256``: of each certificate in DER form. ``text``: the certificates as PEM text without comments. Both are empty for the key.
    ``readable``: False for a certificate file without a certificate.
    """

    what: str
    owner: str = ""
    group: str = ""
    mode: str = ""
    sha256: tuple[str, ...] = ()
    text: str = ""
    readable: bool = True


class Found(NamedTuple):
    """The files of this host. ``pair``: the server can load certificate and key together."""

    ca: FoundFile
    certificate: FoundFile
    key: FoundFile
    pair: bool


class Owner(NamedTuple):
    """The account that the server runs as. The three files belong to it."""

    user: str
    group: str


def found_files(directory: str) -> Found:
    """Return what lies in the directory. Raises HostStateError."""
    ca, certificate, key = (_found(directory, name) for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE))
    both = certificate.what == key.what == "file"
    return Found(ca, certificate, key, both and _is_pair(os.path.join(directory, CERTIFICATE_FILE), os.path.join(directory, KEY_FILE)))


def put_files(directory: str, owner: Owner, ca: str = "", certificate: str = "", key: str = "", check: bool = False) -> list[str]:
    """Write the given texts, and return the names of the files that change, also when only owner or mode change. An empty text keeps a file.

    ``certificate`` must match ``key``, or the key on the host without ``key``. ``check``: write nothing. Raises HostStateError: the kind
    ``not_a_pair`` before anything is written, ``busy``, ``no_user``, and those of reading and writing.
    """
    texts = {CA_FILE: ca, KEY_FILE: key, CERTIFICATE_FILE: certificate}
    if check and not os.path.isdir(directory):
        return [name for name, text in texts.items() if text]
    uid, gid = _numbers(directory, owner)
    try:
        if not check:
            _make_directory(directory)
        with locked(directory, LOCK_SECONDS):
            changed = [name for name, text in texts.items() if text and _read(os.path.join(directory, name)) != text.encode()]
            attributes = [name for name in texts if name not in changed and _differs(os.path.join(directory, name), uid, gid, MODES[name])]
            if not check:
                for path in leftovers(directory, "|".join(MODES).replace(".", r"\.")):
                    remove(path)
                _write(directory, {name: texts[name].encode() for name in changed}, uid, gid)
                for name in attributes:
                    _give(os.path.join(directory, name), Ownership(uid, gid, MODES[name]))
            return [name for name in texts if name in (*changed, *attributes)]
    except Busy as busy:
        text = f"process {busy.holder} has held it for {LOCK_SECONDS:g} s. Run this again."
        raise HostStateError("busy", f"{directory}: {text}") from None
    except NotLockable:
        raise HostStateError("not_written", f"{directory}: its file system has no locks. Set banyandb_config_dir to a local directory.") from None
    except OSError as error:
        raise cannot_write(directory, error) from None


def _write(directory: str, changed: dict[str, bytes], uid: int, gid: int) -> None:
    """Write the files. First each new file is complete beside the old one, then the renames follow directly."""
    with contextlib.ExitStack() as stack:
        streams: dict[str, IO[bytes]] = {}
        # The stack ends in the opposite order, so it renames ca.crt first and node.crt last.
        for name in (CERTIFICATE_FILE, KEY_FILE, CA_FILE):
            if name in changed:
                streams[name] = stack.enter_context(writing(os.path.join(directory, name), Ownership(uid, gid, MODES[name])))
                streams[name].write(changed[name])
                streams[name].flush()
        if CERTIFICATE_FILE in streams or KEY_FILE in streams:
            certificate, key = (_path(streams.get(name), os.path.join(directory, name)) for name in (CERTIFICATE_FILE, KEY_FILE))
            if not _is_pair(certificate, key):
                text = f"{CERTIFICATE_FILE} and {KEY_FILE} would not match, so nothing was written. Run this again."
                raise HostStateError("not_a_pair", f"{directory}: {text}")


def _path(stream: IO[bytes] | None, path: str) -> str:
    """Return the path of the new file while it has no name of its own, else the path of the file on the host."""
    return path if stream is None else f"/proc/self/fd/{stream.fileno()}"


def _is_pair(certificate: str, key: str) -> bool:
    """Return whether a server can load certificate and key together."""
    import ssl  # imported only here: the import takes 5 ms on every host

    try:
        # Without a password OpenSSL would ask the terminal for the one of an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return False
    return True


def _found(directory: str, name: str) -> FoundFile:
    path = os.path.join(directory, name)
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return FoundFile("absent")
    except OSError as error:
        raise cannot_read(path, error) from None
    owned = (owner_name(status.st_uid), _group_name(status.st_gid), f"{stat.S_IMODE(status.st_mode):04o}")
    if not stat.S_ISREG(status.st_mode):
        return FoundFile("other", *owned)
    if name == KEY_FILE:
        return FoundFile("file", *owned)
    import ssl  # imported only here: the import takes 5 ms on every host

    try:
        ders = certificates_in(_read(path) or b"")
    except BadDer:
        ders = []
    except OSError as error:
        raise cannot_read(path, error) from None
    text = "".join(map(ssl.DER_cert_to_PEM_cert, ders))
    return FoundFile("file", *owned, tuple(hashlib.sha256(der).hexdigest() for der in ders), text, bool(ders))


def _read(path: str) -> bytes | None:
    """Return the content of a regular file; None without a file, or for a link, a directory or a file that is too large. Raises OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        if os.path.islink(path):
            return None
        raise
    with os.fdopen(handle, "rb") if stat.S_ISREG(os.fstat(handle).st_mode) else _closing(handle) as file:
        data = file.read(MOST_BYTES + 1) if file else None
    return data if data is not None and len(data) <= MOST_BYTES else None


@contextlib.contextmanager
def _closing(handle: int) -> Iterator[None]:
    os.close(handle)
    yield None


def _differs(path: str, uid: int, gid: int, mode: int) -> bool:
    """Return whether an existing regular file has another owner, group or mode. Raises OSError."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (uid, gid, mode)


def _give(path: str, ownership: Ownership) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        give(handle, ownership)
    finally:
        os.close(handle)


def _make_directory(directory: str) -> None:
    make_parents(directory)
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        return
    os.chmod(directory, 0o755)
    sync(os.path.dirname(directory))


def _numbers(directory: str, owner: Owner) -> tuple[int, int]:
    try:
        return pwd.getpwnam(owner.user).pw_uid, grp.getgrnam(owner.group).gr_gid
    except KeyError:
        text = f"this host has no user {owner.user} or no group {owner.group}. Add them first."
        raise HostStateError("no_user", f"{directory}: {text}") from None


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
