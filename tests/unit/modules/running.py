# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module as Ansible does: in a separate process, with arguments and result as JSON.

The processes are forks of one process that has imported the parts of ansible-core that every module uses. This import takes most of the
processor time of a short run. That process imports nothing of the collection. It is ``python tests/unit/modules/running.py SOCKET``.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import importlib
import json
import os
import runpy
import socketserver
import subprocess
import sys
import tempfile

NEEDED = "ansible.module_utils.basic"


async def run_module(name, /, without=(), check=False, **arguments):
    """Return the result of module ``name`` and its stderr.

    ``without``: Python packages that the process cannot import.
    """
    arguments["_ansible_check_mode"] = check
    reader, writer = await asyncio.open_unix_connection(_socket(), limit=2**26)
    writer.write(json.dumps([name, list(without), dict(os.environ), os.getcwd(), json.dumps({"ANSIBLE_MODULE_ARGS": arguments})]).encode() + b"\n")
    answer = await reader.read()
    writer.close()
    out, err = json.loads(answer)
    return json.loads(out), err


@functools.cache
def _socket():
    """Return the socket of the process that forks. That process ends with this one."""
    folder = tempfile.TemporaryDirectory()
    path = os.path.join(folder.name, "socket")
    process = subprocess.Popen([sys.executable, __file__, path], env={**os.environ, "PYTHONPATH": COLLECTIONS}, stdout=subprocess.PIPE)
    atexit.register(folder.cleanup)
    atexit.register(process.wait)
    atexit.register(process.kill)
    assert process.stdout.readline() == b"ready\n"
    return path


# The process that forks


class _Run(socketserver.StreamRequestHandler):
    """One run, in its own fork."""

    def handle(self):
        name, without, environment, directory, arguments = json.loads(self.rfile.readline())
        outputs = [os.memfd_create(each) for each in ("in", "out", "err")]
        os.pwrite(outputs[0], arguments.encode(), 0)
        for number, output in enumerate(outputs):
            os.dup2(output, number)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)
        sys.argv = [name]
        sys.modules.update(dict.fromkeys(without))
        try:
            runpy.run_module(f"ansible_collections.skywalking.banyandb.plugins.modules.{name}", run_name="__main__")
        except SystemExit:
            pass
        except BaseException:
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        sys.stderr.flush()
        self.wfile.write(json.dumps([os.pread(output, os.fstat(output).st_size, 0).decode() for output in outputs[1:]]).encode())


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = 1000
    request_queue_size = 100


if __name__ == "__main__":
    # Do not import from this folder: its names are those of the code under test.
    sys.path.pop(0)
    importlib.import_module(NEEDED)
    with _Server(sys.argv[1], _Run) as server:
        print("ready", flush=True)
        server.serve_forever()
else:
    from ansible_collections.skywalking import banyandb

    COLLECTIONS = next(iter(banyandb.__path__)).removesuffix("/ansible_collections/skywalking/banyandb")
