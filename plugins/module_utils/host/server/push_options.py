# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a push. The module ``topology`` takes these options, and the module ``host_info`` takes them as its option ``push``."""

from __future__ import annotations

from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.connection_options import LOCAL_SERVER, REQUIRED_TOGETHER
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.push_request import FAIL, HOLD_BACK
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.node_kinds import DATA, LIAISON, ROLES
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.push_plan import ADMIT, READDRESS

#: The argument specification of the module topology, which documents the options.
ARGUMENTS: dict[str, Any] = dict(
    path=dict(type="path", default="/etc/banyandb/topology.yml"),
    nodes=dict(
        type="list",
        elements="dict",
        required=True,
        options=dict(
            name=dict(type="str", required=True),
            grpc_address=dict(type="str", required=True),
            tls_enabled=dict(type="bool", default=False),
            ca_cert_path=dict(type="path"),
            role=dict(type="str", choices=[DATA, LIAISON]),
            node_name=dict(type="str"),
            roles=dict(type="list", elements="str"),
            labels=dict(type="dict"),
        ),
    ),
    remove=dict(type="list", elements="str", default=[]),
    readdress=dict(type="str", choices=list(READDRESS), default="refuse"),
    refresh=dict(type="list", elements="str", default=[]),
    refresh_stale=dict(type="bool", default=False),
    admit=dict(type="str", choices=list(ADMIT), default="answering"),
    as_listed=dict(type="list", elements="str", default=[]),
    unready=dict(type="str", choices=[FAIL, HOLD_BACK], default=FAIL),
    unread=dict(type="bool", default=False),
    batch=dict(type="int", default=1),
    start=dict(
        type="dict",
        options=dict(
            name=dict(type="str", required=True),
            service=dict(type="str", required=True),
            ports=dict(type="list", elements="int", default=[]),
            timeout=dict(type="float", default=60),
            needs=dict(type="list", elements="str", default=[]),
            report_failure=dict(type="bool", default=False),
        ),
    ),
    prove=dict(
        type="dict",
        options=dict(
            name=dict(type="str", required=True),
            role=dict(type="str", choices=list(ROLES), required=True),
            timeout=dict(type="float", default=60),
            **LOCAL_SERVER,
        ),
        required_together=REQUIRED_TOGETHER,
    ),
    reach_timeout=dict(type="float", default=2),
    lock_timeout=dict(type="float", default=150),
    backup=dict(type="bool", default=False),
    owner=dict(type="str"),
    group=dict(type="str"),
    mode=dict(type="raw", default="0644"),
)
