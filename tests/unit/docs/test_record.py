# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder of outputs: it marks each removed part and changes nothing else."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.tests.docs import record

OUTPUT = """
PLAY [One] *****

TASK [Include] *****
included: /somewhere/tasks.yml for a, b

PLAY [Two] *****
skipping: no hosts matched

PLAY [Three] *****

TASK [Include again] *****
included: /somewhere/tasks.yml for a, b

TASK [Change] *****
changed: [a]
changed: [b]
cluster default, 2 nodes: converged
  a  ok

PLAY RECAP *****
a : ok=1 failed=0
"""


def test_what_shows_nothing_is_left_out_and_leaves_one_mark():
    assert record.shortened(OUTPUT, "") == [
        "[...]",
        "",
        "PLAY [Three] *****",
        "",
        "[...]",
        "",
        "TASK [Change] *****",
        "changed: [a]",
        "changed: [b]",
        "cluster default, 2 nodes: converged",
        "  a  ok",
        "",
        "[...]",
    ]


def test_all_before_a_line_may_be_left_out():
    assert record.shortened(OUTPUT, "^cluster") == ["[...]", "cluster default, 2 nodes: converged", "  a  ok", "", "[...]"]


def test_what_a_later_command_prints_stands_behind_the_mark_of_the_recap():
    assert record.shortened(f"{OUTPUT}exit code 0\n", "^cluster")[-4:] == ["", "[...]", "", "exit code 0"]


def test_the_recap_of_a_failure_is_kept_and_an_excerpt_of_the_playbook_is_not():
    failure = "TASK [Change] *****\n[ERROR]: bad\nOrigin: /a.yml:1:1\n\n1 - name: Change\n  ^ column 3\n\nfatal: [a]: FAILED! => {}"
    output = OUTPUT.replace("TASK [Change] *****", failure).replace("failed=0", "failed=1")
    expected = ["TASK [Change] *****", "[ERROR]: bad", "fatal: [a]: FAILED! => {}", "changed: [a]", "changed: [b]"]
    recap = ["", "PLAY RECAP *****", "a : ok=1 failed=1"]
    assert record.shortened(output, r"^TASK \[Change") == ["[...]", "", *expected, "cluster default, 2 nodes: converged", "  a  ok", *recap]


def test_the_end_of_a_long_line_is_left_out():
    assert record.shortened(OUTPUT.replace("  a  ok", "x" * 1000), "^x") == ["[...]", f"{'x' * 480} [...]", "", "[...]"]


def test_a_line_that_is_to_come_first_and_is_not_there_ends_the_recording():
    with pytest.raises(SystemExit, match="no line matches 'nowhere'"):
        record.shortened(OUTPUT, "nowhere")


def test_the_output_of_other_programs_stays_unchanged():
    assert record.shortened("a\n\nincluded: b\n", "") == ["a", "", "included: b"]


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "WORK", tmp_path / "work")
    record.WORK.mkdir()
    return lambda text: "".join(record.recorded(text))


def test_a_page_is_worked_through_from_top_to_bottom(page):
    text = """# A page
<!-- file: there/it.yml -->
```yaml
a: 1
```
<!-- run: echo more >> there/it.yml -->
Then:

```console
$ cat there/it.yml
what it printed before
$ echo one \\
> two
```

```sh
rm -rf there  # shown, not run
```
<!-- remove: there/it.yml -->
<!-- fails -->
```console
$ ls there/it.yml 2> /dev/null
```
"""
    expected = text.replace("what it printed before\n", "a: 1\nmore\n").replace("> two\n", "> two\none two\n")
    assert page(text) == page(expected) == expected


@pytest.mark.parametrize("text", ["```console\n$ false\n```\n", "<!-- fails -->\n```console\n$ true\n```\n"])
def test_a_command_without_the_exit_code_of_the_page_ends_the_recording(page, text):
    with pytest.raises(SystemExit, match="exit code"):
        page(text)


def test_a_block_without_a_command_is_refused(page):
    with pytest.raises(SystemExit, match=r"without a line that begins with \$"):
        page("```console\nls\n```\n")
