# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a host compile each file of this collection once. Standard library only, Python 3.9+. A module imports this file before the others.

Ansible sends a module with its imports as a zip archive, so the host compiles all of them at each execution. zipimport compiles each file twice: to
find its name (``zipimporter.get_filename``), and to run it (CPython 3.9 to 3.13, Lib/zipimport.py). The finder below leaves out the first.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any, cast
from zipimport import ZipImportError, zipimporter

_OURS = "ansible_collections.skywalking.banyandb."


class _Finder:
    """A finder for sys.meta_path. Leaves every other import to the finders after it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith(_OURS):
            return None
        for directory in path or ():
            try:
                importer = sys.path_importer_cache.get(directory) or sys.path_importer_cache.setdefault(directory, zipimporter(directory))
                if not isinstance(importer, zipimporter):
                    continue
                spec = ModuleSpec(name, cast(Any, importer), is_package=importer.is_package(name))
            except ZipImportError:
                continue
            if spec.submodule_search_locations is not None:
                spec.submodule_search_locations.append(f"{directory}/{name.rpartition('.')[2]}")
            return spec
        return None


if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
    # The first place belongs to built-in modules.
    sys.meta_path.insert(1, _Finder())
