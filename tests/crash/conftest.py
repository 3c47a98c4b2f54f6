# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared parts of the crash tests: pushes to a separate directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .pusher import Pusher


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "etc"
    directory.mkdir()
    return directory


@pytest.fixture
def pusher(directory: Path) -> Iterator[Pusher]:
    with Pusher(directory) as pushing:
        yield pushing
