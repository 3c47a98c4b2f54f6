# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data directories of a node on this host: what stands there, the markers and the record, and the removal of the data.

Standard library only, Python 3.9+. Whether a directory may be used is decided in model/setup/storage.py.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, make_parents, sync, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import (
    Difference,
    HostStateError,
    cannot_read,
    group_name,
    owner_name,
)
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.storage import (
    IGNORED,
    MARKER,
    MARKER_MODE,
    ROOT_MODE,
    STORES,
    BadMarker,
    Finding,
    Marker,
    NodeFacts,
    Seen,
    Wanted,
    closed_message,
    decide,
    is_below,
    mount_drop_in,
    read_marker,
    ways_to_others,
)

#: Options of a module for the storage of a node; Storage.of() reads them.
STORAGE_OPTIONS: dict[str, Any] = {
    "user": {"required": True},
    "cluster": {"required": True},
    "host": {"required": True},
    "node": {"required": True},
    "role": {"required": True},
    "roots": {"type": "dict", "required": True},
    "entered": {"type": "list", "elements": "path", "default": []},
    "record": {"type": "path", "required": True},
    "unit_file": {"type": "path", "required": True},
    "accept_empty": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
}
FSTAB = "/etc/fstab"
MOUNTS = "/proc/self/mountinfo"
DROP_IN = "skywalking-banyandb-mounts.conf"


@dataclass(frozen=True)
class Storage:
    """What a node wants of this host: its roots, each with its stores. ``record`` and ``unit_file`` are paths, ``entered`` other directories that
    the server has to enter."""

    facts: NodeFacts
    user: str
    roots: Mapping[str, Sequence[str]]
    record: str
    unit_file: str
    entered: Sequence[str] = ()
    accept_empty: bool = False
    adopt: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Storage:
        facts = NodeFacts(options["cluster"], options["host"], options["node"], options["role"])
        rest = {name: options[name] for name in ("user", "roots", "record", "unit_file", "entered", "accept_empty", "adopt")}
        return cls(facts, **rest)

    def stores(self) -> dict[str, str]:
        """Store -> its root."""
        return {store: path for path, stores in self.roots.items() for store in stores}

    @property
    def drop_in(self) -> str:
        return f"{self.unit_file}.d/{DROP_IN}"


@dataclass(frozen=True)
class Look:
    """What stands on the host, and what each root is to the node."""

    storage: Storage
    seen: Mapping[str, Seen]
    findings: Mapping[str, Finding]
    record: Marker | None
    closed: Sequence[str] = ()

    @property
    def problems(self) -> list[str]:
        return [*self.closed, *(finding.message for finding in self.findings.values() if finding.reason)]

    def differences(self) -> list[Difference]:
        """What make() would change; nothing while there are problems, since nothing may be changed then."""
        if self.problems:
            return []
        found = []
        for path, seen in self.seen.items():
            found += _root_differences(seen, self.storage.user)
            marker = self.findings[path].marker
            if marker and not _says(seen.marker, marker):
                found.append(_file_difference(os.path.join(path, MARKER), seen.marker))
        text = _read(self.storage.drop_in)
        if (text or "") != self.drop_in_text():
            found.append(_file_difference(self.storage.drop_in, text, absent=not self.drop_in_text()))
        record = _read(self.storage.record)
        if not _says(record, self.wanted_record()):
            found.append(_file_difference(self.storage.record, record))
        return found

    def drop_in_text(self) -> str:
        return mount_drop_in({path: seen.real for path, seen in self.seen.items()})

    def wanted_record(self) -> Marker:
        """Since when the node has data here is when the first of its roots got its marker."""
        markers = [finding.marker for finding in self.findings.values() if finding.marker]
        return Marker(self.storage.facts, min(marker.since for marker in markers), self.storage.stores())

    def facts(self) -> list[dict[str, Any]]:
        """Each root, for a module to return."""
        return [
            {
                "path": path,
                "real_path": seen.real,
                "state": finding.state.value if finding.state else None,
                "reason": finding.reason.value if finding.reason else None,
                "stores": list(self.storage.roots[path]),
            }
            for path, seen in self.seen.items()
            for finding in [self.findings[path]]
        ]


