"""What receivers read: Pilotage's own document, messages of Slack, and CDEvents."""

import json
from typing import Any

import pytest

from activities.event_sinks import cdevents
from activities.event_sinks.rendering import messages
from activities.models.tracking import Artifact
from crds.reasons.events import EventReason
from crds.v1alpha1.event_sink import EventSinkSpec
from tests.activities.event_sinks.samples import event

WEBHOOK: dict[str, Any] = {"type": "Webhook", "url": "https://hooks.example.com/x"}
SLACK = {**WEBHOOK, "template": "Slack"}
CDEVENTS = {**WEBHOOK, "type": "CDEvents"}


def sent(spec: dict[str, Any], *events: Any) -> list[dict[str, Any]]:
    """Return the documents that are posted of these events."""
    found = [one for each in events for one in messages(EventSinkSpec.from_wire(spec), each, installation="main")]
    return [json.loads(one.body) for one in found]


def test_a_webhook_sends_all_that_is_known_and_leaves_out_what_is_not() -> None:
    (document,) = sent(WEBHOOK, event("Promoted", by="ann"))
    assert (document["type"], document["timestamp"]) == ("Promoted", "2026-01-02T12:00:01Z")
    assert document["data"] == {
        "message": "Promoted it was",
        "warning": False,
        "namespace": "shop",
        "tracker": "web-412",
        "attempt": 1,
        "repository": "web",
        "pullRequest": {
            "number": 412,
            "title": "Fix rounding",
            "url": "https://github.com/acme/web/pull/412",
            "author": "ann",
        },
        "source": "staging",
        "environment": "prod",
        "policy": "staging-to-prod",
        "round": 2,
        "revision": "b" * 40,
        "artifacts": [{"component": "web", "revision": "b" * 40, "image": "ghcr.io/acme/Web", "tag": "sha-bbb"}],
        "by": "ann",
    }
    bare = event("Merged", pull_request=None, artifacts=(), round=None, by="", policy="", source="", omitted=3)
    data = sent(WEBHOOK, bare)[0]["data"]
    assert not {"pullRequest", "artifacts", "round", "by", "policy", "source"} & set(data)
    assert data["omitted"] == 3


@pytest.mark.parametrize(
    ("reason", "verb"), [("WaitsForApproval", "promote"), ("TestsFailed", "retest"), ("Failed", "retry")]
)
def test_slack_shows_what_comes_next_and_who_may(reason: str, verb: str) -> None:
    (message,) = sent(SLACK, event(reason))
    assert message["text"].startswith("<https://github.com/acme/web/pull/412|web#412 Fix rounding>: ")
    section, context = message["blocks"]
    assert section["text"]["text"].startswith(message["text"])
    texts = [one["text"] for one in context["elements"]]
    assert f"`pilotage -n shop {verb} web-412`" in texts[0]
    assert f"`{verb}` on Environment `prod` of namespace `shop`" in texts[1]


def test_slack_shows_that_a_diverged_target_waits_for_a_person_with_a_reason() -> None:
    (message,) = sent(SLACK, event("TargetDiverged", message="web: it holds ffffffffffff"))
    section, context = message["blocks"]
    assert message["text"].endswith(">: prod diverged; this change waits for a person")
    assert section["text"]["text"].endswith("\nweb: it holds ffffffffffff")
    next_step, who = [one["text"] for one in context["elements"]]
    assert '`pilotage -n shop promote web-412 --reason "…"`' in next_step
    assert "verb `promote` on Environment `prod`" in who


def test_slack_gets_no_next_step_where_none_is_to_be_taken_and_learns_what_it_missed() -> None:
    (message,) = sent(SLACK, event("Promoted"))
    assert [one["type"] for one in message["blocks"]] == ["section"]
    (after,) = sent(SLACK, event("Promoted", omitted=4))
    assert [one["text"] for one in after["blocks"][1]["elements"]] == ["Not sent before this one: 4 events."]


def test_text_of_others_calls_no_one_in_slack_and_ends_no_link() -> None:
    foreign = event("Promoted", title="<!channel> a|b> & <@U123>", message="<!here> <https://evil.example|click>")
    (message,) = sent(SLACK, foreign)
    text = message["text"]
    address = "<https://github.com/acme/web/pull/412|"
    assert text.startswith(f"{address}web#412 &lt;!channel&gt; a|b&gt; &amp; &lt;@U123&gt;>")
    assert text.replace(address, "", 1).count("<") == 0
    assert text.endswith("&lt;!here&gt; &lt;https://evil.example|click&gt;")
    (scripted,) = sent(SLACK, event("Promoted", url="javascript:alert(1)"))
    assert scripted["text"].startswith("web#412 Fix rounding: ")


