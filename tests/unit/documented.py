# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of a plugin together with its documentation fragments."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import yaml
from ansible.utils.plugin_docs import merge_fragment

FRAGMENTS = "ansible_collections.skywalking.banyandb.plugins.doc_fragments"


def fragment_options(name: str) -> dict[str, Any]:
    """Return the options of a fragment, which is named as plugins name it."""
    fragment = import_module(f"{FRAGMENTS}.{name.rpartition('.')[2]}").ModuleDocFragment
    texts = [text for key, text in vars(fragment).items() if key.isupper()]
    return {option: value for text in texts for option, value in yaml.safe_load(text).get("options", {}).items()}


def with_fragments(documentation: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a plugin, merged with those of its fragments as ansible-core merges them."""
    options = dict(documentation.get("options", {}))
    for fragment in documentation.get("extends_documentation_fragment", []):
        if fragment.startswith("skywalking."):
            merge_fragment(options, fragment_options(fragment))
    return options


def documented_options(module: ModuleType) -> dict[str, Any]:
    """Return the options in the DOCUMENTATION of a module."""
    return with_fragments(yaml.safe_load(module.DOCUMENTATION))
