# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, makes and removes the data directories of a node on this host, with their markers and the record.

Standard library only, Python 3.9+. model/setup/storage.py decides whether the node may use a directory.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import Ownership, make_parents, sync, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read, owner_name
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import Difference, group_name
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

#: Module options for the storage of a node. Storage.of() reads them.
STORAGE_OPTIONS: dict[str, Any] = {
    "user": {"required": True},
    "cluster": {"required": True},
    "host": {"required": True},
    "node": {"required": True},
    "role": {"required": True},
    "roots": {"type": "dict", "required": True},
    "reached": {"type": "list", "elements": "path", "default": []},
    "record": {"type": "path", "required": True},
    "unit_file": {"type": "path", "required": True},
    "accept_empty": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "others": {"type": "dict", "default": {}},
}
FSTAB = "/etc/fstab"
MOUNTS = "/proc/self/mountinfo"
DROP_IN = "skywalking-banyandb-mounts.conf"


@dataclass(frozen=True)
class Storage:
    """The storage that a node wants on this host.

    ``roots``: path of a data directory -> its stores. ``record``, ``unit_file``: paths. ``reached``: other paths that the server must reach.
    ``others``: inventory name -> node name, of the other nodes in the inventory of the cluster.
    """

    facts: NodeFacts
    user: str
    roots: Mapping[str, Sequence[str]]
    record: str
    unit_file: str
    reached: Sequence[str] = ()
    accept_empty: bool = False
    adopt: bool = False
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Storage:
        facts = NodeFacts(options["cluster"], options["host"], options["node"], options["role"])
        rest = {name: options[name] for name in ("user", "roots", "record", "unit_file", "reached", "accept_empty", "adopt", "others")}
        return cls(facts, **rest)

    def stores(self) -> dict[str, str]:
        """Return store -> root."""
        return {store: path for path, stores in self.roots.items() for store in stores}

    @property
    def drop_in(self) -> str:
        return f"{self.unit_file}.d/{DROP_IN}"


@dataclass(frozen=True)
class Look:
    """The state of the data directories. ``seen`` and ``findings``: root -> state and judgement. ``closed``: messages about closed directories."""

    storage: Storage
    seen: Mapping[str, Seen]
    findings: Mapping[str, Finding]
    record: Marker | None
    closed: Sequence[str] = ()

    @property
    def problems(self) -> list[str]:
        return [*self.closed, *(finding.message for finding in self.findings.values() if finding.reason)]

    def differences(self) -> list[Difference]:
        """Return what make() would change. Return nothing if there are problems, because make() may change nothing then."""
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
        """Return the record that the host must have. Its time is the time of the oldest marker."""
        markers = [finding.marker for finding in self.findings.values() if finding.marker]
        return Marker(self.storage.facts, min(marker.since for marker in markers), self.storage.stores())

    def facts(self) -> list[dict[str, Any]]:
        """Return the state of each root, for the result of a module."""
        return [
            {
                "path": path,
                "real_path": seen.real,
                "state": finding.state.value if finding.state else None,
                "reason": finding.reason.value if finding.reason else None,
                "former_host": finding.former_host,
                "stores": list(self.storage.roots[path]),
            }
            for path, seen in self.seen.items()
            for finding in [self.findings[path]]
        ]


def look(storage: Storage) -> Look:
    """Read and judge the data directories. Raises HostStateError."""
    record = read_record(storage)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = see(storage, record)
    findings = {
        path: decide(each, Wanted(storage.facts, storage.user, stores, storage.accept_empty, storage.adopt, storage.others), record, now)
        for path, each in seen.items()
        for stores in [storage.roots[path]]
    }
    closed = {parent: mode for path in storage.reached for parent, mode in [_closed(path, os.path.realpath(path), storage.user) or ("", "")]}
    messages = [closed_message(parent, parent, mode, storage.user) for parent, mode in closed.items() if parent]
    return Look(storage, seen, findings, record, messages)


def see(storage: Storage, record: Marker | None) -> dict[str, Seen]:
    """Return root -> state of the root. Raises HostStateError."""
    mounted, listed = _mount_points(), _fstab_points()
    unit = _unit_paths(storage.unit_file)
    real = {path: os.path.realpath(path) for path in storage.roots}
    return {path: _see(path, real, storage, record, unit, _unmounted(real[path], mounted, listed)) for path in storage.roots}