def look(storage: Storage) -> Look:
    """Return what stands on the host and what each root is to the node. Raises HostStateError."""
    record = read_record(storage)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = see(storage, record)
    findings = {
        path: decide(each, Wanted(storage.facts, storage.user, storage.roots[path], storage.accept_empty, storage.adopt), record, now)
        for path, each in seen.items()
    }
    closed = {parent: mode for path in storage.entered for parent, mode in [_closed(path, os.path.realpath(path), storage.user) or ("", "")]}
    messages = [closed_message(parent, parent, mode, storage.user) for parent, mode in closed.items() if parent]
    return Look(storage, seen, findings, record, messages)


def see(storage: Storage, record: Marker | None) -> dict[str, Seen]:
    """Root -> what stands there. Raises HostStateError."""
    mounted, listed = _mount_points(), _fstab_points()
    unit = _unit_paths(storage.unit_file)
    real = {path: os.path.realpath(path) for path in storage.roots}
    return {path: _see(path, real, storage, record, unit, _unmounted(real[path], mounted, listed)) for path in storage.roots}


def read_record(storage: Storage) -> Marker | None:
    """The record of the node; None where there is none, or the record is of another node. Raises HostStateError."""
    text = _read(storage.record)
    if text is None:
        return None
    try:
        record = read_marker(text)
    except BadMarker as error:
        advice = "Check that the data is mounted, then remove the file."
        raise HostStateError("unreadable", f"{storage.record} is not readable: {error}. {advice}") from None
    return record if record.facts.is_same_node(storage.facts) else None


def make(found: Look) -> None:
    """Make the roots and their markers, the drop-in, and then the record. Call without problems only. Raises HostStateError."""
    try:
        user = pwd.getpwnam(found.storage.user)
    except KeyError:
        raise HostStateError("no_user", f"{found.storage.user}: this host has no such user; run the role install first") from None
    for path, seen in sorted(found.seen.items()):
        _make_root(seen.real, user)
        marker = found.findings[path].marker
        if marker and not _says(seen.marker, marker):
            _write(os.path.join(seen.real, MARKER), marker.text(), MARKER_MODE)
    _make_drop_in(found.storage.drop_in, found.drop_in_text())
    # Last: a record without markers says that a disk is lost.
    record = found.wanted_record()
    if not _says(_read(found.storage.record), record):
        make_parents(os.path.dirname(found.storage.record), inclusive=True)
        _write(found.storage.record, record.text(), MARKER_MODE)


def _make_root(real: str, user: pwd.struct_passwd) -> None:
    try:
        make_parents(real)
        with contextlib.suppress(FileExistsError):
            os.mkdir(real, ROOT_MODE)
        os.chown(real, user.pw_uid, user.pw_gid)
        os.chmod(real, ROOT_MODE)
        sync(os.path.dirname(real))
    except OSError as error:
        raise HostStateError("not_made", f"{real} is not made: {os.strerror(error.errno or 0)}. Correct that, then run this again.") from None


def _make_drop_in(path: str, text: str) -> None:
    if (_read(path) or "") == text:
        return
    try:
        if text:
            make_parents(os.path.dirname(path), inclusive=True)
            _write(path, text, 0o644)
        else:
            remove_drop_in(path)
    except OSError as error:
        raise HostStateError("not_made", f"{path} is not written: {os.strerror(error.errno or 0)}. Correct that, then run this again.") from None


