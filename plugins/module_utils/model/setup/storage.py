# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a node may use its directories, and write their markers. Pure.

A *store* is one kind of data (measure, stream, ...). A *root* is a directory of a node: ``banyandb_data_dir``, and each directory in
``banyandb_storage``. The server makes one directory for each store below the root of the store.

Each root has a *marker*: a file that names the node of the root. Each host has a *record* beside the configuration: a file that names the root of
each store. When the record names a root that has neither marker nor data, a disk is lost or not mounted.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed, shown

MARKER = ".banyandb-node.json"
FORMAT = 1
MARKER_MODE = 0o600
ROOT_MODE = 0o700
#: Store -> the server's variable with its root, and the directory that the server makes in the root (read in the source of the server).
STORES = {
    "measure": ("BYDB_MEASURE_ROOT_PATH", "measure"),
    "stream": ("BYDB_STREAM_ROOT_PATH", "stream"),
    "trace": ("BYDB_TRACE_ROOT_PATH", "trace"),
    "property": ("BYDB_PROPERTY_ROOT_PATH", "property"),
    "schema": ("BYDB_SCHEMA_SERVER_ROOT_PATH", "schema-property"),
}
#: Stores of a liaison: points that the liaison has not sent to data nodes yet.
LIAISON_STORES = ("measure", "stream", "trace")
#: Every ext file system has this directory.
IGNORED = ("lost+found",)
LIAISON = "liaison"