def read_record(storage: Storage) -> Marker | None:
    """Return the record of the node. Return None without a record, or if the record is of a different node. Raises HostStateError."""
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
    """Make the roots, their markers, the drop-in, and then the record. Call only if ``found`` has no problems. Raises HostStateError."""
    try:
        user = pwd.getpwnam(found.storage.user)
    except KeyError:
        raise HostStateError("no_user", f"{found.storage.user}: this host has no such user. Run the role install first.") from None
    for path, seen in sorted(found.seen.items()):
        _make_root(seen.real, user)
        marker = found.findings[path].marker
        if marker and not _says(seen.marker, marker):
            _write(os.path.join(seen.real, MARKER), marker.text(), MARKER_MODE)
    _make_drop_in(found.storage.drop_in, found.drop_in_text())
    # The record comes last, because a record without markers means that a disk is lost.
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
    """Remove the drop-in, and its directory if the directory is then empty. Raises HostStateError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise HostStateError("not_removed", f"{path} is not removed: {os.strerror(error.errno or 0)}. Correct that, then run this again.") from None
    with contextlib.suppress(OSError):  # the operator may have other drop-ins there
        os.rmdir(os.path.dirname(path))


# ---- removal


@dataclass(frozen=True)
class Amount:
    """Amount of data: size in bytes, and number of files."""

    bytes: int
    files: int


def measure(seen: Sequence[Seen]) -> Amount:
    """Return the amount of data in the roots, without the markers. Raises HostStateError."""
    size = files = 0
    counted: set[str] = set()
    for each in seen:
        for path, status in _walk(each.real):
            if path not in counted and not stat.S_ISDIR(status.st_mode) and os.path.basename(path) != MARKER:
                counted.add(path)
                size, files = size + status.st_size, files + 1
    return Amount(size, files)


def require_writable(seen: Sequence[Seen]) -> None:
    """Raise HostStateError (``not_removed``) for a root that is not writable, such as a root on a read-only file system."""
    for each in seen:
        if each.what == "directory" and (os.statvfs(each.real).f_flag & os.ST_RDONLY or not os.access(each.real, os.W_OK)):
            advice = f"Nothing is removed. Run: mount -o remount,rw {each.real}"
            raise HostStateError("not_removed", f"{each.real} is mounted read-only. {advice}")


def filled_mounts(seen: Sequence[Seen]) -> dict[str, str]:
    """Return root -> a mount below the root that is no root itself and has more content than the ways to other roots. Raises HostStateError."""
    roots = [each.real for each in seen]
    found: dict[str, str] = {}
    for point in sorted(_mount_points() - {*roots}):
        above = [each.path for each in seen if is_below(point, each.real)]
        if above and _content(point) - {*IGNORED} - ways_to_others(point, roots):
            found.update((path, point) for path in above)
    return found


def _content(point: str) -> set[str]:
    """Return the names in a mounted directory, or the path of a mounted file. Raises HostStateError."""
    try:
        return {*os.listdir(point)}
    except NotADirectoryError:
        return {point}
    except OSError as error:
        raise cannot_read(point, error) from error


def remove(seen: Sequence[Seen]) -> list[str]:
    """Delete the content of the roots, inner roots first. Return the paths that are now missing or empty.

    The marker of a root goes last, so a second run recognizes the root. Mount points and ``lost+found`` stay. The content of a file system that is
    mounted below a root stays. A link to a root goes with the root.
    Raises HostStateError.
    """
    gone = []
    mounted = _mount_points()  # os.path.ismount() misses a bind mount of the same file system
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
    """Delete the content of a directory, except the names in ``keep`` and the mount points below the directory. Raises OSError."""
    for entry in list(os.scandir(directory)):
        if entry.name in keep or entry.path in mounted:
            continue
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
            continue
        _empty(entry.path, mounted)
        if not os.listdir(entry.path):
            os.rmdir(entry.path)


def _walk(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise cannot_read(directory, error) from error
    for entry in entries:
        with contextlib.suppress(FileNotFoundError):  # removed since scandir()
            status = entry.stat(follow_symlinks=False)
            yield entry.path, status
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(entry.path)


# ---- state of the roots


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
    """Return the names in a directory that lead to mount points and contain no file. A removal leaves such names."""
    ways = ways_to_others(real, sorted(_mount_points()))
    return {name for name in ways if all(stat.S_ISDIR(status.st_mode) for _path, status in _walk(os.path.join(real, name)))}


def holds_mount(real: str) -> bool:
    """Return whether a directory is a mount point or contains one. Such a directory stays after a removal."""
    return any(point == real or is_below(point, real) for point in _mount_points())


def _is_ours(name: str) -> bool:
    """Return whether a name is the name of a marker, or of a marker's temporary file."""
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
    """Return store -> former root, for stores whose data may still be in a former root.

    The former root has the data, or the former root has lost its marker together with its disk.
    """
    found = {}
    for store in storage.roots[path]:
        former = record.stores.get(store) if record else None
        if former is None or os.path.realpath(former) == os.path.realpath(path):
            continue
        if os.path.isdir(os.path.join(former, STORES[store][1])) or not os.path.exists(os.path.join(former, MARKER)):
            found[store] = former
    return found


