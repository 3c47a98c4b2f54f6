# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a machine, read from test files."""

from __future__ import annotations

from ansible_collections.skywalking.banyandb.plugins.module_utils.host.files import machine_identity as identity


def test_the_identity_of_this_machine_stays_the_same():
    first = identity.machine_identity()
    assert first == identity.machine_identity()
    assert len(first["boot_id"]) == 36 and first["pid_namespace"].startswith("pid:[")


def test_what_the_machine_does_not_have_is_empty(tmp_path, monkeypatch):
    for name in ("_MACHINE_ID", "_BOOT_ID", "_PID_NAMESPACE", "_PRODUCT_UUID"):
        monkeypatch.setattr(identity, name, str(tmp_path / "absent"))
    assert set(identity.machine_identity().values()) == {""}


def test_the_first_line_counts(tmp_path, monkeypatch):
    (tmp_path / "machine-id").write_bytes(b"0f9d\n\xff\n")
    (tmp_path / "product_uuid").write_text("4C4C\n")
    monkeypatch.setattr(identity, "_MACHINE_ID", str(tmp_path / "machine-id"))
    monkeypatch.setattr(identity, "_PRODUCT_UUID", str(tmp_path / "product_uuid"))
    found = identity.machine_identity()
    assert (found["machine_id"], found["product_uuid"]) == ("0f9d", "4c4c")
