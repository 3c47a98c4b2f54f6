# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds parts that a liaison could not send to a data node (section 8 of the contract). Standard library only, Python 3.9+."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import cannot_read

CATALOGS = ("measure", "stream", "trace")
NAME = "failed-parts"


def failed_parts(data_dir: str, storage: Mapping[str, str]) -> dict[str, int]:
    """Return directory -> number of parts, for directories ``<root>/<catalog>/data/<group>/shard-<n>/failed-parts``.

    ``storage``: catalog -> root. ``data_dir``: root of the other catalogs. Raises HostStateError.
    """
    found = {}
    for catalog in CATALOGS:
        root = os.path.join(storage.get(catalog) or data_dir, catalog, "data")
        for group in _entries(root):
            for shard in _entries(os.path.join(root, group)):
                directory = os.path.join(root, group, shard, NAME)
                count = len(_entries(directory)) if shard.startswith("shard-") else 0
                if count:
                    found[directory] = count
    return found


def _entries(directory: str) -> list[str]:
    """Return the names in a directory. Return an empty list without the directory."""
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise cannot_read(directory, error) from error