def _closed(path: str, real: str, user: str) -> tuple[str, str] | None:
    """Return the first existing parent of a root that the user cannot enter, with its octal mode. Return None without such a parent."""
    parents = list(dict.fromkeys([*_parents(path), *_parents(real)]))
    for parent in parents:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            mode = stat.S_IMODE(os.stat(parent).st_mode)
            if not _can_enter(parent, user):
                return parent, f"{mode:04o}"
    return None


def _parents(path: str) -> list[str]:
    """Return the directories above a path, the highest first, without ``/``."""
    parts = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]


def _can_enter(directory: str, user: str) -> bool:
    """Return whether a user may enter a directory.

    The check runs as this user, because ACLs count too. An account that does not exist yet has the rights of others.
    """
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
    """Return all mount points (proc(5), mountinfo)."""
    return {_unescaped(line.split()[4]) for line in (_read(MOUNTS) or "").splitlines() if len(line.split()) > 4}


def _fstab_points() -> set[str]:
    """Return the mount points of fstab(5)."""
    words = [line.split() for line in (_read(FSTAB) or "").splitlines() if not line.lstrip().startswith("#")]
    return {_unescaped(each[1]).rstrip("/") for each in words if len(each) > 2 and each[1].startswith("/") and each[2] != "swap"} - {""}


def _unmounted(real: str, mounted: set[str], listed: set[str]) -> str:
    """Return the deepest mount point of fstab, at or above a path, that is not mounted. Return an empty text without such a mount point."""
    above = [real, *reversed(_parents(real))]
    return next((point for point in above if point in listed and point not in mounted), "")


def _unescaped(text: str) -> str:
    """Return a path without the octal escapes of fstab and mountinfo for blanks and backslashes."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text


def _unit_paths(unit_file: str) -> set[str]:
    """Return the paths of ``ReadWritePaths=`` in a unit that this collection wrote."""
    lines = (_read(unit_file) or "").splitlines()
    if not lines or "skywalking.banyandb" not in lines[0]:
        return set()
    return {path for line in lines if line.startswith("ReadWritePaths=") for path in line.partition("=")[2].split()}


# ---- files


def _says(text: str | None, wanted: Marker) -> bool:
    """Return whether the text of a marker or a record matches ``wanted``. The times do not matter."""
    if text is None:
        return False
    try:
        found = read_marker(text)
    except BadMarker:
        return False
    return (found.facts, dict(found.stores)) == (wanted.facts, dict(wanted.stores))


def _read(path: str) -> str | None:
    """Return the text of a small file (up to 1 MiB), or None without the file. Raises HostStateError."""
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
        raise HostStateError("not_made", f"{path}: not written: {error.strerror or error}. Repair the disk, then run this again.") from None


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
    """Return the difference of a file with unexpected content, of a missing file, or with ``absent`` of a file that must not exist."""
    if text is not None and not absent:
        return Difference("file", path, {"content": "wanted"}, {"content": "other"})
    return Difference("file", path, {"what": "absent" if absent else "file"}, {"what": "absent" if text is None else "file"})