def remove_drop_in(path: str) -> None:
    """Remove the drop-in, and its directory when nothing else is there. Raises HostStateError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise HostStateError("not_removed", f"{path} is not removed: {os.strerror(error.errno or 0)}. Correct that, then run this again.") from None
    with contextlib.suppress(OSError):  # an operator's drop-ins stand beside it
        os.rmdir(os.path.dirname(path))


# ---- removal


@dataclass(frozen=True)
class Amount:
    """What is to be deleted: bytes on disk and files."""

    bytes: int
    files: int


def measure(seen: Sequence[Seen]) -> Amount:
    """How much the roots hold, the markers left out. Raises HostStateError."""
    size = files = 0
    counted: set[str] = set()
    for each in seen:
        for path, status in _walk(each.real):
            if path not in counted and not stat.S_ISDIR(status.st_mode) and os.path.basename(path) != MARKER:
                counted.add(path)
                size, files = size + status.st_size, files + 1
    return Amount(size, files)


def require_writable(seen: Sequence[Seen]) -> None:
    """Raises HostStateError (``not_removed``) for a root on a file system that is mounted read-only, or one that cannot be changed."""
    for each in seen:
        if each.what == "directory" and (os.statvfs(each.real).f_flag & os.ST_RDONLY or not os.access(each.real, os.W_OK)):
            advice = f"Nothing is removed. Run on the host: mount -o remount,rw {each.real}"
            raise HostStateError("not_removed", f"{each.real} is on a file system that is mounted read-only. {advice}")


def remove(seen: Sequence[Seen]) -> list[str]:
    """Delete what the roots hold, inner roots first, and return the paths that are gone or empty.

    The marker of a root goes last, so that a second run knows the root. A mount point stays, empty; so does ``lost+found``. A link to a root
    goes with the root. Raises HostStateError.
    """
    gone = []
    mounted = _mount_points()  # os.path.ismount() does not know a bind mount of the same file system
    for each in sorted(seen, key=lambda root: root.real.count("/"), reverse=True):
        if each.what == "absent" and not os.path.islink(each.path):
            continue
        try:
            if each.what == "directory":
                _empty(each.real, mounted, keep=(MARKER, *IGNORED))
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(each.real, MARKER))
                sync(each.real)
                if each.real not in mounted and not os.listdir(each.real):
                    os.rmdir(each.real)
            if os.path.islink(each.path):
                os.unlink(each.path)
        except OSError as error:
            reason = f"{error.filename or each.real} is not removed: {os.strerror(error.errno or 0)}"
            raise HostStateError("not_removed", f"{reason}. Correct that, then run this again.") from None
        gone.append(each.path)
    return gone


def _empty(directory: str, mounted: set[str], keep: Sequence[str] = ()) -> None:
    """Delete what is in a directory; of a mount point below it only the content. Raises OSError."""
    for entry in list(os.scandir(directory)):
        if entry.name in keep:
            continue
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
            continue
        _empty(entry.path, mounted, IGNORED if entry.path in mounted else ())
        if entry.path not in mounted and not os.listdir(entry.path):
            os.rmdir(entry.path)


def _walk(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise cannot_read(directory, error) from error
    for entry in entries:
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            status = entry.stat(follow_symlinks=False)
            yield entry.path, status
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(entry.path)


# ---- what stands there


def _see(path: str, real: Mapping[str, str], storage: Storage, record: Marker | None, unit: set[str], unmounted: str) -> Seen:
    here = real[path]
    try:
        status = os.stat(here)
    except (FileNotFoundError, NotADirectoryError):
        status = None
    except OSError as error:
        raise cannot_read(here, error) from error
    others = [each for each in real.values() if each != here]
    common: dict[str, Any] = {"closed": _closed(path, here, storage.user), "unmounted": unmounted, "in_unit": bool({path, here} & unit)}
    if status is None:
        return Seen(path, here, left=_left(path, storage, record), **common)
    if not stat.S_ISDIR(status.st_mode):
        return Seen(path, here, what="file" if stat.S_ISREG(status.st_mode) else "special file", **common)
    try:
        names = sorted(name for name in os.listdir(here) if not _is_ours(name) and name not in IGNORED)
    except OSError as error:
        raise cannot_read(here, error) from error
    return Seen(
        path,
        here,
        what="directory",
        entries=tuple(name for name in names if name not in (*ways_to_others(here, others), *_empty_ways(here))),
        marker=_read(os.path.join(here, MARKER)),
        owner=owner_name(status.st_uid),
        strangers=_strangers(here, names, storage.user),
        left=_left(path, storage, record),
        **common,
    )


def _empty_ways(real: str) -> set[str]:
    """The names in a directory that lead to mount points and hold no file: what a removal leaves."""
    ways = ways_to_others(real, sorted(_mount_points()))
    return {name for name in ways if all(stat.S_ISDIR(status.st_mode) for _path, status in _walk(os.path.join(real, name)))}


def holds_mount(real: str) -> bool:
    """Whether a directory is a mount point, or one is below it; then the directory stays."""
    return any(point == real or is_below(point, real) for point in _mount_points())


def _is_ours(name: str) -> bool:
    """Whether a name is the marker's, or that of a marker that was not finished."""
    return name == MARKER or (name.startswith(f".{MARKER}.") and name.endswith(".tmp"))


def _strangers(root: str, names: Sequence[str], user: str) -> dict[str, str]:
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return {}
    found = {}
    for name in set(names) & {directory for _variable, directory in STORES.values()}:
        with contextlib.suppress(FileNotFoundError):
            owner = os.lstat(os.path.join(root, name)).st_uid
            if owner != uid:
                found[name] = owner_name(owner)
    return found


