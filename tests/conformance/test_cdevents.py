"""What an EventSink of CDEvents sends, read by the SDK of CDEvents: by its schemas, types and binding."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from activities.event_sinks import cdevents
from activities.event_sinks.rendering import messages
from activities.models.event_sinks import PromotionEvent
from activities.models.tracking import Artifact
from crds.v1alpha1.event_sink import EventSinkSpec
from tests.activities.event_sinks.samples import ARTIFACT, event
from tests.conformance.material import cdevents_reader

SPEC = EventSinkSpec.from_wire({"type": "CDEvents", "url": "https://broker.example.com/default"})
BARE: dict[str, Any] = {
    "pull_request": None,
    "title": "",
    "url": "",
    "author": "",
    "policy": "",
    "source": "",
    "by": "",
}
ODD = {"environment": "prod eu/1", "policy": "über/prod", "by": "oidc:ann@example.com", "message": 'a\n\u2028<b> & "c"'}
SERVICES = (
    Artifact(component="a component/ü", revision="c" * 40),
    Artifact(component="web", revision="d" * 40, image="registry.example.com:5000/Acme/web", tag="1.2.3+build"),
    ARTIFACT,
)
_TIMEOUT_SECONDS = 60


def documents(*events: PromotionEvent) -> list[dict[str, Any]]:
    """Return what is posted of these events."""
    found = [one for each in events for one in messages(SPEC, each, installation="main")]
    return [json.loads(one.body) for one in found]


def read(clouds: Sequence[dict[str, Any]]) -> list[str]:
    """Return for each CloudEvent "ok", or what the SDK does not accept."""
    lines = "".join(f"{json.dumps(one)}\n" for one in clouds)
    done = subprocess.run(
        (str(cdevents_reader()),), input=lines, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True
    )
    return done.stdout.splitlines()


def released(clouds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those whose type is in a release; the SDK knows no others."""
    return [one for one in clouds if one["data"]["context"]["specversion"] == cdevents.RELEASED]


@pytest.mark.parametrize("changes", [{}, BARE, ODD, {"artifacts": SERVICES}], ids=["all", "bare", "odd", "services"])
def test_the_sdk_of_cdevents_reads_every_released_event_as_it_was_sent(changes: dict[str, Any]) -> None:
    clouds = released(documents(*(event(reason, **changes) for reason in sorted(cdevents.SENT_REASONS))))
    assert {one["type"] for one in clouds} == {
        cdevents.UPGRADED,
        cdevents.ROLLED_BACK,
        cdevents.TESTS_STARTED,
        cdevents.TESTS_FINISHED,
    }
    assert read(clouds) == ["ok"] * len(clouds)


def test_approval_is_still_in_no_release() -> None:
    drafts = documents(event("WaitsForApproval"), event("CommandPromote"))
    assert released(drafts) == []
    assert all("unknown event type dev.cdevents.approval." in one for one in read(drafts))


def test_the_sdk_notices_what_the_specification_forbids() -> None:
    (cloud,) = documents(event("Promoted"))
    content = cloud["data"]["subject"]["content"]
    wrong: list[dict[str, Any]] = []
    contents: tuple[dict[str, Any], ...] = (
        {"artifactId": "web:1"},
        {"environment": {}},
        {**content, "color": "red"},
        {},
    )
    for broken in contents:
        subject = {**cloud["data"]["subject"], "content": broken}
        wrong.append({**cloud, "data": {**cloud["data"], "subject": subject}})
    wrong += [{**cloud, "subject": "other"}, {**cloud, "time": "noon"}, {**cloud, "specversion": "9"}]
    assert "ok" not in read(wrong)
