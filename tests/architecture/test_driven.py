"""Nothing exists that drives nothing."""

import pytest

from tests.architecture.driven import names, problems, table

STORY = ("tests/e2e/test_main_job.py::test_the_samples_are_promoted_to_staging_by_policy_and_to_prod_by_a_person",)
COMPLETE = dict.fromkeys(names(), STORY)


def test_everything_that_people_can_write_has_a_test_whose_outcome_changes_with_it() -> None:
    assert problems(names(), table()) == []


@pytest.mark.parametrize("section", ["fields", "variables", "commands", "settings"])
def test_a_name_without_a_test_is_found(section: str) -> None:
    name = next(name for name in names() if name.startswith(section))
    [line] = problems(names(), {other: tests for other, tests in COMPLETE.items() if other != name})
    assert line.startswith(name)


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("tests/e2e/test_main_job.py::test_that_is_not_there", "does not exist"),
        ("tests/e2e/test_of_nothing.py::test_x", "does not exist"),
        ("tests/crds/test_values.py::test_a_tracker_starts_at_attempt_one", "is no story"),
    ],
)
def test_a_test_that_is_not_there_or_shows_no_story_is_found(test: str, problem: str) -> None:
    [line] = problems(names(), {**COMPLETE, "variables: revision": (test,)})
    assert (test in line, problem in line) == (True, True)


def test_a_row_for_what_exists_no_more_is_found() -> None:
    [line] = problems(names(), {**COMPLETE, "settings: PILOTAGE_GONE": STORY})
    assert "PILOTAGE_GONE" in line