def _left(path: str, storage: Storage, record: Marker | None) -> dict[str, str]:
    """Store -> its former root, where its data is or may be: the data is there, or the root has lost its marker with its disk."""
    found = {}
    for store in storage.roots[path]:
        former = record.stores.get(store) if record else None
        if former is None or os.path.realpath(former) == os.path.realpath(path):
            continue
        if os.path.isdir(os.path.join(former, STORES[store][1])) or not os.path.exists(os.path.join(former, MARKER)):
            found[store] = former
    return found


def _closed(path: str, real: str, user: str) -> tuple[str, str] | None:
    """The first existing parent of a root that the user cannot enter, and its mode."""
    parents = list(dict.fromkeys([*_parents(path), *_parents(real)]))
    for parent in parents:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            mode = stat.S_IMODE(os.stat(parent).st_mode)
            if not _can_enter(parent, user):
                return parent, f"{mode:04o}"
    return None


def _parents(path: str) -> list[str]:
    """The directories above a path, the highest first, without the root directory."""
    parts = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]


def _can_enter(directory: str, user: str) -> bool:
    """Whether a user may enter a directory: asked as this user, since ACLs count too. A user that is made later has the rights of all others."""
    status = os.stat(directory)
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return bool(status.st_mode & stat.S_IXOTH)
    if status.st_mode & 0o111 == 0o111 or os.geteuid() != 0:
        return True
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(os.getgrouplist(user, account.pw_gid))
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os._exit(0 if os.access(directory, os.X_OK) else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _mount_points() -> set[str]:
    """Where anything is mounted (proc(5), mountinfo)."""
    return {_unescaped(line.split()[4]) for line in (_read(MOUNTS) or "").splitlines() if len(line.split()) > 4}


def _fstab_points() -> set[str]:
    """Where fstab(5) mounts anything."""
    words = [line.split() for line in (_read(FSTAB) or "").splitlines() if not line.lstrip().startswith("#")]
    return {_unescaped(each[1]).rstrip("/") for each in words if len(each) > 2 and each[1].startswith("/") and each[2] != "swap"} - {""}


def _unmounted(real: str, mounted: set[str], listed: set[str]) -> str:
    """The mount point of fstab at or above a path that has nothing mounted, the deepest; empty where there is none."""
    above = [real, *reversed(_parents(real))]
    return next((point for point in above if point in listed and point not in mounted), "")


def _unescaped(text: str) -> str:
    """A path as fstab and mountinfo write it: blanks and backslashes in octal digits."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text


def _unit_paths(unit_file: str) -> set[str]:
    """What the unit of this collection on the host lets the server write to."""
    lines = (_read(unit_file) or "").splitlines()
    if not lines or "skywalking.banyandb" not in lines[0]:
        return set()
    return {path for line in lines if line.startswith("ReadWritePaths=") for path in line.partition("=")[2].split()}


# ---- files


def _says(text: str | None, wanted: Marker) -> bool:
    """Whether a marker or a record says what it should; when the node began may be another time."""
    if text is None:
        return False
    try:
        found = read_marker(text)
    except BadMarker:
        return False
    return (found.facts, dict(found.stores)) == (wanted.facts, dict(wanted.stores))


def _read(path: str) -> str | None:
    """The text of a small file, None where there is none. Raises HostStateError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise cannot_read(path, error) from error


def _write(path: str, text: str, mode: int) -> None:
    try:
        write(path, text.encode(), Ownership(0, 0, mode))
    except OSError as error:
        raise HostStateError("not_made", f"{path}: not written: {error.strerror or error}") from None


def _root_differences(seen: Seen, user: str) -> list[Difference]:
    try:
        account = pwd.getpwnam(user)
        wanted = {"owner": user, "group": group_name(account.pw_gid), "mode": f"{ROOT_MODE:04o}"}
    except KeyError:
        wanted = {"owner": user, "mode": f"{ROOT_MODE:04o}"}
    if seen.what == "absent":
        return [Difference("directory", seen.path, {"what": "directory", **wanted}, {"what": "absent"})]
    status = os.stat(seen.real)
    found = {"owner": seen.owner, "group": group_name(status.st_gid), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
    differing = {name: value for name, value in wanted.items() if found[name] != value}
    return [Difference("directory", seen.path, differing, {name: found[name] for name in differing})] if differing else []


def _file_difference(path: str, text: str | None, absent: bool = False) -> Difference:
    """Return that a file is missing, has another content than wanted, or, with ``absent``, is there and should not be."""
    if text is not None and not absent:
        return Difference("file", path, {"content": "wanted"}, {"content": "other"})
    return Difference("file", path, {"what": "absent" if absent else "file"}, {"what": "absent" if text is None else "file"})
