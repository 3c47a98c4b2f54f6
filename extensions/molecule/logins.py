# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log in to servers over HTTP and gRPC, without code of the collection: ``logins.py USERS ADDRESS...``.

USERS is a JSON file with a list of [name, password]. Prints a JSON object: address, then for each user the HTTP status and the gRPC code. The first
item of each list is of a question without a user.
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
from pathlib import Path

import grpc

METHOD = "/banyandb.database.v1.NodeQueryService/GetCurrentNode"


def over_http(address: str, user: list[str] | None) -> int:
    headers = {"Authorization": f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"} if user else {}
    connection = http.client.HTTPConnection(address, 17913, timeout=5)
    connection.request("GET", "/api/v1/cluster/state", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def over_grpc(address: str, user: list[str] | None) -> str:
    with grpc.insecure_channel(f"{address}:17912", options=[("grpc.enable_http_proxy", 0)]) as channel:
        metadata = tuple(zip(("username", "password"), user, strict=True)) if user else None
        try:
            channel.unary_unary(METHOD, bytes, bytes)(b"", timeout=5, metadata=metadata)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def main(users_file: str, *addresses: str) -> None:
    users = [None, *json.loads(Path(users_file).read_text())]
    print(json.dumps({address: [[over_http(address, user), over_grpc(address, user)] for user in users] for address in addresses}))


if __name__ == "__main__":
    main(*sys.argv[1:])
