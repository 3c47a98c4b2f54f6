# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask nodes for their identity (GetCurrentNode), in this process or in a new process.

A process that forks Ansible's workers must not use gRPC (see grpc_client). An inventory plugin runs in such a process, so it calls
identities_apart().
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.grpc_client import GRPC_IMPORT_ERROR, ask_all
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.messages import method, parse
from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.cluster.views import identity
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.shown import fitted
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.answers import Failure, Terms
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.node_view import Identity


class AskingError(RuntimeError):
    """The process that asks the nodes failed; the message says how."""


def identities(endpoints: Mapping[str, str], terms: Terms) -> dict[str, Identity | Failure]:
    """Return name -> identity or failure of the node. ``endpoints``: name -> ``host:port``."""
    question = method("banyandb.database.v1.NodeQueryService/GetCurrentNode", _identity)
    return {name: answer for name, (answer,) in ask_all(endpoints, [question], terms).items()}


def identities_apart(endpoints: Mapping[str, str], terms: Terms) -> dict[str, Identity | Failure]:
    """Return the same as identities(), from a new process. Raises AskingError."""
    if not endpoints:
        return {}
    if GRPC_IMPORT_ERROR:
        raise AskingError(f"grpcio is missing, so the nodes cannot be asked. Install grpcio for {sys.executable}, or set enrich: false.")
    root = next(parent for parent in Path(__file__).parents if parent.name == "ansible_collections").parent
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps({"endpoints": dict(endpoints), "terms": asdict(terms)}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise AskingError(fitted("asking the nodes who they are failed: ", last, f". Check grpcio of {sys.executable}."))
    return {name: _from_plain(answer) for name, answer in json.loads(done.stdout).items()}


def _identity(data: bytes) -> Identity:
    return identity(parse("banyandb.database.v1.GetCurrentNodeResponse", data).node)


def _to_plain(answer: Identity | Failure) -> dict[str, Any]:
    return {"failure": answer._asdict()} if isinstance(answer, Failure) else {"node": answer.to_mapping()}


def _from_plain(answer: Mapping[str, Any]) -> Identity | Failure:
    return Failure(**answer["failure"]) if "failure" in answer else Identity.from_mapping(answer["node"])


def main() -> None:
    """Run the process of identities_apart(): read the question from stdin and write the answers to stdout."""
    asked = json.load(sys.stdin)
    answers = identities(asked["endpoints"], Terms(**asked["terms"]))
    json.dump({name: _to_plain(answer) for name, answer in answers.items()}, sys.stdout)


if __name__ == "__main__":
    main()
