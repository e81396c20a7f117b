"""Whether a target may be written: what people are shown, and in which order."""

from dataclasses import replace

import pytest

from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation
from tests.worlds.refusals import unread
from workflows.promotion.rules.comparison import Comparison, Judgement
from workflows.promotion.rules.gates import Fit, judge_fit
from workflows.promotion.state import Refusal

SEEN = Observation(deployment="web", component="web", application="web", runs="a" * 40)
BEHIND = Comparison(observation=SEEN, judgement=Judgement.AHEAD, why="behind")
DIVERGED = replace(BEHIND, judgement=Judgement.DIVERGED, why="another line")
UNREADABLE = replace(BEHIND, judgement=Judgement.UNREADABLE, why="401")
UNRESOLVED = DeploymentSpec(
    name="all",
    component="web",
    wave=0,
    instance="argocd",
    project="shop",
    application="",
    failure=unread("no such project"),
)
PASSING = replace(UNRESOLVED, failure=unread(passing=True))


def fit(
    *comparisons: Comparison,
    missing: tuple[str, ...] = (),
    unresolved: tuple[DeploymentSpec, ...] = (),
    lasts: bool = False,
    overridden: bool = False,
) -> Fit:
    return judge_fit(
        "prod",
        comparisons,
        missing=missing,
        unresolved=unresolved,
        lasts=lasts,
        overridden=lambda _diverged: overridden,
    )


def test_a_target_that_is_behind_fits_and_one_without_a_view_does_not() -> None:
    assert fit(BEHIND) == Fit(fits=True)
    assert fit() == Fit(fits=False)


@pytest.mark.parametrize(
    ("comparisons", "missing", "unresolved", "refusal", "message"),
    [
        ((DIVERGED, UNREADABLE), ("docs",), (), Refusal.UNREADABLE, "docs"),
        ((DIVERGED, UNREADABLE), (), (), Refusal.UNREADABLE, "web: 401"),
        ((DIVERGED,), (), (UNRESOLVED, PASSING), Refusal.UNREADABLE, "all: no such project"),
        ((DIVERGED,), (), (PASSING,), Refusal.NONE, ""),
        ((BEHIND, DIVERGED), (), (), Refusal.DIVERGED, "web: another line"),
    ],
    ids=["without a component", "unreadable", "unresolved", "unresolved for a moment", "diverged"],
)
def test_what_cannot_be_known_comes_before_what_diverged(
    comparisons: tuple[Comparison, ...],
    missing: tuple[str, ...],
    unresolved: tuple[DeploymentSpec, ...],
    refusal: Refusal,
    message: str,
) -> None:
    found = fit(*comparisons, missing=missing, unresolved=unresolved)
    assert (found.fits, found.refusal) == (False, refusal)
    assert message in found.message if missing else found.message == message


def test_what_usually_passes_is_shown_once_it_has_lasted() -> None:
    found = fit(BEHIND, unresolved=(PASSING,), lasts=True)
    assert found == Fit(fits=False, refusal=Refusal.UNREADABLE, message="all: no answer")


def test_a_person_who_promotes_accepts_exactly_what_diverged() -> None:
    assert fit(BEHIND, DIVERGED).refused == (SEEN,)
    assert fit(BEHIND, DIVERGED, overridden=True) == Fit(fits=True)


def test_nothing_is_asked_of_a_person_while_the_target_is_not_known() -> None:
    for found in (fit(DIVERGED, UNREADABLE), fit(DIVERGED, missing=("docs",)), fit(DIVERGED, unresolved=(PASSING,))):
        assert found.refused == ()
