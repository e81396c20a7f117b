"""Compiled patterns are kept within each namespace's share."""

from activities.flux.patterns import Patterns


def test_a_namespace_with_many_patterns_drives_out_its_own_alone() -> None:
    patterns = Patterns(kept=16)
    kept = patterns.compiled("quiet", "passed$")
    for number in range(100):
        patterns.compiled("greedy", f"step {number}")
    assert patterns.held_by("greedy") < 16
    assert patterns.held_by("quiet") == 1
    assert patterns.compiled("quiet", "passed$") is kept


def test_a_text_that_is_no_pattern_is_found_to_be_none_once() -> None:
    patterns = Patterns(kept=16)
    assert patterns.compiled("shop", "(") is None
    assert patterns.compiled("shop", "(") is None
    assert patterns.held_by("shop") == 1
