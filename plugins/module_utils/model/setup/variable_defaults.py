# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults of public variables, for code that runs without the defaults of the roles. The roles have the same (tests/unit/roles). Pure."""

from __future__ import annotations

DEFAULT_CLUSTER = "default"
DEFAULT_CONFIG_DIR = "/etc/banyandb"
DEFAULT_DATA_DIR = "/var/lib/banyandb"
DEFAULT_DRAIN = "nftables"
DEFAULT_USER = "banyandb"
