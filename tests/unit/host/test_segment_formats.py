# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of the segments on a host."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.host_errors import HostStateError
from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files.segment_formats import segment_formats


@pytest.fixture
def segment(tmp_path):
    def make(text, group="load", start="20261130", store="measure"):
        place = tmp_path / store / "data" / group / f"seg-{start}"
        place.mkdir(parents=True)
        (place / "metadata").write_bytes(text)
        return str(tmp_path)

    return make


def test_both_kinds_of_metadata(segment, tmp_path):
    """As the real servers wrote them."""
    root = segment(b"1.4.0")
    segment(b'{"version":"1.5.0","endTime":"2026-12-01T00:00:00Z"}', start="20261201")
    assert segment_formats(root, {}) == {"1.4.0", "1.5.0"}
    segment(b"1.3.0\n", store="elsewhere/stream")
    assert segment_formats(root, {"stream": str(tmp_path / "elsewhere")}) == {"1.3.0", "1.4.0", "1.5.0"}


def test_a_node_without_segments(tmp_path):
    (tmp_path / "measure" / "data" / "load").mkdir(parents=True)
    (tmp_path / "measure" / "data" / "lock").write_text("")
    assert segment_formats(str(tmp_path), {"trace": str(tmp_path / "absent")}) == set()


@pytest.mark.parametrize("text", [b"", b"  \n", b"{", b"{}", b'{"version":7}', b'{"version":""}', b"\xff"])
def test_metadata_without_a_format(segment, text):
    with pytest.raises(HostStateError, match=r"seg-20261130/metadata: has no format\.") as error:
        segment_formats(segment(text), {})
    assert error.value.kind == "broken"


def test_metadata_that_cannot_be_read(segment, tmp_path):
    path = segment(b"1.4.0")
    metadata = tmp_path / "measure" / "data" / "load" / "seg-20261130" / "metadata"
    metadata.unlink()
    metadata.mkdir()
    with pytest.raises(HostStateError, match="metadata: Is a directory"):
        segment_formats(path, {})
