"""Commit graphs compare as git does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.sandbox.commits import CommitGraph


def sha(number: int) -> str:
    return f"{number:040x}"


@st.composite
def graphs(draw: st.DrawFn) -> CommitGraph:
    graph = CommitGraph()
    for number in range(1, draw(st.integers(2, 12))):
        known = list(graph.commits)
        parents = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
        graph.add(sha=sha(number), parents=parents)
    return graph


@given(graphs(), st.data())
def test_comparing_the_other_way_round_swaps_ahead_and_behind(graph: CommitGraph, data: st.DataObject) -> None:
    base, head = (data.draw(st.sampled_from(list(graph.commits))) for _ in range(2))
    there, back = graph.compare(base, head), graph.compare(head, base)
    if there is None or back is None:
        assert there is back
        assert not graph.contained_in(base) & graph.contained_in(head)
    else:
        assert (there.ahead_by, there.behind_by) == (back.behind_by, back.ahead_by)
        assert len(there.commits) == there.ahead_by


@given(graphs(), st.data())
def test_a_head_is_ahead_or_identical_exactly_where_it_contains_the_base(
    graph: CommitGraph, data: st.DataObject
) -> None:
    base, head = (data.draw(st.sampled_from(list(graph.commits))) for _ in range(2))
    comparison = graph.compare(base, head)
    contains = base in graph.contained_in(head)
    assert contains == (comparison is not None and comparison.status in ("ahead", "identical"))


def test_a_file_deleted_in_a_commit_is_removed_between_its_trees() -> None:
    graph = CommitGraph()
    first = graph.add(files={"a": "1", "b": "1"})
    second = graph.add(parents=[first.sha], files={"a": None, "b": "2", "c": "1"})
    assert graph.changed_between(first.sha, second.sha) == {"a": "removed", "b": "modified", "c": "added"}


def test_names_resolve_to_branches_full_and_unique_short_shas() -> None:
    graph = CommitGraph()
    graph.load({"commits": [{"sha": sha(1)}, {"sha": "abcdef1" + 33 * "0"}], "branches": {"main": sha(1)}})
    assert graph.resolve("main") == graph.resolve("refs/heads/main") == graph.resolve("HEAD") == sha(1)
    assert graph.resolve("abcdef1") == "abcdef1" + 33 * "0"
    assert graph.resolve("0" * 7) == sha(1)
    assert graph.resolve("nowhere") is None


@pytest.mark.parametrize("wanted", [{"sha": "short"}, {"parents": [sha(9)]}])
def test_a_commit_that_cannot_be_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"short|unknown parent"):
        CommitGraph().load({"commits": [wanted]})
