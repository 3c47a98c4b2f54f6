# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For the Python of a host, at its start: what it compiles of modules in zip files, it keeps on the host's disk, as it does of other modules.

Ansible sends each module in a zip file that has sources alone, and every execution compiles some sixty of them, which is 0.12 s of 0.33.
The same source gives the same code. Only root may write where they are kept; whoever else runs this reads, and compiles the rest.
"""

import os
import zipimport
from _imp import source_hash
from marshal import dumps, loads

FOLDER = "/var/cache/compiled-python"

_compile = zipimport._compile_source


def _kept(pathname, source):
    path = f"{FOLDER}/{os.path.basename(pathname)}.{source_hash(0, source).hex()}"
    try:
        with open(path, "rb") as stream:
            return loads(stream.read())
    except OSError:
        code = _compile(pathname, source)
    draft = f"{path}.{os.getpid()}"
    try:
        with open(draft, "xb") as stream:
            stream.write(dumps(code))
        os.chmod(draft, 0o644)  # whatever root's umask is
        os.rename(draft, path)
    except OSError:
        pass  # not root, or a full disk
    return code


zipimport._compile_source = _kept
