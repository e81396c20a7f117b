"""The run over changed conditions: what it changes, what it notices, and that its list is true to the code."""

import pytest

from tests.mutants.mutate import mutants
from tests.mutants.run import BROKEN, NOTICED, RULES, SURVIVED, UNCHANGED, Rules, judge, survivors

SOURCE = """
class Lane:
    def free(self, holder, waiting, limit):
        return not holder and waiting < limit
"""


def test_each_condition_is_changed_in_each_way() -> None:
    found = {mutant.name: mutant.source for mutant in mutants(SOURCE)}
    assert list(found) == [
        "Lane.free: not holder and waiting < limit -> not holder or waiting < limit",
        "Lane.free: not holder -> holder",
        "Lane.free: waiting < limit -> waiting >= limit",
        "Lane.free: waiting < limit -> waiting <= limit",
    ]
    assert all(source.count("return") == 1 for source in found.values())
    assert len(set(found.values())) == 4


def test_a_condition_that_is_there_twice_makes_two_mutants() -> None:
    first, second = mutants("def f(a):\n    return [a is None, a is None]")
    assert second.name == f"{first.name} #2"
    assert first.source != second.source


def test_a_condition_outside_of_functions_is_left_alone() -> None:
    assert list(mutants("LARGE = 1 > 2\nclass A:\n    b = not LARGE")) == []


RULE = Rules(path="workflows/promotion/rules/aggregate.py", tests=())


@pytest.mark.parametrize(
    ("outcomes", "reasons", "parts"),
    [
        ({UNCHANGED: NOTICED}, {}, ["without any change"]),
        ({}, {}, ["without any change"]),
        ({UNCHANGED: SURVIVED, "a": NOTICED}, {}, []),
        ({UNCHANGED: SURVIVED, "a": SURVIVED}, {}, ["no test notices"]),
        ({UNCHANGED: SURVIVED, "a": SURVIVED}, {"a": "the same"}, []),
        ({UNCHANGED: SURVIVED, "a": NOTICED}, {"a": "the same"}, ["noticed by now"]),
        ({UNCHANGED: SURVIVED, "a": BROKEN}, {}, ["cannot be played"]),
    ],
)
def test_a_survivor_needs_a_reason_and_a_reason_a_survivor(
    outcomes: dict[str, int], reasons: dict[str, str], parts: list[str]
) -> None:
    lines = judge(RULE, outcomes, reasons)
    assert len(lines) == len(parts)
    assert all(part in line for part, line in zip(parts, lines, strict=True))


def test_every_listed_survivor_is_a_mutant_of_today_and_has_a_reason() -> None:
    names = {rules.path: {mutant.name for mutant in rules.mutants()} for rules in RULES}
    listed = survivors()
    assert [path for path in listed if path not in names] == []
    assert [name for path, reasons in listed.items() for name in reasons if name not in names[path]] == []
    assert [name for reasons in listed.values() for name, reason in reasons.items() if len(reason) < 10] == []
