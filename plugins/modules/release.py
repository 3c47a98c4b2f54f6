#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Put one release of the server on a host and switch to it
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Takes the one program that a host needs out of a release tarball on the controller, verifies it there against the
    tarball's SHA-512 and again on the host, installs it beside the versions that are already there, and switches the
    link C(current) to it in one step. The host needs no internet.
  - The newest versions stay, see O(keep), so that a roll back is only the link.
  - A version that is installed is never changed in place. A crash at any point leaves the version whole or absent.
options:
  version:
    description: Name of the version, which is the name of its directory.
    type: str
    required: true
  artifact:
    description:
      - URL, or absolute path on the controller, of a release tarball C(skywalking-banyandb-<version>-banyand.tgz).
      - Not needed for a version that the host already has.
      - The user, the password and the query of a URL are never shown, and never sent to the host.
    type: str
  checksum:
    description:
      - V(sha512:<hex>), or the URL or absolute path of a C(.sha512) file. Default is O(artifact) with C(.sha512).
    type: str
  flavor:
    description: Which build to take, V(static) (with the web interface) or V(slim).
    type: str
    choices: [static, slim]
    default: static
  root:
    description: Directory on the host that holds C(versions) and C(current).
    type: path
    default: /opt/banyandb
  cache_dir:
    description:
      - Directory on the controller for what was fetched and unpacked. Default is C(skywalking.banyandb) in
        E(XDG_CACHE_HOME) or C(~/.cache).
    type: path
  keep:
    description:
      - Number of versions that stay when a new one is installed. Older ones are removed, but for the one in use, the one before it, and any that
        a process runs.
    type: int
    default: 3
  src:
    description: Internal, set by the action plugin; the program, already on the host.
    type: path
  src_sha256:
    description: Internal, set by the action plugin; its SHA-256.
    type: str
  source:
    description: Internal, set by the action plugin; where it was taken from.
    type: str
attributes:
  check_mode:
    description: Can run in check mode and predict what it would change.
    support: full
    details: The artifact is fetched and verified on the controller in check mode too.
  diff_mode:
    description: Shows the version before and after.
    support: full
  platform:
    description: Operating systems that it runs on.
    support: full
    platforms: linux
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Install version 0.11.0 from a file on the controller
  skywalking.banyandb.release:
    version: 0.11.0
    artifact: /srv/mirror/skywalking-banyandb-0.11.0-banyand.tgz

- name: Go back to a version that is still there
  skywalking.banyandb.release:
    version: 0.10.3
"""

RETURN = r"""
version:
  description: The version that C(current) leads to now.
  returned: success
  type: str
  sample: 0.11.0
previous:
  description: The version that it led to before; empty when there was none.
  returned: success
  type: str
  sample: 0.10.3
installed:
  description: Whether the version was not on the host yet.
  returned: success
  type: bool
  sample: true
removed:
  description: Old versions that were removed.
  returned: success
  type: list
  elements: str
  sample: ["0.10.0"]
architecture:
  description: V(amd64) or V(arm64).
  returned: success
  type: str
  sample: amd64
error_type:
  description: V(artifact) for what is wrong on the controller, V(release) for what is wrong on the host.
  returned: failure
  type: str
  sample: artifact
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import host_state, installed_release

ARGUMENTS: dict[str, Any] = {
    "version": {"required": True},
    # They stay on the controller: the action plugin never sends them.
    "artifact": {"no_log": True},
    "checksum": {"no_log": True},
    "flavor": {"choices": ["static", "slim"], "default": "static"},
    "root": {"type": "path", "default": "/opt/banyandb"},
    "cache_dir": {"type": "path"},
    "keep": {"type": "int", "default": 3},
    "src": {"type": "path"},
    "src_sha256": {},
    "source": {},
}


def put(parameters: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Install if the program came along, switch the link if it leads elsewhere. Raises ReleaseError.

    Without the program, a version that is missing is only told (``installed: true``): the action plugin then brings
    the program and calls again.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+~-]*", parameters["version"]):
        raise installed_release.ReleaseError(
            f"version {parameters['version']!r}: expected the name of a directory such as 0.11.0 (letters, digits, . _ + ~ -)"
        )
    wanted = installed_release.Release(parameters["root"], parameters["version"], parameters["source"])
    previous = installed_release.linked_version(wanted)
    missing = not installed_release.is_installed(wanted)
    linked = installed_release.is_linked(wanted)
    if not check_mode and parameters["src"] is not None and missing:
        installed_release.install(wanted, parameters["src"], parameters["src_sha256"])
    if not check_mode and not linked and (not missing or parameters["src"] is not None):
        installed_release.link(wanted)
    removed = []
    if not check_mode and parameters["src"] is not None and missing:
        removed = installed_release.superfluous(wanted, parameters["keep"], {previous})
        installed_release.prune(wanted, removed)
    return {
        "removed": removed,
        "changed": missing or not linked,
        "installed": missing,
        "version": wanted.version,
        "previous": previous,
        "architecture": host_state.architecture(),
        "diff": {"before": f"{previous or 'no version'}\n", "after": f"{wanted.version}\n"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = put(module.params, module.check_mode)
    except installed_release.ReleaseError as error:
        module.fail_json(msg=str(error), error_type="release")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
