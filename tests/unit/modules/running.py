# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module as Ansible does: in a process of its own, arguments in as JSON, result out as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from ansible_collections.skywalking import banyandb

COLLECTIONS = next(iter(banyandb.__path__)).removesuffix("/ansible_collections/skywalking/banyandb")


async def run_module(name, /, without=(), check=False, **arguments):
    """The result of module ``name``, and what it wrote to stderr.

    ``without``: Python packages that are made to be missing.
    """
    code = (
        "import runpy, sys;"
        f"sys.modules.update(dict.fromkeys({list(without)!r}));"
        f"runpy.run_module('ansible_collections.skywalking.banyandb.plugins.modules.{name}', run_name='__main__')"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": COLLECTIONS},
    )
    arguments["_ansible_check_mode"] = check
    out, err = await process.communicate(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    return json.loads(out), err.decode()
