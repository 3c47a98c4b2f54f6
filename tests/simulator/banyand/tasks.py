# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Background tasks without a waiting caller."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback

from .log import log


def background(work):
    """Run a coroutine as a task. An unhandled exception is a bug of the simulator and ends the process with a trace."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_end_on_bug)
    return task


def _end_on_bug(task):
    if task.cancelled() or task.exception() is None:
        return
    error = task.exception()
    log("panic", "SIMULATOR", "bug in the simulator", error="".join(traceback.format_exception(type(error), error, error.__traceback__)))
    sys.stderr.flush()
    os._exit(70)
