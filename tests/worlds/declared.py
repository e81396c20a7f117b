"""What the worlds are made of: a line of commits, timings that waste no time, policies, and their tests."""

from collections.abc import Sequence
from datetime import timedelta

from activities.models.configuration import PolicySnapshot, SourceMoved, TestSpec
from activities.models.revisions import Relation
from activities.models.tracking import Timings

OLD, MINE, NEWER, HOTFIX = "0" * 40, "a" * 40, "b" * 40, "f" * 40
"""Commits: OLD, MINE and NEWER follow one another, HOTFIX is on a branch of its own."""

FAST = Timings(
    poll_initial=timedelta(milliseconds=200),
    poll_maximum=timedelta(milliseconds=400),
    poll_gap=timedelta(milliseconds=50),
    merge_initial=timedelta(milliseconds=300),
    merge_maximum=timedelta(milliseconds=600),
    reference_initial=timedelta(milliseconds=200),
    reference_maximum=timedelta(milliseconds=400),
    observe_initial=timedelta(milliseconds=200),
    observe_maximum=timedelta(milliseconds=400),
    listing_lag=timedelta(milliseconds=100),
    publish_gap=timedelta(milliseconds=50),
    publish_within=timedelta(milliseconds=500),
    settling=timedelta(milliseconds=100),
    compare_initial=timedelta(milliseconds=100),
    passing=timedelta(seconds=1),
    # A busy machine may take seconds for a presentation that succeeds.
    present_deadline=timedelta(seconds=20),
)


def relation(line: Sequence[str], base: str, head: str) -> Relation:
    """Compare two commits of a line, the oldest first; those that are not on it are on a branch of their own."""
    if base == head:
        return Relation.IDENTICAL
    if base not in line or head not in line:
        return Relation.DIVERGED
    return Relation.AHEAD if line.index(head) > line.index(base) else Relation.BEHIND


def a_test(name: str, *, required: bool = True, timeout: float = 20, retries: int = 0) -> TestSpec:
    """Return a test at runner `ci`."""
    return TestSpec(
        name=name,
        runner="ci",
        job=f"web/{name}",
        parameters={},
        required=required,
        timeout=timedelta(seconds=timeout),
        retries=retries,
    )


def a_policy(
    source: str = "dev",
    target: str = "staging",
    *,
    auto: bool = True,
    timeout: timedelta = timedelta(hours=1),
    tests: Sequence[TestSpec] = (),
    on_source_moved: SourceMoved = SourceMoved.ACCEPT,
) -> PolicySnapshot:
    """Return the policy of one hop; by itself it is promoted, and asks for no test."""
    return PolicySnapshot(
        name=f"{source}-to-{target}",
        generation=1,
        source=source,
        target=target,
        auto_promote=auto,
        timeout=timeout,
        tests=tuple(tests),
        on_source_moved=on_source_moved,
    )
