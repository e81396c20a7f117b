"""The way out of each wait names a command line, or that none is needed."""

import pytest

from activities.models.status import NO_ACTION, Waiting
from workflows.promotion.view.way_out import COMMAND, with_command


def command(verb: str, tracker: str = "", /) -> str:
    return f"pilotage -n shop {verb} {tracker or 'web-412'}"


def way_out(unblock: str, what: Waiting, object_: str = "") -> str:
    return with_command(unblock, what, object_=object_, environment="staging", command=command)


@pytest.mark.parametrize("unblock", ["", NO_ACTION, "pilotage -n shop retest web-412", "deploy main, or `pilotage x`"])
def test_what_is_a_command_or_needs_none_stays_as_it_is(unblock: str) -> None:
    assert way_out(unblock, Waiting.SYNC) == unblock


@pytest.mark.parametrize(
    ("unblock", "what", "object_", "shown"),
    [
        ("merge the pull request", Waiting.MERGE, "#412", "pilotage -n shop open web-412"),
        (
            "check ArgoCDInstance/argo.eu, which gives no usable answer",
            Waiting.REFERENCE,
            "Environment/dev",
            "kubectl -n shop describe argocdinstance argo.eu",
        ),
        ("fix it", Waiting.REFERENCE, "Environment/dev", "kubectl -n shop describe environment dev"),
        ("check Pilotage's workers, which are held up", Waiting.VERDICT, "TestRunner/ci", "pilotage doctor"),
        ("create a PromotionPolicy", Waiting.POLICY, "dev", "kubectl -n shop get promotionpolicies"),
        ("sync application web-staging", Waiting.DELIVERY, "staging", "pilotage -n shop envs staging"),
    ],
)
def test_what_a_person_does_elsewhere_comes_with_the_command_that_shows_it(
    unblock: str, what: Waiting, object_: str, shown: str
) -> None:
    found = way_out(unblock, what, object_)
    assert found == f"{unblock}: {shown}"
    assert COMMAND.search(found)
