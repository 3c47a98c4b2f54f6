# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the formats of the segments on this host. Standard library only, Python 3.9+.

A segment has its format in ``<root>/<catalog>/data/<group>/seg-<start>/metadata``: the format alone (until 0.10.2), or JSON with the key ``version``.
A segment keeps its format when a later release writes to it (measured).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.catalog_data import group_entries
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError, cannot_read

#: No file of this kind is longer.
_MOST = 4096


def segment_formats(data_dir: str, storage: Mapping[str, str]) -> set[str]:
    """Return the formats of all segments. ``storage``: catalog -> root. ``data_dir``: root of the other catalogs. Raises HostStateError."""
    return {_format(os.path.join(segment, "metadata")) for segment in group_entries(data_dir, storage, "seg-")}


def _format(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read(_MOST).strip()
        found = json.loads(text)["version"] if text.startswith("{") else text
    except OSError as error:
        raise cannot_read(path, error) from error
    except (ValueError, KeyError, RecursionError):
        found = ""
    if not isinstance(found, str) or not found:
        raise HostStateError("broken", f"{path}: has no format. Restore the file from a backup, or remove the segment.")
    return found