HOME = "/home"
#: The sandbox of the unit hides these directories from the server, or a reboot empties them.
HIDDEN = ("/dev", "/proc", "/root", "/run", "/sys", "/tmp", "/var/run", "/var/tmp")
#: Directories of the operating system, which must not hold data.
SYSTEM = ("/bin", "/boot", "/efi", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr")
_PATH = re.compile(r"(/[A-Za-z0-9._+-]+)+\Z")


def roots(variables: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return root -> its stores. ``banyandb_data_dir`` comes first, the other roots are sorted by path.

    ``banyandb_data_dir`` is a root even without a store.
    """
    chosen = stores(variables)
    found: dict[str, list[str]] = {variables["banyandb_data_dir"]: []}
    for path in sorted(set(chosen.values())):
        found.setdefault(path, [])
    for store, path in chosen.items():
        found[path].append(store)
    return found


def stores(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return store -> its root, for the stores of a node of this kind."""
    names = LIAISON_STORES if variables["banyandb_kind"] == LIAISON else tuple(STORES)
    return {name: variables["banyandb_storage"].get(name) or variables["banyandb_data_dir"] for name in names}


def storage_environment(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the server's environment variables with the root of each store."""
    return {STORES[store][0]: path for store, path in stores(variables).items()}


def storage_problems(variables: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the paths in a host's variables, as messages. The state of the host does not matter."""
    given = variables["banyandb_storage"]
    unknown = sorted(set(map(str, given)) - set(STORES))
    if unknown:
        return [f"banyandb_storage names {listed(list(map(shown, unknown)), 1)}: expected {', '.join(STORES)}. Correct the name."]
    named = {"banyandb_config_dir": variables["banyandb_config_dir"], "banyandb_root": variables["banyandb_root"]}
    data = {"banyandb_data_dir": variables["banyandb_data_dir"]}
    data.update({f"banyandb_storage.{name}": path for name, path in sorted(given.items(), key=lambda item: str(item[0])) if path})
    found = [
        f"{variable} is {shown(path)}: expected an absolute path of letters, digits and . _ + - such as /data/banyandb. Correct it."
        for variable, path in {**named, **data}.items()
        if not is_path(path)
    ]
    if found:
        return found
    for variable, path in {**named, **data}.items():
        reason = place_problem(path, of_data=variable in data)
        if reason:
            found.append(f"{variable} is {path}: {reason}. Set {variable} to another directory, such as /data/banyandb.")
    for variable, path in data.items():
        for other, taken in (*named.items(), ("banyandb_root", f"{named['banyandb_root']}/versions")):
            if path == taken or is_below(taken, path) or (is_below(path, taken) and taken != named["banyandb_root"]):
                found.append(f"{variable} is {path}: it overlaps {other} ({named[other]}). Set {variable} to a directory of its own.")
                break
    return found


def is_path(path: object) -> bool:
    """Return whether a value is an absolute path that units and environment files can carry."""
    return isinstance(path, str) and bool(_PATH.match(path)) and not {".", ".."} & set(path.split("/"))


def place_problem(path: str, of_data: bool) -> str:
    """Return why no server can keep files at a path; empty when a server can. ``of_data``: whether the path is a root."""
    for hidden in HIDDEN:
        if path == hidden or is_below(path, hidden):
            return f"the server cannot use a directory in {hidden}"
    if path == HOME:
        return f"{HOME} holds the directories of users"
    for system in SYSTEM if of_data else ():
        if path == system or is_below(path, system):
            return f"{system} belongs to the operating system"
    return ""


def is_below(path: str, above: str) -> bool:
    """Return whether ``path`` is inside the directory ``above``. A directory is not inside itself."""
    return path != above and path.startswith(f"{above.rstrip('/')}/")


def protect_home(variables: Mapping[str, Any]) -> str:
    """Return the value of the unit's ``ProtectHome=``.

    The value is ``read-only`` when the server uses a directory in /home, because the server must see this directory.
    """
    used = [variables["banyandb_config_dir"], variables["banyandb_root"], *roots(variables)]
    return "read-only" if any(is_below(path, HOME) for path in used) else "true"


def mount_drop_in(real_roots: Mapping[str, str]) -> str:
    """Return the text of the drop-in that makes the unit wait for mounts; empty when no root is a link.

    ``real_roots``: root -> its real path. systemd does not follow links in ``RequiresMountsFor=`` (systemd.unit(5)).
    """
    linked = sorted({real for path, real in real_roots.items() if real != path})
    if not linked:
        return ""
    return f"# Written by the Ansible collection skywalking.banyandb: a root is a link.\n[Unit]\nRequiresMountsFor={' '.join(linked)}\n"


# ---- the node of a root


class BadMarker(ValueError):
    """The text is not a marker or record of this collection."""


@dataclass(frozen=True)
class NodeFacts:
    """The node that a directory belongs to. ``host``: inventory name; ``node``: name in views; ``role``: kind of node."""

    cluster: str
    host: str
    node: str
    role: str

    def is_same_node(self, other: NodeFacts) -> bool:
        """Return whether both are one node.

        A node may change its address or its inventory name, but not both at once.
        """
        return (self.cluster, self.role) == (other.cluster, other.role) and (self.host == other.host or self.node == other.node)

    def __str__(self) -> str:
        return f"{self.role} node {self.host} ({self.node}) of cluster {self.cluster}"


@dataclass(frozen=True)
class Marker:
    """A marker or a record.

    ``since``: when the node began to use the root, in UTC, as ISO 8601. ``stores``: store -> its root; a marker has only the stores of its root.
    """

    facts: NodeFacts
    since: str
    stores: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the text of the file: JSON that a person can read."""
        facts = {"cluster": self.facts.cluster, "host": self.facts.host, "node": self.facts.node, "role": self.facts.role}
        content = {"written_by": "skywalking.banyandb", "format": FORMAT, **facts, "since": self.since, "stores": dict(sorted(self.stores.items()))}
        return json.dumps(content, indent=2) + "\n"


def read_marker(text: str) -> Marker:
    """Return the content of a marker or a record. Raises BadMarker."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMarker("no JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise BadMarker("no format")
    if content["format"] > FORMAT:
        raise BadMarker(f"format {shown(content['format'])} of a newer collection")
    names = ("cluster", "host", "node", "role", "since")
    found = content.get("stores")
    if not all(isinstance(content.get(name), str) for name in names) or not isinstance(found, dict):
        raise BadMarker(f"expected {', '.join(names)} and stores")
    if not all(isinstance(path, str) for path in found.values()):
        raise BadMarker("expected paths of stores")
    return Marker(NodeFacts(*(content[name] for name in names[:-1])), content["since"], found)


# ---- whether a root may be used


class State(Enum):
    """The state of a root that a node may use."""

    NEW = "new"  # absent or empty
    EMPTIED = "emptied"  # the node lost its data, and the operator accepted the loss
    OURS = "ours"  # the marker names this node
    ADOPTED = "adopted"  # data of this node without a marker, or data that the operator gave to this node


class Reason(Enum):
    """Why a node may not use a root."""

    NOT_A_DIRECTORY = "not_a_directory"
    BAD_PLACE = "bad_place"
    NOT_MOUNTED = "not_mounted"
    CLOSED_PARENT = "closed_parent"
    OTHER_CONTENT = "other_content"
    OTHER_DATA = "other_data"
    OTHER_NODE = "other_node"
    UNREADABLE_MARKER = "unreadable_marker"
    OTHER_OWNER = "other_owner"
    LOST = "lost"
    MOVED = "moved"


@dataclass(frozen=True)
class Seen:
    """The state of a root on its host.

    ``real``: path without links. ``what``: ``absent``, ``directory`` or another word.
    ``entries``: names in the root, without the marker, the files of the file system, and the directories that lead to other roots of the node.
    ``marker``: text of the marker. ``owner``: owner of the root. ``strangers``: name -> owner, for stores with another owner than the server's user.
    ``in_unit``: whether the unit on the host uses the root. ``closed``: the first parent that the user cannot enter, and its mode.
    ``unmounted``: a mount point in fstab at or above the root, where nothing is mounted.
    ``left``: store -> its former root, for stores whose data may still be there.
    """

    path: str
    real: str
    what: str = "absent"
    entries: tuple[str, ...] = ()
    marker: str | None = None
    owner: str = ""
    strangers: Mapping[str, str] = field(default_factory=dict)
    in_unit: bool = False
    closed: tuple[str, str] | None = None
    unmounted: str = ""
    left: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """The root that a node wants.

    ``accept_empty`` and ``adopt``: whether the operator permits an empty disk, or to take over existing data.
    ``others``: inventory name -> node name, of the other nodes that the inventory of the cluster has.
    """

    facts: NodeFacts
    user: str
    stores: Sequence[str]
    accept_empty: bool = False
    adopt: bool = False
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """The state of a root, or why the node may not use the root.

    ``message``: for a person. ``marker``: the marker to write. ``former_host``: inventory name in the marker, if the node has another name now.
    """

    state: State | None
    reason: Reason | None = None
    message: str = ""
    marker: Marker | None = None
    former_host: str = ""


def decide(seen: Seen, wanted: Wanted, record: Marker | None, now: str) -> Finding:
    """Decide whether a node may use a root. ``record``: record of the node on the host; ``now``: time for a new marker."""
    refusal = _unusable(seen, wanted)
    if refusal:
        return refusal
    marker = Marker(wanted.facts, now, dict.fromkeys(wanted.stores, seen.path))
    found: Marker | None = None
    if seen.marker is not None:
        try:
            found = read_marker(seen.marker)
        except BadMarker as error:
            if not wanted.adopt:
                return _refused(Reason.UNREADABLE_MARKER, f"{seen.path}/{MARKER} is not readable: {error}. {_adopt(wanted)}")
        if found and not is_own(found.facts, wanted.facts, wanted.others):
            if not wanted.adopt:
                return _refused(Reason.OTHER_NODE, _not_own(seen.path, found.facts, wanted))
            found = None
    empty = not seen.entries
    if seen.strangers and not empty:
        name, owner = next(iter(sorted(seen.strangers.items())))
        command = f"chown -R {wanted.user}: {seen.real}"
        message = f"{seen.path}/{name} belongs to {owner}, expected {wanted.user}. Stop the server and run on the host: {command}"
        return _refused(Reason.OTHER_OWNER, message)
    lost = _without_data(seen, wanted, record, found)
    if lost and not wanted.accept_empty:
        return lost
    finding = _taken(seen, wanted, marker, found)
    return replace(finding, state=State.EMPTIED) if lost and finding.state else finding


def is_own(found: NodeFacts, own: NodeFacts, others: Mapping[str, str]) -> bool:
    """Return whether the node in a marker is this node.

    Two nodes with exchanged addresses have the markers of each other: a marker with the name of another node is of the other node.

    ``others``: as of Wanted.
    """
    return found.is_same_node(own) and (found.host == own.host or found.host not in others)


def renamed_message(path: str, former: str, host: str) -> str:
    """Return the warning about a node with a new inventory name. ``former``: the name in the marker of the root at ``path``."""
    return fitted(
        f"{path} belongs to ",
        former,
        f", which the inventory no longer has: {host} is this node under a new name. If not, correct its address.",
    )


def _not_own(path: str, found: NodeFacts, wanted: Wanted) -> str:
    """Return the message for a root with the marker of another node, or of this host with other settings."""
    own = wanted.facts
    there = wanted.others.get(found.host, "") if found.cluster == own.cluster and found.host != own.host else ""
    if there and found.node == own.node:
        return f"{path} belongs to {found.host}, which the inventory has at {there}. Correct the address of {own.host} or {found.host}."
    if there:
        return f"{path} belongs to {found.host}, which the inventory has at {there}. Correct ansible_host of {own.host}, or set another directory."
    if own.host != found.host and own.node != found.node:
        return f"{path} belongs to {found}. Set another directory. {_adopt(wanted)}"
    if found.cluster != own.cluster:
        was, now = found.cluster, own.cluster
        return f"{path} belongs to this host in cluster {was}, and banyandb_cluster is {now}. Set banyandb_cluster back to {was}."
    was, now = found.role, own.role
    return f"{path} belongs to the {was} of this host, and the host is in the group banyandb_{now}. Move the host back to banyandb_{was}."


def _taken(seen: Seen, wanted: Wanted, marker: Marker, found: Marker | None) -> Finding:
    """Return the state of a usable root. ``marker``: new marker; ``found``: existing marker."""
    if found:
        former = found.facts.host if found.facts.host != wanted.facts.host else ""
        return Finding(State.OURS, marker=replace(marker, since=found.since), former_host=former)
    if not seen.entries:
        return Finding(State.NEW if seen.marker is None else State.ADOPTED, marker=marker)
    return _adoptable(seen, wanted) or Finding(State.ADOPTED, marker=marker)


def _unusable(seen: Seen, wanted: Wanted) -> Finding | None:
    """Return why no node could use the root; None when a node could."""
    leads = f"{seen.path} leads to {seen.real}" if seen.real != seen.path else seen.path
    if seen.what not in ("absent", "directory"):
        return _refused(Reason.NOT_A_DIRECTORY, f"{seen.path} is a {seen.what}, expected a directory. Move it away, or set banyandb_data_dir.")
    reason = place_problem(seen.real, of_data=True) if seen.real != seen.path else ""
    if not reason and is_below(seen.real, HOME) and not is_below(seen.path, HOME):
        reason = "the unit hides /home"
    if reason:
        where = f"Set the variable to {seen.real}" if is_below(seen.real, HOME) else "Set another directory in banyandb_data_dir or banyandb_storage"
        return _refused(Reason.BAD_PLACE, f"{leads}: {reason}. {where}.")
    if seen.unmounted:
        message = f"{leads}: {seen.unmounted} of /etc/fstab is not mounted. Run on the host: mount {seen.unmounted}"
        return _refused(Reason.NOT_MOUNTED, message)
    if seen.closed:
        return _refused(Reason.CLOSED_PARENT, closed_message(leads, *seen.closed, wanted.user))
    return None


def closed_message(subject: str, path: str, mode: str, user: str) -> str:
    """Return the message for a directory that the server's user cannot enter."""
    return f"{subject}: user {user} cannot enter {path} (mode {mode}). Run on the host: chmod o+x {path}"


def _without_data(seen: Seen, wanted: Wanted, record: Marker | None, found: Marker | None) -> Finding | None:
    """Return why the root lacks data that the node is known to have; None when nothing is missing."""
    accept = f"set banyandb_accept_empty_data: [{wanted.facts.host}]"
    for store, path in sorted(seen.left.items()):
        if STORES[store][1] not in seen.entries:
            return _refused(
                Reason.MOVED,
                f"{seen.path}: the node has its {store} data in {path}. Set the old directory again, move the data there, or {accept} to start "
                "without.",
            )
    here = record is not None and any(record.stores.get(store) == seen.path for store in wanted.stores)
    if record and here and found is None and not seen.entries:
        what = "is empty" if seen.what == "directory" else "does not exist"
        return _refused(Reason.LOST, f"{seen.path} {what}, and the node has data there since {record.since}. Mount its disk, or {accept}.")
    return None


def _adoptable(seen: Seen, wanted: Wanted) -> Finding | None:
    """Return why content without a marker of this node does not count as the node's data; None when it counts."""
    known = {directory for _variable, directory in STORES.values()}
    others = [name for name in seen.entries if name not in known]
    if len(others) == len(seen.entries):
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        first = ", ".join(shown(name)[1:-1] for name in others[:3])
        message = f"{seen.path} has other content ({first}{more}). Choose an empty directory, or a new one below it."
        return _refused(Reason.OTHER_CONTENT, message)
    if wanted.adopt or (seen.in_unit and seen.owner == wanted.user and not others):
        return None
    beside = f"other content ({shown(others[0])[1:-1]}) beside" if others else "BanyanDB"
    return _refused(Reason.OTHER_DATA, f"{seen.path} has {beside} data without {MARKER}. Set another directory. {_adopt(wanted)}")


def _adopt(wanted: Wanted) -> str:
    return f"To take the data over: banyandb_adopt_data: [{wanted.facts.host}]."


def _refused(reason: Reason, message: str) -> Finding:
    return Finding(None, reason, message)


def ways_to_others(path: str, paths: Sequence[str]) -> set[str]:
    """Return the names in the directory ``path`` that lead to one of the other ``paths``."""
    return {posixpath.relpath(other, path).split("/")[0] for other in paths if is_below(other, path)}


# ---- removal


class RemovalRefused(ValueError):
    """The collection must not delete the data of a node; the message says why and what to do."""


def check_removal(seen: Sequence[Seen], facts: NodeFacts, mounts: Mapping[str, str], others: Mapping[str, str]) -> None:
    """Check that each root has the marker of this node, or is empty, and contains no other file system. Raises RemovalRefused.

    ``mounts``: root -> a mount below the root with content of its own. ``others``: as of Wanted.
    """
    for root in seen:
        reason = _not_removable(root, facts, mounts.get(root.path, ""), others)
        if reason:
            raise RemovalRefused(f"{root.path} {reason}")


def _not_removable(root: Seen, facts: NodeFacts, mount: str, others: Mapping[str, str]) -> str:
    if root.what not in ("absent", "directory"):
        return f"is a {root.what}, expected a directory. Nothing is removed. Move it away, then run this again."
    if root.unmounted:
        return f"is below {root.unmounted} of /etc/fstab, which is not mounted. Nothing is removed. Run on the host: mount {root.unmounted}"
    if mount:
        return f"contains the mount {mount}, which banyandb_storage does not name. Nothing is removed. Run on the host: umount {mount}"
    if root.marker is None:
        return f"has content and no {MARKER} of this node. Nothing is removed. Run this without banyandb_remove_data." if root.entries else ""
    try:
        owner = read_marker(root.marker).facts
    except BadMarker as error:
        return f"has a {MARKER} that is not readable: {error}. Nothing is removed. Run this without banyandb_remove_data."
    return "" if is_own(owner, facts, others) else f"belongs to {owner}. Nothing is removed. Run this without banyandb_remove_data."


def confirmed(given: object, host: str) -> bool:
    """Return whether ``banyandb_confirm`` names a host. ``given``: a name, or a list or comma-separated text of names."""
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, (list, tuple)) else ()
    return host in [str(name).strip() for name in names]


def amount(size: int, files: int) -> str:
    """Return a size as text, such as ``1.2 GB in 3401 files``. ``size``: bytes."""
    if not size:
        return f"{files or 'no'} {'empty ' if files else ''}file{'' if files == 1 else 's'}"
    number, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{size if unit == 'bytes' else f'{number:.1f}'} {unit} in {files} file{'' if files == 1 else 's'}"