def test_a_message_of_slack_stays_within_its_bounds() -> None:
    (message,) = sent(SLACK, event("TestsFailed", title="<" * 5000, message="&" * 5000))
    assert len(message["text"]) < 2_000
    # A failed test's message has 1,000 bytes at most, of which each may be encoded as five.
    assert all(len(one["text"]["text"]) < 8_000 for one in message["blocks"] if "text" in one)


CONTEXT = ("specversion", "id", "source", "type", "timestamp", "chainId")
EXPECTED = {
    "Promoted": (
        "dev.cdevents.service.upgraded.0.3.0",
        "0.5.1",
        {
            "environment": {"id": "prod"},
            "artifactId": "pkg:oci/web?repository_url=ghcr.io/acme/Web&tag=sha-bbb",
        },
    ),
    "TestsStarted": (
        "dev.cdevents.testsuiterun.started.0.3.0",
        "0.5.1",
        {
            "environment": {"id": "staging"},
            "testSuite": {"id": "staging-to-prod"},
            "trigger": {"type": "pipeline"},
        },
    ),
    "TestsFailed": (
        "dev.cdevents.testsuiterun.finished.0.3.0",
        "0.5.1",
        {
            "environment": {"id": "staging"},
            "testSuite": {"id": "staging-to-prod"},
            "outcome": "failure",
            "reason": "TestsFailed it was",
        },
    ),
    "WaitsForApproval": (
        "dev.cdevents.approval.created.0.1.0",
        "0.6.0-draft",
        {
            "approvalDetailsUrl": "https://github.com/acme/web/pull/412",
            "resourceTargetUrl": "https://github.com/acme/web/pull/412",
            "requestor": "urn:pilotage:promotionpolicy:shop:staging-to-prod",
        },
    ),
    "CommandPromote": (
        "dev.cdevents.approval.closed.0.1.0",
        "0.6.0-draft",
        {
            "approvalDetailsUrl": "https://github.com/acme/web/pull/412",
            "resourceTargetUrl": "https://github.com/acme/web/pull/412",
            "responder": "urn:user:system%3Aserviceaccount%3Ashop%3Aann",
            "decision": "approved",
            "status": "approved",
        },
    ),
}
"""What the specification asks for: type, version, content; tests/conformance/test_cdevents.py asks its SDK."""


@pytest.mark.parametrize("reason", sorted(EXPECTED))
def test_an_event_becomes_the_cdevent_that_the_specification_names(reason: str) -> None:
    kind, version, content = EXPECTED[reason]
    (cloud,) = sent(CDEVENTS, event(reason, by="system:serviceaccount:shop:ann"))
    data = cloud["data"]
    assert tuple(data["context"]) == CONTEXT
    assert (data["context"]["type"], data["context"]["specversion"]) == (kind, version)
    assert (data["subject"]["content"], data["customData"]["tracker"]) == (content, "web-412")
    # The binding takes these from the context and the subject.
    assert (cloud["specversion"], cloud["datacontenttype"]) == ("1.0", "application/json")
    assert {name: cloud[name] for name in ("id", "source", "type", "time", "subject")} == {
        "id": data["context"]["id"],
        "source": "/pilotage/main/shop",
        "type": kind,
        "time": data["context"]["timestamp"],
        "subject": data["subject"]["id"],
    }


def test_approval_and_test_run_keep_their_subject_from_begin_to_end() -> None:
    created, closed = sent(CDEVENTS, event("WaitsForApproval"), event("CommandPromote", number=2, by="ann"))
    assert created["subject"] == closed["subject"] == "shop/web-412/1/prod"
    started, finished = sent(CDEVENTS, event("TestsStarted"), event("TestsPassed", number=2))
    assert started["subject"] == finished["subject"] == "shop/web-412/1/prod/2"
    assert finished["data"]["subject"]["content"]["outcome"] == "success"
    assert started["data"]["context"]["chainId"] == created["data"]["context"]["chainId"]


def test_each_component_is_a_service_of_its_own_with_an_id_of_its_own() -> None:
    two = event("Promoted", artifacts=(Artifact(component="api", revision="c" * 40), *event().artifacts))
    first, second = sent(CDEVENTS, two)
    assert [one["subject"] for one in (first, second)] == ["api", "web"]
    assert first["id"] != second["id"]
    assert first["data"]["subject"]["content"]["artifactId"] == f"pkg:generic/api@{'c' * 40}"


def test_reasons_without_a_type_become_nothing() -> None:
    others = [reason for reason in EventReason if reason not in cdevents.SENT_REASONS]
    assert sent(CDEVENTS, *(event(reason) for reason in others)) == []
    assert all(sent(CDEVENTS, event(reason)) for reason in cdevents.SENT_REASONS)
