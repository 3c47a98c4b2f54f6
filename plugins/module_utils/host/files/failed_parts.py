# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds parts that a liaison could not send to a data node (section 8 of the contract). Standard library only, Python 3.9+."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.catalog_data import entries, group_entries

NAME = "failed-parts"


def failed_parts(data_dir: str, storage: Mapping[str, str]) -> dict[str, int]:
    """Return directory -> number of parts, for directories ``<root>/<catalog>/data/<group>/shard-<n>/failed-parts``.

    ``storage``: catalog -> root. ``data_dir``: root of the other catalogs. Raises HostStateError.
    """
    counts = {os.path.join(shard, NAME): len(entries(os.path.join(shard, NAME))) for shard in group_entries(data_dir, storage, "shard-")}
    return {directory: count for directory, count in counts.items() if count}
