"""Temporal dies in the middle of a round, and once comes back without anything that it knew.

The one goes on as after any other kill; of the other each promotion shows it, and a person brings all back at once.
"""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.local.environment.assembly import PIECES, LocalEnvironment
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.cluster import Cluster, Document
from tests.e2e.conftest import SANDBOX_ARGUMENTS, TIMINGS
from tests.e2e.outages import ONCE, end_of, end_tests, until_testing
from tests.e2e.shop import Shop

NOTICED_SECONDS = 30.0
"""Far below the ten minutes of a resync: the watchers look for Temporal's memory every ten seconds."""


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    """An environment of its own, whose Temporal keeps a file: what it forgets, other tests still need."""
    with LocalEnvironment(
        tmp_path_factory.mktemp("forgetful"),
        process_environment={"PILOTAGE_TIMINGS": json.dumps(TIMINGS)},
        sandbox_arguments=SANDBOX_ARGUMENTS,
    ) as environment:
        environment.start(*PIECES, workers=1, watchers=2)
        yield environment


@pytest.fixture
def other_cluster(forgetful: LocalEnvironment) -> Iterator[Cluster]:
    """A client of its API server."""
    with closing(Cluster(forgetful.kubernetes)) as connected:
        yield connected


def test_temporal_is_killed_and_restarted_on_its_file(forgetful: LocalEnvironment, other_cluster: Cluster) -> None:
    with closing(until_testing(Shop("kill-temporal", forgetful, other_cluster))) as opened:
        forgetful.kill("temporal-1")
        end_tests(opened)
        forgetful.restart("temporal-1")
        assert end_of(opened) == ONCE


def test_a_promotion_that_temporal_forgot_is_shown_as_lost_and_restarted_to_its_end(
    forgetful: LocalEnvironment, other_cluster: Cluster
) -> None:
    opened = Shop("forgotten", forgetful, other_cluster).open()
    opened.apply_all().until_waiting("PromoteCommand")
    assert "No tracker has lost its workflow" in opened.pilotage("restart", "--lost")

    _restore_empty(forgetful)
    lost = opened.until(_is_lost, "its workflow is missed", seconds=NOTICED_SECONDS)
    assert f"`pilotage -n {opened.namespace} restart web-412`" in _available(lost)["message"]
    assert (lost["attempt"], lost["state"]) == (1, "ReadyToPromote")

    assert "web-412: restart (dev) accepted: attempt 2 begins" in opened.pilotage("restart", "--lost")
    opened.until(lambda seen: seen.get("attempt") == 2, "the second attempt")
    opened.until_waiting("PromoteCommand")
    opened.pilotage("promote", "web-412")
    status = opened.until_state("Completed")
    # Staging has the change since the first attempt.
    assert [(one["target"], one["result"]) for one in status["promotions"]] == [
        ("staging", "AlreadyContained"),
        ("prod", "Promoted"),
    ]
    assert opened.patches() == [("staging", MERGE_SHA), ("prod", MERGE_SHA)]
    assert "No tracker has lost its workflow" in opened.pilotage("restart", "--lost")
    # The name of the installation is held again: another cluster would be refused.
    assert "RUNNING" in opened.temporal("workflow", "describe", "-w", "installation/local", "-o", "json")


def _restore_empty(environment: LocalEnvironment) -> None:
    environment.kill("temporal-1")
    files = list(environment.directory.glob("temporal.sqlite*"))
    assert files
    for file in files:
        file.unlink()
    environment.restart("temporal-1")


def _available(status: Document) -> Document:
    found = [one for one in status.get("conditions", ()) if one["type"] == "WorkflowAvailable"]
    return found[0] if found else {}


def _is_lost(status: Document) -> bool:
    condition = _available(status)
    return (condition.get("status"), condition.get("reason")) == ("False", "Lost")
