# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks the data of the catalogs on this host. Standard library only, Python 3.9+."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import cannot_read

CATALOGS = ("measure", "stream", "trace")


def group_entries(data_dir: str, storage: Mapping[str, str], prefix: str) -> Iterator[str]:
    """Return the paths ``<root>/<catalog>/data/<group>/<prefix>...``, such as shards (``shard-``) and segments (``seg-``).

    ``storage``: catalog -> root. ``data_dir``: root of the other catalogs. Raises HostStateError.
    """
    for catalog in CATALOGS:
        root = os.path.join(storage.get(catalog) or data_dir, catalog, "data")
        for group in entries(root):
            for name in entries(os.path.join(root, group)):
                if name.startswith(prefix):
                    yield os.path.join(root, group, name)


def entries(directory: str) -> list[str]:
    """Return the names in a directory. Return an empty list without the directory. Raises HostStateError."""
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise cannot_read(directory, error) from error
