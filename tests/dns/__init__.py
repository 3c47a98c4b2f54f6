# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An authoritative DNS server, and a proxy before it that falsifies answers on request."""

from .knot import Knot
from .proxy import Lie, LyingProxy

__all__ = ["Knot", "Lie", "LyingProxy"]
