# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the import time of each plugin with a small plugin of the same kind from ansible-core."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from tests.conftest import COLLECTIONS, ROOT

from .figures import Result, Row
from .fleet import Failed

OURS = "ansible_collections.skywalking.banyandb.plugins"
# Kind -> one of ansible-core's that imports little beyond what every plugin of the kind needs, and what a plugin must have.
SMALL = {
    "action": ("ansible.plugins.action.fail", "ActionModule"),
    "filter": ("ansible.plugins.filter.mathstuff", "FilterModule"),
    "inventory": ("ansible.plugins.inventory.host_list", "InventoryModule"),
    "lookup": ("ansible.plugins.lookup.env", "LookupModule"),
    "modules": ("ansible.modules.ping", "main"),
}
# Runs in a process that has imported nothing else. A library that is missing would make the import a cheap one.
CHILD = """
import sys, time, importlib
path, name, part = sys.argv[1:]
sys.path.insert(0, path)
began = time.perf_counter()
module = importlib.import_module(name)
seconds = time.perf_counter() - began
getattr(module, part)
missing = [value for each in list(sys.modules.values()) for key, value in vars(each).items() if key.endswith("_IMPORT_ERROR") and value]
if missing:
    raise SystemExit(missing[0])
print(seconds)
"""


def cost(name: str, part: str) -> float:
    """Seconds that a new process needs to import a module, which must have ``part``. Raises Failed."""
    words = [sys.executable, "-c", CHILD, str(COLLECTIONS), name, part]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{name}: {done.stderr}")
    return float(done.stdout)


def plugins() -> list[tuple[str, str]]:
    """Return (kind, name) of all plugins. A module with an action of the same name is only documentation, and Ansible does not import it.

    Raises Failed for a kind without a plugin of ansible-core to compare with.
    """
    files = [path for path in sorted(ROOT.glob("plugins/*/*.py")) if path.parent.name not in ("doc_fragments", "module_utils")]
    actions = {path.stem for path in files if path.parent.name == "action"}
    found = [(path.parent.name, path.stem) for path in files if path.parent.name != "modules" or path.stem not in actions]
    unknown = sorted({kind for kind, _name in found} - SMALL.keys())
    if not found or unknown:
        raise Failed(f"no plugin of ansible-core is named that {unknown[0]} plugins are compared with" if unknown else "there are no plugins")
    return found


def run(rounds: int, say: Callable[[str], None]) -> Result:
    wanted = plugins()
    figures: dict[tuple[str, str], list[float]] = {each: [] for each in wanted}
    for kind, name in wanted:
        # Compiles what is not compiled yet.
        cost(f"{OURS}.{kind}.{name}", SMALL[kind][1])
        cost(*SMALL[kind])
    for number in range(1, rounds + 1):
        for (kind, name), values in figures.items():
            small, part = SMALL[kind]
            before = cost(small, part)
            seconds = cost(f"{OURS}.{kind}.{name}", part)
            values.append(seconds / ((before + cost(small, part)) / 2))
        dearest = max(figures, key=lambda each: figures[each][-1])
        say(f"round {number}: {len(figures)} plugins, most {figures[dearest][-1]:.2f} x ({' '.join(dearest)})")
    bases = ", ".join(f"{kind} `{small.rpartition('.')[2]}`" for kind, (small, _part) in SMALL.items())
    return Result(
        "import_cost",
        "Import time of each plugin",
        "Time of the import from compiled files, in a process without other imports. The base is a small plugin of the same kind from ansible-core "
        f"({bases}), before and after. Plugins that find nodes by DNS load dnspython. Plugins that ask nodes over gRPC load grpcio and protobuf.",
        [Row(f"{kind} `{name}`", values) for (kind, name), values in figures.items()],
    )
