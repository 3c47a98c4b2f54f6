# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the settings of the controller's resolver."""

from __future__ import annotations

from functools import cache

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.dns.resolv_conf import ResolvConf

RESOLV_CONF = "/etc/resolv.conf"


def system_resolver() -> ResolvConf:
    """Return the settings in RESOLV_CONF; the defaults when the file is not readable."""
    return _read(RESOLV_CONF)


@cache
def _read(path: str) -> ResolvConf:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return ResolvConf.parse(stream.read())
    except OSError:
        return ResolvConf()
