# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action plugin ``release``. Asks the host which version it has, and copies a missing program to the host."""

from __future__ import annotations

import http.client
import os
from typing import IO, Any

from ansible.module_utils import urls
from ansible.module_utils.urls import open_url
from ansible.plugins.action import ActionBase

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.release import artifact
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import installed_release
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import message

#: Seconds without a byte after which a download fails.
_SILENCE = 60


class ActionModule(ActionBase):
    """Run the module once on the host if the version is installed; if not, transfer the program and run the module twice."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        # The host does not need these. A URL may hold a password, which the arguments of the task and the host's answer would show.
        name, cache = arguments.pop("variables", None), arguments.pop("cache_dir", None)
        given = self._templar.template((task_vars or {})[name]) if name else {}
        source, checksum = given.get("banyandb_artifact"), given.get("banyandb_artifact_checksum") or f"{given.get('banyandb_artifact')}.sha512"
        cache = os.path.expanduser(cache) if cache else _default_cache()
        flavor = arguments.get("flavor", "static")
        try:
            if source:
                sha512 = artifact.expected_sha512(source, checksum, cache, _open)
                arguments["source"] = installed_release.source(sha512, flavor)
            found = self._on_host(arguments, task_vars)
            if found.get("failed") or not found.get("installed"):
                return {**result, **found}
            if not source:
                raise artifact.ArtifactError(
                    f"version {arguments['version']} is not on this host, and banyandb_artifact is not set. Set banyandb_artifact."
                )
            program = artifact.program(source, checksum, found["architecture"], flavor, cache, _open)
        except artifact.ArtifactError as error:
            return {**result, "failed": True, "msg": message(error), "error_type": "artifact"}
        if self._task.check_mode:
            return {**result, **found}
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        path = self._connection._shell.join_path(self._connection._shell.tmpdir, "program")
        self._transfer_file(program.path, path)
        self._fixup_perms2((self._connection._shell.tmpdir, path))
        return {**result, **self._on_host({**arguments, "src": path, "src_sha256": program.sha256}, task_vars)}

    def _on_host(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(module_name="skywalking.banyandb.release", module_args=arguments, task_vars=task_vars)
        return answer


def _open(url: str) -> IO[bytes]:
    """Open a URL with the same proxies, certificates and .netrc as Ansible's get_url. Raises OSError."""
    try:
        stream: IO[bytes] = open_url(url, timeout=_SILENCE, follow_redirects="safe")
    except (urls.ConnectionError, http.client.HTTPException, ValueError) as error:
        raise OSError(str(error)) from error
    return stream


def _default_cache() -> str:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "skywalking.banyandb")
