# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""journal_line: the line with the reason of a failed start. The lines come from the real server and from systemd 252."""

from __future__ import annotations

import json

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.model.view.journal_line import decisive, excerpt

STACK = "goroutine 1 [running]:\nruntime/debug.Stack()\n\t/usr/local/go/src/runtime/debug/stack.go:26 +0x5e\n" * 40
WARNING = '{"level":"warn","module":"LIAISON-HTTP","message":"HTTP TLS is disabled, skipping TLSReloader initialization"}'
MEMORY = (
    '{"level":"warn","module":"MEMORY-PROTECTOR","error":"failed to parse memory limit: open memory.max: no such file or directory",'
    '"message":"failed to get memory limit from cgroups, disable memory protector"}'
)
PANIC = [
    '{"level":"panic","module":"MEASURE.FILESYSTEM","path":"/proc/nowhere/measure/data","error":"mkdir /proc/nowhere: no such file or directory",'
    '"time":"2026-11-28T19:32:09Z","message":"failed to create directory"}',
    json.dumps(
        {"level": "error", "component": "measure.prerun", "panic": "failed to create directory", "stack": STACK, "message": "recovered panic"},
        separators=(",", ":"),
    ),
    '{"level":"fatal","module":"LIAISON","error":"pre-run module[measure]: panicked: failed to create directory","message":"unexpected exit"}',
]
USAGE = [
    'Error: invalid argument "soon" for "--measure-flush-timeout" flag: time: invalid duration "soon"',
    "Usage:",
    "   data [flags]",
    "Flags:",
    "      --tls   connection uses TLS",
    "  -h, --help   help",
    "",
    'invalid argument "soon" for "--measure-flush-timeout" flag: time: invalid duration "soon"',
]
NAMESPACE = [
    "Starting banyandb-data.service...",
    "banyandb-data.service: Failed to set up mount namespacing: /run/systemd/unit-root/nope: No such file or directory",
    "banyandb-data.service: Failed at step NAMESPACE spawning /opt/banyandb/current/bin/banyand-server: No such file or directory",
    "banyandb-data.service: Main process exited, code=exited, status=226/NAMESPACE",
    "banyandb-data.service: Failed with result 'exit-code'.",
]
CHDIR = [
    "banyandb-data.service: Changing to the requested working directory failed: Permission denied",
    "banyandb-data.service: Failed at step CHDIR spawning /opt/banyandb/current/bin/banyand-server: Permission denied",
]
EXEC = [
    "banyandb-data.service: Failed to locate executable /opt/banyandb/current/bin/banyand-server: Permission denied",
    "banyandb-data.service: Failed at step EXEC spawning /opt/banyandb/current/bin/banyand-server: Permission denied",
]
RETRY = (
    '{"level":"warn","module":"METADATA","attempt":3,"error":"no property schema nodes found among 0 meta nodes",'
    '"message":"failed to create property schema registry, retrying..."}'
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([WARNING, *PANIC], "mkdir /proc/nowhere: no such file or directory"),
        (PANIC[1:], "recovered panic"),
        (PANIC[2:], "pre-run module[measure]: panicked: failed to create directory"),
        (USAGE, "invalid argument 'soon' for '--measure-flush-timeout' flag: time: invalid duration 'soon'"),
        (["panic: runtime error: index out of range [3]", "", "goroutine 1 [running]:", "main.main()"], "runtime error: index out of range [3]"),
        (["fatal error: concurrent map writes"], "concurrent map writes"),
        (['{"level":"error","error":"EOF","message":"cannot read the file"}'], "cannot read the file: EOF"),
        (['{"level":"error","msg":"in the words of zap"}'], "in the words of zap"),
        (['terminated signal received{"level":"fatal","message":"late"}'], "late"),
        (NAMESPACE, "Failed to set up mount namespacing: /run/systemd/unit-root/nope: No such file or directory"),
        (CHDIR, "Changing to the requested working directory failed: Permission denied"),
        (EXEC, "Failed to locate executable /opt/banyandb/current/bin/banyand-server: Permission denied"),
        ([*NAMESPACE, *PANIC[:1]], "mkdir /proc/nowhere: no such file or directory"),
        ([MEMORY, RETRY, WARNING], "no property schema nodes found among 0 meta nodes"),
        ([WARNING, MEMORY], ""),
        (['{"level":"error","message":"cut off', "{}", '{"level":', '["level"]', '{"level":"error"}'], ""),
        (["banyandb-data.service: Failed with result 'exit-code'."], ""),
        ([], ""),
    ],
)
def test_the_first_fatal_panic_or_error_decides_then_systemd_then_what_is_tried_again(lines, expected):
    assert decisive(lines) == expected


def test_a_decisive_message_is_one_short_line_without_a_stack():
    text = decisive([json.dumps({"level": "panic", "error": f"it broke\x1b[0m\tthere\n{STACK}", "message": "m"})])
    assert text == "it broke [0m there"
    assert len(decisive([json.dumps({"level": "fatal", "message": "x" * 9000})])) == 150


def test_an_excerpt_has_no_usage_text_no_banner_no_stack_and_no_debug_message():
    noise = ['{"level":"debug","message":"register flags"}', "██████╗  █████╗", "╚═════╝ ╚═╝", "goroutine 1 [running]:", "\t/usr/a.go:26 +0x5e", ""]
    assert excerpt([*noise, *USAGE[:6], "Main process exited"], 20) == [USAGE[0], "Main process exited"]
    assert excerpt([USAGE[0], "Main process exited"], 1) == ["Main process exited"]
    assert excerpt(["a"], 0) == []


def test_an_excerpt_is_bounded_in_lines_and_in_their_length():
    (line,) = excerpt([PANIC[1]], 20)
    assert "goroutine" not in line and json.loads(line)["panic"] == "failed to create directory"
    lines = excerpt(["x" * 9000] * 99, 20)
    assert len(lines) == 20 and {len(line) for line in lines} == {500}
