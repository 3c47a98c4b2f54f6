# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for the person who watches a run, and no line where a program reads the output."""

from __future__ import annotations

from collections.abc import Iterable


def show(lines: Iterable[str]) -> None:
    """Print ``lines``, unless the run's output is in a form that a program reads."""
    # Imported here: ansible-test imports all of module_utils where ansible-core has no plugins.
    from ansible.utils.display import Display

    if people_read_output():
        for line in lines:
            Display().display(line)


def details_wanted() -> bool:
    """Return whether a failed task should return its details: to a program always, to a person with -v, whose screen they would fill."""
    from ansible.utils.display import Display

    return Display().verbosity > 0 or not people_read_output()


def people_read_output() -> bool:
    """Return whether the stdout callback of this run writes as ansible-core's own ``default`` does.

    Callbacks for people (``default``, ``yaml``, ``debug``, ...) are subclasses of ``default``. Those for programs (``oneline``, ``minimal``,
    ``json``, ``jsonl``) are not, and a line between theirs breaks what they write.
    """
    from ansible.constants import config
    from ansible.plugins.loader import callback_loader

    found = callback_loader.get(config.get_config_value("DEFAULT_STDOUT_CALLBACK"), class_only=True)
    # Compared by name: the loader makes one class of "default" and another one of "ansible.builtin.default".
    return any(base.__module__.rpartition(".")[2] == "default" for base in getattr(found, "__mro__", ()))
