# Copyright (c) The skywalking.banyandb contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""refusal: one error has all problems, each once."""

from __future__ import annotations

import pytest

from ansible_collections.skywalking.banyandb.plugins.module_utils.controller.refusal import problems_of, refused


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        (["port is 0.\n Correct the port."], {"msg": "port is 0. Correct the port."}),
        (["a.", "b\n c."], {"msg": "a. (1 other problem in more_problems)", "more_problems": ["b c."]}),
        (["a.", "b.", "c."], {"msg": "a. (2 other problems in more_problems)", "more_problems": ["b.", "c."]}),
    ],
)
def test_the_first_problem_is_the_message_and_the_others_stand_beside_it(problems, expected):
    assert refused(problems) == {"failed": True, **expected}
    assert problems_of(refused(problems)) == [" ".join(problem.split()) for problem in problems]


def test_each_problem_has_at_most_200_characters_and_keeps_what_to_do():
    found = refused([f"{'x' * 900}. Correct x.", f"{'y' * 900}. Correct y."])
    assert len(found["msg"]) == 199 and found["msg"].endswith("... Correct x. (1 other problem in more_problems)")
    (other,) = found["more_problems"]
    assert len(other) == 199 and other.endswith("... Correct y.")
