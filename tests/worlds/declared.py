"""What the worlds are made of: a line of commits, timings that waste no time, and tests as a policy declares them."""

from collections.abc import Sequence
from datetime import timedelta

from activities.models.configuration import TestSpec
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
