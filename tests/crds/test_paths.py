import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.paths import matches, overlap, path_error, touched_components
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
    assert matches(glob, path) is expected


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
    if matches(left, path) and matches(right, path):
        assert overlap(left, right)
    assert overlap(left, left)


def test_a_pull_request_touches_the_components_of_its_files() -> None:
    components = repository(
        {"name": "web", "paths": ["web/**"]}, {"name": "api", "paths": ["api/**", "go.mod"]}
    ).spec.components
    assert touched_components(components, ["go.mod", "docs/x.md"]) == ("api",)
    assert touched_components(components, iter(["web/a", "api/b"])) == ("web", "api")
    assert touched_components(components, ["README.md"]) == ()
