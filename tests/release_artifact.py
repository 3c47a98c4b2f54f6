# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the path of the release tarball that the demo and the scenarios deploy.

``BANYANDB_ARTIFACT`` is the path of a release tarball. ``BANYANDB_SERVER`` is the path of a banyand-server program; this module packs
that program in the layout of a release. Without these variables the tarball is the simulator's.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from pathlib import Path

from tests.simulator import pack

OUTPUT = Path(__file__).resolve().parent.parent / ".cache" / "given"


def packed(server: Path) -> Path:
    """Pack this one program as a release tarball with its .sha512, and return the tarball's path."""
    version = f"0.0.0-{hashlib.sha256(server.read_bytes()).hexdigest()[:12]}"
    path = OUTPUT / f"skywalking-banyandb-{version}-banyand.tgz"
    checksum = path.with_name(f"{path.name}.sha512")
    if not checksum.exists():
        OUTPUT.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for binary in pack.BINARIES:
                if binary.endswith(f"-{os.uname().machine.replace('x86_64', 'amd64').replace('aarch64', 'arm64')}"):
                    archive.add(server, binary)
        checksum.write_text(f"{hashlib.sha512(path.read_bytes()).hexdigest()}  {path.name}\n", encoding="utf-8")
    return path


def main() -> None:
    if "BANYANDB_ARTIFACT" in os.environ:
        print(os.environ["BANYANDB_ARTIFACT"])
    elif "BANYANDB_SERVER" in os.environ:
        print(packed(Path(os.environ["BANYANDB_SERVER"])))
    else:
        print(pack.tarball())


if __name__ == "__main__":
    sys.exit(main())
