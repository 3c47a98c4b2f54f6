# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a topology file not written by this collection, with PyYAML if the host has PyYAML. Python 3.9+."""

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

# PyYAML reads about 100 kB a second. The limit keeps a push from taking minutes.
MAX_FOREIGN_BYTES = 1024 * 1024
# Maximum number of values in a YAML document with its aliases expanded. A file of MAX_FOREIGN_BYTES without aliases has fewer values.
MAX_VALUES = 1_000_000

try:
    import yaml
except ImportError:  # hosts need Python and nothing else
    yaml = None  # type: ignore[assignment,unused-ignore]


def read_foreign(path: str, text: str, why: ForeignFormat) -> Topology:
    """Return the topology of ``text``, the content of ``path``. ``why``: why parse() did not accept the text. Raises TopologyFileError."""
    if yaml is None:
        raise TopologyFileError(f"{path}: this host has no PyYAML, and {why}", "Install python3-yaml on this host, or move the file away.") from None
    if len(text) > MAX_FOREIGN_BYTES:
        raise TopologyFileError(f"{path}: larger than {MAX_FOREIGN_BYTES} bytes, and {why}", "Correct the path.") from None
    try:
        # Comments have the entries that are held back. These entries stay even if a person edits the file.
        return Topology(from_document(_document(text)).listed, held_back_in(text))
    except Exception as error:  # PyYAML raises any error: KeyError for "!!bool x", AttributeError for "!!timestamp x"
        detail = cut(" ".join(str(error).split()), 1000)
        raise TopologyFileError(f"{path}: is not a topology: {detail.rstrip('.')}", "Repair the file or move it away, then push again.") from None


def _document(text: str) -> object:
    """Return the only document of a YAML text. Raises TopologyError, and all errors of PyYAML."""
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
    """Return the number of values of a YAML node with its aliases expanded. Raises TopologyError from MAX_VALUES values on."""
    if node not in known:
        known[node] = MAX_VALUES  # a node that contains itself has no end
        inner = [] if isinstance(node, yaml.ScalarNode) else node.value
        parts = [part for entry in inner for part in (entry if isinstance(entry, tuple) else (entry,))]
        known[node] = 1 + sum(_values(part, known) for part in parts)
    if known[node] >= MAX_VALUES:
        raise TopologyError(f"its aliases stand for {MAX_VALUES} values or more")
    return known[node]
