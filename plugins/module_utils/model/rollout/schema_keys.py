# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema that a data node must know before a liaison may use the node. Pure.

A new data node with the META role loads the schema in the fifth round of ``--schema-property-client-sync-interval``. This takes 150 s with the
default of 30 s, and 5.8 s with 1 s (measured on the server built from 9ebac4516). A liaison uses a listed node at once. Until the node has the
schema, every query fails. Of 1,000 acknowledged points of a group without replicas, 204 were lost. The highest revision (``GetMaxRevision``) of
such a node is its own revision, so only the keys show the missing schema.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.group_content import INTERNAL, BadContent
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted, listed, shown
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure

#: Field of ``schemaInfo`` -> kind of a SchemaKey. A write or a query needs these three; the node loads them with their index rules.
KINDS = {"measures": "measure", "streams": "stream", "traces": "trace"}
#: The variable that sets how soon a data node learns the schema.
SYNC_INTERVAL = "BYDB_SCHEMA_PROPERTY_CLIENT_SYNC_INTERVAL"

#: Characters of a reason. The names of the nodes have the rest of a line of 200.
LONGEST_REASON = 150


class SchemaKey(NamedTuple):
    """The name of a schema object, as ``banyandb.schema.v1.SchemaKey`` has it. ``kind``: measure, stream or trace."""

    kind: str
    group: str
    name: str


def keys_from(document: object) -> list[SchemaKey]:
    """Return the keys of a group, of the answer to ``GET /api/v1/group/content/<group>``. Raises BadContent."""
    try:
        group = document["group"]["metadata"]["name"]  # type: ignore[index]
        info = document["schemaInfo"]  # type: ignore[index]
        keys = [SchemaKey(kind, group, name) for field, kind in KINDS.items() for name in info.get(field) or () if not name.startswith(INTERNAL)]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadContent(f"no schema of a group ({type(error).__name__}: {shown(str(error))})") from None
    return sorted(keys)


def lacking(keys: Sequence[SchemaKey], present: Collection[SchemaKey]) -> list[SchemaKey]:
    """Return the keys that are not ``present`` on a node, in the order of ``keys``."""
    there = {*present}
    return [key for key in keys if key not in there]


def refusal(missing: Sequence[SchemaKey] | Failure, seconds: float) -> str:
    """Return why a liaison is not to list a data node, without the name of the node: at most LONGEST_REASON characters.

    ``missing``: the keys that the node lacks, or why these are unknown. ``seconds``: how long the push has waited.
    """
    if isinstance(missing, Failure):
        return fitted(f"not added, its schema is unknown after {seconds:.0f} s (", missing.message, "). Run topology again.", LONGEST_REASON)
    first = listed([f"{key.kind} {key.group}/{key.name}" for key in missing], 1)
    remedy = f" after {seconds:.0f} s. Run topology again. Keep {SYNC_INTERVAL} at 1s."
    return fitted("not added, it lacks ", first, remedy, LONGEST_REASON)
