# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Represent the releases of the server, and the formats of the data files that each release writes and reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import shown

# A number of more digits is no version, and Python refuses to convert a very long one.
_VERSION = r"[vV]?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?![\d.])"


class BadVersion(ValueError):
    """The text is not a version of the server."""


@dataclass(frozen=True, order=True)
class Release:
    """A release of the server. Releases of one ``line`` have the same API, such as 0.10.0 to 0.10.3."""

    major: int
    minor: int
    patch: int = 0

    @property
    def line(self) -> tuple[int, int]:
        return (self.major, self.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class FileFormat:
    """The formats of segments from release ``since`` on, until the next entry of FILE_FORMATS.

    ``writes``: format of each new segment. ``reads``: formats of segments that the server loads.
    """

    since: Release
    writes: str
    reads: tuple[str, ...]


#: Source: ``currentVersion`` in banyand/internal/storage/version.go and versions.yml, in the source of each release.
FILE_FORMATS = (
    FileFormat(Release(0, 7), "1.1.0", ("1.1.0",)),
    FileFormat(Release(0, 8), "1.2.0", ("1.2.0",)),
    FileFormat(Release(0, 9), "1.3.0", ("1.3.0",)),
    FileFormat(Release(0, 10), "1.4.0", ("1.4.0",)),
    FileFormat(Release(0, 10, 3), "1.5.0", ("1.4.0", "1.5.0")),
)


def release_of(name: str) -> Release:
    """Return the release of a version's name, such as ``0.10.3``, ``v0.11.0-rc1`` or ``0.11``. Raises BadVersion."""
    found = re.match(_VERSION, name)
    if not found:
        raise BadVersion(f"{shown(name)} is not a version: expected three numbers, such as 0.11.0")
    return _release(found)


def program_release(output: str) -> Release:
    """Return the release that a program prints for ``--version``, such as ``data version 0.10.3-0-g8e0d4e3-HEAD``. Raises BadVersion.

    The program prints the tag before its commit, also when it was built from later commits (pkg/version/version.go).
    """
    found = re.search(rf"^\S+ version {_VERSION}", output, re.MULTILINE)
    if not found:
        raise BadVersion(f"the program prints no version ({shown(output.strip())})")
    return _release(found)


def file_format(release: Release) -> FileFormat:
    """Return the file format of a release. A release after the last entry of FILE_FORMATS has the format of this entry. Raises BadVersion."""
    found = [each for each in FILE_FORMATS if each.since <= release]
    if not found:
        raise BadVersion(f"{release}: no file format is known for releases before {FILE_FORMATS[0].since}")
    return found[-1]


def unreadable(formats: Collection[str], release: Release) -> list[str]:
    """Return the formats of segments that a release does not load. Raises BadVersion.

    From 0.11 on, the server does not start with such a segment. Before, the server starts and reports health, without the data of the group.
    """
    return sorted({*formats} - {*file_format(release).reads})


def _release(found: re.Match[str]) -> Release:
    return Release(*(int(number or 0) for number in found.groups()))
