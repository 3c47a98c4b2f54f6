#!/usr/bin/python
# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: "Internal: install a release of the server on a host and switch to the release"
version_added: 0.9.0
description:
  - Internal to the roles and playbooks of this collection.
  - Verifies a release tarball on the controller by its SHA-512, and extracts the program for the host. Verifies the program again on the host.
  - Installs the program next to the installed versions, and switches the link C(current) to the new version in one step. The host needs no internet.
  - Keeps the newest versions (see O(keep)), so a rollback only changes the link.
  - Never changes an installed version. After a crash the new version is complete or absent.
options:
  version:
    description: Name of the version, and of the version's directory.
    type: str
    required: true
  variables:
    description:
      - Name of a variable with two items. C(banyandb_artifact) is the URL of a release tarball C(skywalking-banyandb-<version>-banyand.tgz), or
        its absolute path on the controller. C(banyandb_artifact_checksum) is V(sha512:<hex>), or the URL or absolute path of a C(.sha512) file.
        The default of the checksum is C(banyandb_artifact) with C(.sha512).
      - A name, because Ansible shows the arguments of a task to callbacks, and a URL may have a password.
      - Not needed for a version that the host already has. The action plugin never sends the items to the host.
    type: str
  flavor:
    description: Build of the program. V(static) has the web interface, V(slim) has none.
    type: str
    choices: [static, slim]
    default: static
  root:
    description: Directory on the host, with C(versions) and C(current).
    type: path
    default: /opt/banyandb
  cache_dir:
    description:
      - Directory on the controller for downloaded tarballs and extracted programs. The default is C(skywalking.banyandb) in
        E(XDG_CACHE_HOME) or C(~/.cache).
    type: path
  keep:
    description:
      - Number of versions that the module keeps when it installs a new version. The module removes older versions.
      - The module never removes the current version, the version before the current version, or a version that a process runs.
    type: int
    default: 3
  src:
    description: Internal, set by the action plugin. Path of the program on the host.
    type: path
  src_sha256:
    description: Internal, set by the action plugin. SHA-256 of the program.
    type: str
  source:
    description: Internal, set by the action plugin. Source of the program.
    type: str
attributes:
  check_mode:
    description: Predicts the changes.
    support: full
    details: In check mode, too, the module downloads and verifies the artifact on the controller.
  diff_mode:
    description: Shows the version before and after.
    support: full
  platform:
    description: Operating systems on which the module runs.
    support: full
    platforms: linux
author:
  - The skywalking.banyandb contributors (@skywalking-banyandb)
"""

EXAMPLES = r"""
- name: Install version 0.11.0 from a file on the controller
  skywalking.banyandb.release:
    version: 0.11.0
    variables: wanted
  vars:
    wanted:
      banyandb_artifact: /srv/mirror/skywalking-banyandb-0.11.0-banyand.tgz
      banyandb_artifact_checksum: /srv/mirror/skywalking-banyandb-0.11.0-banyand.tgz.sha512

- name: Roll back to a version that is still installed
  skywalking.banyandb.release:
    version: 0.10.3
"""

RETURN = r"""
version:
  description: The version to which C(current) leads now.
  returned: success
  type: str
  sample: 0.11.0
previous:
  description: The version to which C(current) led before. Empty without the link.
  returned: success
  type: str
  sample: 0.10.3
installed:
  description: Whether the module installed the version.
  returned: success
  type: bool
  sample: true
removed:
  description: Old versions that the module removed.
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
  description: V(artifact) for a problem on the controller, V(release) for a problem on the host.
  returned: failure
  type: str
  sample: artifact
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.skywalking.banyandb.plugins.module_utils import compile_once  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import host_state, installed_release
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message, shown

ARGUMENTS: dict[str, Any] = {
    "version": {"required": True},
    # Only for the action plugin.
    "variables": {},
    "flavor": {"choices": ["static", "slim"], "default": "static"},
    "root": {"type": "path", "default": "/opt/banyandb"},
    "cache_dir": {"type": "path"},
    "keep": {"type": "int", "default": 3},
    "src": {"type": "path"},
    "src_sha256": {},
    "source": {},
}


def put(parameters: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Install the program if ``src`` is set, and switch the link if needed. Raises ReleaseError.

    Without ``src``, a missing version is only reported (``installed: true``). The action plugin then copies the program to the host and calls again.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+~-]*", parameters["version"]):
        raise installed_release.ReleaseError(
            f"version {shown(parameters['version'])}: expected the name of a directory such as 0.11.0 (letters, digits, . _ + ~ -). Correct it."
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
        module.fail_json(msg=message(error), error_type="release")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
