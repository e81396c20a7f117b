"""Ids of workflows: short enough to read, one for each object that ever was, and read back in one place."""

from uuid import uuid4

import pytest

from activities.models.status import HopStatus, TrackerStatus
from crds.reasons.vocabulary import State
from workflows import identity
from workflows.identity import change_line, environment_workflow_id, place_of, promotion_workflow_id, tracker_of
from workflows.promotion.steps.publishing import begin_line


def test_the_id_of_a_promotion_begins_with_what_people_look_for() -> None:
    uid = str(uuid4())
    found = promotion_workflow_id("main", "shop", "web-412", uid, 2)
    assert found == f"promotion/main/shop/web-412/2/{uid[-8:]}"
    assert uid not in found


def test_attempts_and_trackers_made_again_under_a_name_have_ids_of_their_own() -> None:
    uids = [str(uuid4()) for _ in range(50)]
    ids = {promotion_workflow_id("main", "shop", "web-412", uid, attempt) for uid in uids for attempt in (1, 2)}
    assert len(ids) == 100


UID = "6f1d8a3e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    "workflow_id",
    [
        identity.environment_workflow_id("main", "shop", "prod", "web"),
        identity.credential_check_workflow_id("main", "ScmProvider", "shop", "github", UID),
        identity.drift_workflow_id("main", "shop", "argocd", UID),
        "promotion/main/shop",
        "",
    ],
)
def test_only_a_promotion_names_a_tracker(workflow_id: str) -> None:
    assert tracker_of(workflow_id) is None
    found = tracker_of(promotion_workflow_id("main", "shop", "web-412", str(uuid4()), 1))
    assert found == identity.NamedTracker(installation="main", namespace="shop", name="web-412")


@pytest.mark.parametrize("title", ["Fix rounding", "a\nb\x1b[31m", "ä" * 500, ""])
def test_a_change_is_one_line_that_the_server_takes_whatever_its_title(title: str) -> None:
    line = change_line("acme/web", 412, title)
    assert line.startswith("acme/web#412")
    assert len(line.splitlines()) == 1
    assert len(line.encode()) <= 180
    assert "\x1b" not in line


def test_the_first_write_of_a_state_names_it_with_its_hop() -> None:
    status = TrackerStatus(state=State.TESTING, sequence=0, attempt=1, environment="dev")
    assert begin_line(status) == "▶ Testing (dev)"
    hop = HopStatus(index=0, source="dev", target="staging")
    status = TrackerStatus(state=State.TESTING, sequence=0, attempt=1, environment="dev", hop=hop)
    assert begin_line(status) == "▶ Testing (dev → staging)"


def test_a_place_is_read_from_its_workflow_s_id_and_from_no_other() -> None:
    found = place_of(environment_workflow_id("main", "shop", "prod", "web"))
    assert found is not None
    assert (found.installation, found.namespace, found.environment, found.repository) == ("main", "shop", "prod", "web")
    assert place_of(promotion_workflow_id("main", "shop", "web-412", str(uuid4()), 1)) is None
