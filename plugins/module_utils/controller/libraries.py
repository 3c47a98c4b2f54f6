# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that the libraries of the gRPC client are installed."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import GRPC_IMPORT_ERROR
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import PROTOBUF_IMPORT_ERROR


def require_grpc(module: Any) -> None:
    """End ``module`` (an AnsibleModule) with an error when grpcio or protobuf is missing. The error names the package to install."""
    for library, error in (("grpcio", GRPC_IMPORT_ERROR), ("protobuf", PROTOBUF_IMPORT_ERROR)):
        if error:
            where = "to ask over gRPC; run the module on the controller or in an execution environment that has it"
            module.fail_json(msg=missing_required_lib(library, reason=where), exception=error)
