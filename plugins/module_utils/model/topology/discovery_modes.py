# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The discovery modes: how a server finds the other nodes. Pure."""

from __future__ import annotations

FILE = "file"
DNS = "dns"
