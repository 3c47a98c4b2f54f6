#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tls_files
short_description: "Internal: write the certificate of a node and prove that its server serves it"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Writes C(ca.crt), C(node.key) and C(node.crt) by rename, and refuses a certificate that does not match the key.
  - A server that runs with TLS loads a new certificate about 2 s after the rename, without a restart. The module waits until each TLS port of the
    server serves the new certificate.
  - After a change of C(ca.crt), the module waits until the running server watches the new file. The server loads the CAs within 1 s after that, and
    then connects to all nodes again.
  - A server that was started with files in another directory loads nothing from O(directory) before its restart, so the module proves nothing.
options:
  directory:
    description: Absolute path of the directory of the files.
    type: path
    required: true
  user:
    description: Account of the server. The files belong to it.
    type: str
    required: true
  ca:
    description: The CAs that the host trusts, as PEM text. An empty text keeps the file.
    type: str
    default: ""
  certificate:
    description: The certificate of the node and its intermediate certificates, as PEM text. An empty text keeps the file.
    type: str
    default: ""
  key:
    description: The key of the node, as PEM text. An empty text keeps the file.
    type: str
    default: ""
  service:
    description: Unit of the server. Without this option, or if the unit does not run with TLS, the module proves nothing.
    type: str
  timeout:
    description: Seconds to wait until each port serves the certificate.
    type: float
    default: 20
attributes:
  check_mode:
    support: full
    description: Predicts which files change.
  diff_mode:
    support: none
    description: A difference of certificates tells a person nothing.
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Write a certificate
  skywalking.banyandb.tls_files:
    directory: /etc/banyandb/tls
    user: banyandb
    certificate: "{{ lookup('ansible.builtin.file', 'data1.crt') }}"
    service: banyandb-data.service
  become: true
"""

RETURN = r"""
files:
  description: Names of the files that changed.
  type: list
  elements: str
  returned: success
  sample: [ca.crt, node.crt]
served:
  description: Address of each TLS port of the running server, with the serial number and the end of the certificate that it serves.
  type: dict
  returned: success
  sample: {"127.0.0.1:17912": {"serial": "3f9a", "not_after": "2027-11-29T10:00:00Z"}}
error_type:
  description: Kind of the failure, C(not_a_pair), C(not_served), C(not_watched), C(not_loaded), C(busy), C(no_user), C(permission_denied),
    C(unreadable) or C(not_written).
  type: str
  returned: failure
  sample: not_served
"""

import os.path
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.certificate_files import Owner, found_files, put_files
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.network.served_certificate import POLL_SECONDS, await_served
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_process import watch_count
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.server.running_server import RunningServer, running_server
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.parameters import require_seconds
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.setup.certificate_values import CA_FILE
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

ARGUMENTS: dict[str, Any] = dict(
    directory=dict(type="path", required=True),
    user=dict(type="str", required=True),
    ca=dict(type="str", default=""),
    certificate=dict(type="str", default=""),
    key=dict(type="str", default="", no_log=True),
    service=dict(type="str"),
    timeout=dict(type="float", default=20),
)


def act(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Write the files and prove them. Raises HostStateError, and ValueError that names the parameter."""
    require_seconds(params, {"timeout": 0.001})
    owner = Owner(params["user"], params["user"])
    running = running_server(params["service"]) if params["service"] and not check else None
    if running and running.tls_directory != params["directory"]:
        running = None
    texts = (params["ca"], params["certificate"], params["key"])
    watched = watches_of_authorities(running, params["directory"], CA_FILE in put_files(params["directory"], owner, *texts, True)) if running else 0
    files = put_files(params["directory"], owner, *texts, check)
    if running and CA_FILE in files:
        await_watches(running.pid, os.path.join(params["directory"], CA_FILE), watched, params["timeout"])
    addresses = running.at.tls_addresses if running else ()
    served: dict[str, Any] = {}
    expected = found_files(params["directory"]).certificate.sha256[:1] if addresses else ()
    if expected:
        served = {address: found._asdict() for address, found in await_served(addresses, expected[0], params["timeout"]).items()}
    return {
        "changed": bool(files),
        "files": files,
        "served": {address: {key: found[key] for key in ("serial", "not_after")} for address, found in served.items()},
    }


def watches_of_authorities(running: RunningServer, directory: str, changes: bool) -> int:
    """Return how many watches the server has on the file with its CAs. Raises HostStateError for a server that would not notice a change.

    ``changes``: whether the file is about to change.
    """
    path = os.path.join(directory, CA_FILE)
    count = watch_count(running.pid, path)
    if changes and not count and os.path.isfile(path):
        text = "the running server no longer watches it, so it would not load other CAs. Run skywalking.banyandb.restart for this host first."
        raise HostStateError("not_watched", f"{path}: {text}")
    return count


def await_watches(pid: int, path: str, count: int, timeout: float) -> None:
    """Wait until a process has ``count`` watches on the file again. Raises HostStateError (``not_loaded``).

    The server adds its watches 1.65 s after the rename (measured), and loads the file 0.5 s after that (read in its pkg/tls/reloader.go).
    """
    deadline = time.monotonic() + timeout
    while watch_count(pid, path) < count:
        if time.monotonic() >= deadline:
            text = f"after {timeout:g} s the running server has not loaded it. Run skywalking.banyandb.restart for this host, then run this again."
            raise HostStateError("not_loaded", f"{path}: {text}")
        time.sleep(POLL_SECONDS)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = act(module.params, module.check_mode)
    except HostStateError as error:
        module.fail_json(msg=message(error), error_type=error.kind)
    except ValueError as error:
        module.fail_json(msg=message(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
