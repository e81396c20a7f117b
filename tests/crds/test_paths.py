import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.paths import Globs, Overlaps, TooCostly, overlap, path_error
from crds.rules.environments import validate_repository
from tests.crds.resources import repository


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("web/**", "web/a.py", True),
        ("web/**", "web/deep/er/a.py", True),
        ("web/**", "webapp/a.py", False),
        ("web", "web/a.py", True),
        ("web/", "web/a.py", True),
        ("web", "web", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/x/README.md", True),
        ("**/*.md", "README.md", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/?.py", "a/b.py", True),
        ("a/?.py", "a/bc.py", False),
        ("a.b", "axb", False),
        ("**", "anything/at/all", True),
        ("web/**", "web", False),
    ],
)
def test_a_glob_matches_files_by_folder(glob: str, path: str, expected: bool) -> None:
    assert Globs([glob]).match(path) is expected


@pytest.mark.parametrize("glob", ["/web/**", "web//a", "./web", "../web", "web/./a", "web\\a", "web/a**", ""])
def test_a_glob_that_can_match_nothing_is_an_error(glob: str) -> None:
    assert path_error(glob)


@pytest.mark.parametrize("glob", ["web/**", "web", "web/", "**", "**/*.py", "a?/*"])
def test_other_globs_are_fine(glob: str) -> None:
    assert path_error(glob) is None


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("web/**", "api/**", False),
        ("web/**", "web/admin/**", True),
        ("web/*.py", "web/*.md", False),
        ("web/*.py", "web/a*", True),
        ("web/a", "web/b", False),
        ("**/*.py", "web", True),
        ("a?c", "abd", False),
        ("a?c", "abc", True),
        ("web", "webapp", False),
    ],
)
def test_two_globs_overlap_if_a_file_can_match_both(left: str, right: str, expected: bool) -> None:
    assert overlap(left, right) is expected
    assert overlap(right, left) is expected


PARTS = st.sampled_from(["a", "b", "ab", "*", "a*", "?", "**"])
GLOBS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
FILES = st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=4).map("/".join)


@given(GLOBS, GLOBS, FILES)
def test_globs_that_match_one_file_are_found_to_overlap(left: str, right: str, path: str) -> None:
    if Globs([left]).match(path) and Globs([right]).match(path):
        assert overlap(left, right)
    assert overlap(left, left)


SEVERE = ["a/" + "**/a/" * 12 + "b", "*a" * 120, "?*" * 120, "**", "a/" * 120 + "*", "[(+\\d", "é*/🙂?"]


@pytest.mark.parametrize("glob", SEVERE)
def test_no_glob_costs_more_than_its_length(glob: str) -> None:
    # A backtracking matcher needs longer than the universe for the first of them.
    assert Globs([glob, "never"]).match("a/" * 2000 + "c") is (glob in ("**", "a/" * 120 + "*"))


@pytest.mark.parametrize("glob", SEVERE[:5])
def test_comparing_severe_globs_ends_at_the_bound(glob: str) -> None:
    overlaps = Overlaps(steps=20_000)
    with pytest.raises(TooCostly):
        all(overlaps.between(glob, glob) for _ in range(20_000))


def test_globs_of_a_full_repository_are_compared_within_the_bound() -> None:
    innocent = [[f"services/s{group}/{number}/**" for number in range(50)] for group in range(50)]
    assert list(Overlaps().among(innocent)) == []
    assert list(Overlaps().among([*innocent, ["services/s7/3/deep"]])) == [(50, 0, 7, 3)]
    assert list(Overlaps().among([["services/s7/3/deep"], *innocent])) == [(8, 3, 0, 0)]
    assert list(Overlaps().among([*innocent, ["*.md"]])) == []


def test_globs_that_cannot_be_compared_within_the_bound_are_an_error_of_the_repository() -> None:
    severe = [[f"**/s{group}x{number}*/**" for number in range(10)] for group in range(2)]
    components = [{"name": f"c{index}", "paths": globs} for index, globs in enumerate(severe)]
    errors = validate_repository(repository(*components))
    assert [error.path for error in errors if "wildcard" in error.message] == []
    many = [{"name": f"c{group}", "paths": [f"**/s{group}x{n}*/**" for n in range(50)]} for group in range(50)]
    assert [error.path for error in validate_repository(repository(*many))][-1] == "spec.components"
