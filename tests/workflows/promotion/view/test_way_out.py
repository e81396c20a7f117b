"""The way out of each wait names a command line, or that none is needed."""

import pytest

from activities.models.budgets import TEXT_BYTES
from activities.models.status import NO_ACTION
from crds import group
from crds.v1alpha1.kinds import BY_KIND
from tests.worlds.waits import COMMAND
from workflows.promotion.view.way_out import BY_ITSELF, NOTHING, PILOTAGE, Fix, WayOut, WaysOut, in_full, joined

CI, ARGO = "TestRunner/ci", "ArgoCDInstance/argo.eu"


def command(verb: str, tracker: str = "", /) -> str:
    return f"pilotage -n shop {verb} {tracker or 'web-412'}"


WAYS = WaysOut(command=command, environment="staging")


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        ((ARGO, "Environment/dev"), "kubectl -n shop describe argocdinstance.pilotage.dev argo.eu"),
        (("Environment/dev",), "kubectl -n shop describe environment.pilotage.dev dev"),
        ((PILOTAGE, CI), "pilotage doctor"),
        (("#412", "GitRepository/web"), "kubectl -n shop describe gitrepository.pilotage.dev web"),
        (("Kustomization/apps/web", "Environment/dev"), "kubectl -n shop describe environment.pilotage.dev dev"),
        (("#412", ""), "pilotage -n shop envs staging"),
        ((), "pilotage -n shop envs staging"),
    ],
)
def test_what_a_person_does_elsewhere_comes_with_the_command_that_shows_it(about: tuple[str, ...], shown: str) -> None:
    found = WAYS.show(Fix("fix it", about))
    assert (found.text, found.command) == (f"fix it: {shown}", shown)
    assert COMMAND.search(found.text)


def test_what_ends_without_a_person_has_no_command() -> None:
    assert WAYS.show(NOTHING) == BY_ITSELF == WayOut(text=NO_ACTION)
    assert joined([NOTHING, NOTHING]) == joined([]) == NOTHING


def test_several_fixes_are_each_stated_once_and_the_first_object_is_shown() -> None:
    found = joined([Fix("fix ci", (CI,)), NOTHING, Fix("fix ci", (CI,)), Fix("check argo.eu", (ARGO,))])
    assert WAYS.show(found).text == "fix ci; check argo.eu: kubectl -n shop describe testrunner.pilotage.dev ci"


def test_a_long_fix_is_cut_and_its_command_is_not() -> None:
    found = WAYS.show(Fix("fix it " * 1000, (CI,)))
    assert len(found.text.encode()) <= TEXT_BYTES
    assert found.text.endswith(f": {found.command}")
    assert found.command == "kubectl -n shop describe testrunner.pilotage.dev ci"


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_kind_is_named_as_kubectl_takes_it_for_no_other(kind: str) -> None:
    assert in_full(kind) == group.in_full(kind)
    assert in_full("Secret") == "secret"
