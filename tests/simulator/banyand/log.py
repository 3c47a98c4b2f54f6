# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log lines in the format of the real server: one JSON object a line, on standard error."""

from __future__ import annotations

import json
import sys
import time


def log(level, module, message, **fields):
    """Write one line. fields: values for JSON."""
    entry = {"level": level, "module": module, **fields}
    entry["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    entry["message"] = message
    sys.stderr.write(json.dumps(entry, ensure_ascii=False) + "\n")
    sys.stderr.flush()
