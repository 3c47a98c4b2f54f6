# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts that a liaison has given up to pass on (section 8 of the contract). Standard library only, Python 3.9+."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_state import cannot_read

CATALOGS = ("measure", "stream", "trace")
NAME = "failed-parts"


def failed_parts(data_dir: str, storage: Mapping[str, str]) -> dict[str, int]:
    """Directory -> how many parts the directory holds, of ``<root>/<catalog>/data/<group>/shard-<n>/failed-parts``.

    The root of a catalog is in ``storage``, else ``data_dir``. Raises HostStateError.
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
    """What is in a directory; nothing when there is none, or it went while this looked."""
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise cannot_read(directory, error) from error
