# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that Ansible takes for true and for false, in lower case (ansible/module_utils/parsing/convert_bool.py). Pure."""

from __future__ import annotations

TRUE = ("true", "yes", "on", "1", "t", "y")
FALSE = ("false", "no", "off", "0", "f", "n")


def is_true(value: object) -> bool:
    """Return whether Ansible takes a value for true."""
    return str(value).lower() in TRUE
