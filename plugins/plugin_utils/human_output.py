# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print lines for the person who watches a run, but not into output that a program reads."""

from __future__ import annotations

from collections.abc import Iterable


def show(lines: Iterable[str]) -> None:
    """Print ``lines``, unless a program reads the output of the run."""
    # Imported here, so that an import of this file does not load ansible-core's display.
    from ansible.utils.display import Display

    if people_read_output():
        for line in lines:
            Display().display(line)


def details_wanted() -> bool:
    """Return whether a failed task returns its details: always to a program, and to a person with -v."""
    from ansible.utils.display import Display

    return Display().verbosity > 0 or not people_read_output()


def people_read_output() -> bool:
    """Return whether a person reads the output of this run.

    Callbacks for people (``default``, ``yaml``, ``debug``, ...) are subclasses of ansible-core's ``default``. Callbacks for programs (``oneline``,
    ``minimal``, ``json``, ``jsonl``) are not. An additional line would break the output of these callbacks.
    """
    from ansible.constants import config
    from ansible.plugins.loader import callback_loader

    found = callback_loader.get(config.get_config_value("DEFAULT_STDOUT_CALLBACK"), class_only=True)
    # Compared by name: the loader makes different classes for "default" and "ansible.builtin.default".
    return any(base.__module__.rpartition(".")[2] == "default" for base in getattr(found, "__mro__", ()))
