# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that query running servers. The fragments ``connection`` and ``local_server`` document the options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.topology.topology_text import HTTP_PORT, TopologyError, split_address
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Terms, TermsError

ENDPOINT: Mapping[str, Any] = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str", "required": True},
}

CONNECTION: Mapping[str, Any] = {
    "timeout": {"type": "float", "default": 5.0},
    "deadline": {"type": "float", "default": 60.0},
    "retries": {"type": "int", "default": 2},
    "concurrency": {"type": "int", "default": 64},
    "tls": {"type": "bool", "default": False},
    "ca_path": {"type": "path"},
    "tls_server_name": {"type": "str"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
}

# Options of modules that query only the server on the same host. local_client.py reads them.
LOCAL_SERVER: Mapping[str, Any] = {
    "service": {"type": "str"},
    "url": {"type": "str", "default": f"http://127.0.0.1:{HTTP_PORT}"},
    **{name: CONNECTION[name] for name in ("ca_path", "username", "password")},
}

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")

# For AnsibleModule's required_if and required_together.
REQUIRED_IF = (("tls", True, ("ca_path",)),)
REQUIRED_TOGETHER = (("username", "password"),)


def terms(params: Mapping[str, Any]) -> Terms:
    """Return the Terms of a module's parameters. Reads the file ``ca_path``. Raises TermsError."""
    return Terms(
        timeout=params["timeout"],
        deadline=params["deadline"],
        retries=params["retries"],
        concurrency=params["concurrency"],
        tls=params["tls"],
        ca=read_ca(params["ca_path"]) if params["tls"] else "",
        tls_server_name=params["tls_server_name"] or "",
        username=params["username"] or "",
        password=params["password"] or "",
    )


def read_ca(path: str) -> str:
    """Return the certificates of a CA file. The text between certificates may have any encoding, so it is left out. Raises TermsError."""
    try:
        with open(path, "rb") as file:
            found = _CERTIFICATE.findall(file.read())
    except OSError as error:
        raise TermsError(f"ca_path {path}: {error.strerror}. Set ca_path to a readable file on the machine where the module runs.") from None
    if not found:
        raise TermsError(f"ca_path {path}: no certificate in it. Set ca_path to a file with certificates in PEM form.")
    return "".join(f"{each.decode()}\n" for each in found)


def addresses(endpoints: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return name -> address of the option ``endpoints``. Raises TermsError for a duplicate name or an invalid address."""
    found: dict[str, str] = {}
    for index, endpoint in enumerate(endpoints):
        name, address = endpoint["name"], endpoint["address"]
        if name in found:
            raise TermsError(f"endpoints[{index}]: name {name!r} is listed twice. Give each endpoint its own name.")
        try:
            split_address(address, f"endpoints[{index}].address")
        except TopologyError as error:
            raise TermsError(str(error)) from None
        found[name] = address
    return found


def cleartext_warning(params: Mapping[str, Any]) -> str:
    """Return a warning if the module sends a password unencrypted, or an empty text."""
    if not params["username"] or params["tls"]:
        return ""
    return "The module sends the password unencrypted. Set tls if the servers have TLS, or run the module in a trusted network."
