# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the ledger of each operation on the controller: one file an operation, one line a step and host.

A line is on the disk before the run goes on. Forks of one run, and several runs, write to one file at the same time. A killed writer may leave a part
of a line. The next writer begins a new line, and readers leave the part out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.locks import NotLockable, locked
from ansible_collections.skywalking.banyandb.plugins.module_utils.disk.whole_files import PRIVATE, sync, write
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.host_operation import Operation, Run
from ansible_collections.skywalking.banyandb.plugins.module_utils.model.rollout.ledger_lines import (
    BadLedger,
    Journal,
    Step,
    read_journal,
    require_id,
    run_line,
    step_line,
)

SUFFIX = ".jsonl"


class LedgerError(Exception):
    """The ledger cannot be read or written. The message says where, why, and what to do."""


class Ledger:
    """The ledgers in one directory. The first line makes the directory."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(os.path.expanduser(directory))

    def begin(self, operation: Operation, run: Run, at: str) -> None:
        """Write that a run begins or resumes an operation. Raises LedgerError."""
        self._append(operation.id, run_line(operation, run, at))

    def note(self, operation: str, steps: Iterable[Step]) -> None:
        """Write steps of an operation; all or, after a kill, the first of them are in the ledger. Raises LedgerError."""
        text = "".join(map(step_line, steps))
        if text:
            self._append(operation, text)

    def read(self, operation: str) -> Journal:
        """Return the ledger of an operation; empty without the file. Raises LedgerError."""
        path = self._path(operation)
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                return read_journal(stream.read())
        except FileNotFoundError:
            return Journal()
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror}. Make it readable, then run this again.") from error
        except BadLedger as error:
            raise LedgerError(f"{path}: {error}") from None

    def operations(self) -> list[str]:
        """Return the ids of the operations, the newest last. Raises LedgerError."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LedgerError(f"{self.directory}: {error.strerror}. Set banyandb_ledger_dir to a readable directory.") from error
        return sorted(name[: -len(SUFFIX)] for name in names if name.endswith(SUFFIX) and not name.startswith("."))

    def restore(self, ledgers: dict[str, list[str]]) -> list[str]:
        """Write lost ledgers, and return their operations. An existing ledger stays unchanged. Raises LedgerError."""
        lost = sorted({*ledgers} - {*self.operations()})
        try:
            for operation in lost:
                path = self._path(operation)
                os.makedirs(self.directory, mode=0o700, exist_ok=True)
                with locked(self.directory):
                    if not os.path.lexists(path):
                        write(path, "".join(ledgers[operation]).encode(), PRIVATE)
        except OSError as error:
            raise self._not_written(error) from error
        return lost

    def _append(self, operation: str, text: str) -> None:
        path = self._path(operation)
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            new = not os.path.lexists(path)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            try:
                with locked(self.directory):
                    end = os.fstat(handle).st_size
                    torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
                    left = memoryview(("\n" * torn + text).encode())
                    while left:
                        left = left[os.write(handle, left) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            if new:
                sync(self.directory)
        except OSError as error:
            raise self._not_written(error) from error

    def _path(self, operation: str) -> str:
        try:
            return os.path.join(self.directory, require_id(operation) + SUFFIX)
        except BadLedger as error:
            raise LedgerError(str(error)) from None

    def _not_written(self, error: OSError) -> LedgerError:
        if isinstance(error, NotLockable):
            return LedgerError(f"{self.directory}: its file system has no locks. Set banyandb_ledger_dir to a local directory.")
        return LedgerError(f"{self.directory}: {error.strerror}. Set banyandb_ledger_dir to a writable directory with free space.")
