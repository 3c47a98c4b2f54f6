# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A topology file that was not written by this collection, read with PyYAML where the host has it. Python 3.9+."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.topology_file import TopologyFileError
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import cut
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import (
    ForeignFormat,
    Topology,
    TopologyError,
    from_document,
    held_back_in,
)

# PyYAML reads some 100 kB a second: a file of another writer may be long, but not keep a push for minutes.
MAX_FOREIGN_BYTES = 1024 * 1024
# The values of a YAML document, its aliases written out: more than such a file holds without aliases.
MAX_VALUES = 1_000_000

try:
    import yaml
except ImportError:  # hosts need Python and nothing else
    yaml = None  # type: ignore[assignment,unused-ignore]


def read_foreign(path: str, text: str, foreign: ForeignFormat) -> Topology:
    """The topology of ``text``, the content of ``path``; ``foreign`` is what makes it another writer's. Raises TopologyFileError."""
    if yaml is None:
        raise TopologyFileError(
            f"{path}: {foreign}, and this host has no PyYAML to read it with: install python3-yaml there, or move the file away"
        ) from None
    if len(text) > MAX_FOREIGN_BYTES:
        raise TopologyFileError(
            f"{path}: {foreign}, and it is larger than {MAX_FOREIGN_BYTES} bytes, which no topology of other writers is; is it the right path?"
        ) from None
    try:
        # What is held back stands in comments. An entry that is added by hand does not make it forgotten.
        return Topology(from_document(_document(text)).listed, held_back_in(text))
    except Exception as error:  # PyYAML lets errors of its own through: KeyError for "!!bool x", AttributeError for "!!timestamp x"
        detail = cut(" ".join(str(error).split()), 1000)
        raise TopologyFileError(f"{path}: is not a topology: {detail}; mend the file or move it away, then push again") from None


def _document(text: str) -> object:
    """The only document of a YAML text. Raises all that PyYAML raises, and TopologyError."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _values(root, {})
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """How many values the node of a YAML document stands for. Raises TopologyError when a few lines stand for millions."""
    if node not in known:
        known[node] = MAX_VALUES  # also what a node stands for that is a part of itself
        inner = [] if isinstance(node, yaml.ScalarNode) else node.value
        parts = [part for entry in inner for part in (entry if isinstance(entry, tuple) else (entry,))]
        known[node] = 1 + sum(_values(part, known) for part in parts)
    if known[node] >= MAX_VALUES:
        raise TopologyError(f"its aliases stand for {MAX_VALUES} values or more")
    return known[node]
