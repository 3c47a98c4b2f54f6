# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.lab.user_certificates FOLDER ADDRESS`: the CA of a user, and three certificates that do not fit a host with this address."""

from __future__ import annotations

import pathlib
import sys

from tests.unit.certificates import Made

NODE = "node1"


def main() -> None:
    folder, address = pathlib.Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(exist_ok=True)
    hosts = [NODE, address, "localhost", "127.0.0.1", "::1"]
    authority = Made("CA of a user")
    (folder / "ca.pem").write_text(authority.pem)
    for name, made in {
        "expired": Made(NODE, authority, hosts, start=-9, end=-1),
        "wrong_name": Made(NODE, authority, ["elsewhere.example.org"]),
        "wrong_ca": Made(NODE, Made("another CA"), hosts),
    }.items():
        (folder / f"{name}.pem").write_text(made.pem)
        (folder / f"{name}.key").write_text(made.key_pem)


if __name__ == "__main__":
    main()
