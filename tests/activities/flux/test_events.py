"""Events are read with every field checked, and bounded."""

from datetime import UTC, datetime
from typing import Any

import pytest

from activities.flux.events import MESSAGE_LIMIT, METADATA_LIMIT, NotAnEvent, read_event
from activities.flux.metadata import cleaned, combined
from tests.activities.flux.events import KUSTOMIZE, NOW, SHA, document, event, sent_on


def test_an_event_is_read_with_its_object_time_and_metadata() -> None:
    found = event()
    assert str(found.involved) == "Kustomization/flux-system/webapp"
    assert found.involved.group == KUSTOMIZE
    assert found.timestamp == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert found.own("commit_status") == "update"


def test_an_event_without_any_field_is_one_that_is_not_taken() -> None:
    found = read_event({}, now=NOW)
    assert (found.involved.kind, found.timestamp) == ("", NOW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"involvedObject": "webapp"}, "involvedObject"),
        ({"involvedObject": []}, "involvedObject"),
        ({"involvedObject": False}, "involvedObject"),
        ({"involvedObject": {"name": 7}}, "involvedObject.name"),
        ({"severity": ["info"]}, "severity"),
        ({"message": 1}, "message"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2026-01-31T10:00:00"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+23:59"}, "timestamp"),
        ({"metadata": ["a"]}, "metadata"),
        ({"metadata": ""}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata['a']"),
    ],
)
def test_a_field_of_another_type_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(NotAnEvent) as refused:
        event(**changes)
    assert field in str(refused.value)


@pytest.mark.parametrize("body", [[], "text", 7, None])
def test_what_is_no_object_is_no_event(body: object) -> None:
    with pytest.raises(NotAnEvent, match="JSON object"):
        read_event(body, now=NOW)


def test_an_event_is_bounded_where_it_enters() -> None:
    metadata = {f"{KUSTOMIZE}/key-{index}": "v" * 100_000 for index in range(10_000)}
    found = event(message="m" * 1_000_000, metadata=metadata)
    assert len(found.message) == MESSAGE_LIMIT
    assert len(found.metadata) == METADATA_LIMIT
    assert sum(map(len, found.metadata.values())) < 1_000_000


def test_of_many_annotations_none_pushes_out_what_an_event_is_understood_by() -> None:
    many = {f"event.toolkit.fluxcd.io/{index}": "x" for index in range(METADATA_LIMIT)}
    found = event(metadata={**many, f"{KUSTOMIZE}/revision": SHA, f"{KUSTOMIZE}/commit_status": "update"})
    assert (found.own("revision"), found.own("commit_status")) == (SHA, "update")
    assert len(found.metadata) == METADATA_LIMIT


def test_a_value_that_is_null_is_an_empty_text_as_go_reads_it() -> None:
    assert event(metadata={f"{KUSTOMIZE}/revision": None}).metadata == {f"{KUSTOMIZE}/revision": ""}


@pytest.mark.parametrize(
    "metadata",
    [
        {f"{KUSTOMIZE}/revision": f"main@sha1:{SHA}", f"{KUSTOMIZE}/commit_status": "update"},
        {f"{KUSTOMIZE}/originRevision": f"main@sha1:{SHA}", f"{KUSTOMIZE}/revision": "latest@sha256:" + "b" * 64},
        {"event.toolkit.fluxcd.io/commit": SHA, "event.toolkit.fluxcd.io/team": "web", f"{KUSTOMIZE}/token": "t"},
        {},
    ],
)
def test_an_event_that_notification_controller_sends_on_is_the_one_that_it_received(metadata: dict[str, str]) -> None:
    direct = document(metadata=metadata)
    assert read_event(sent_on(direct), now=NOW) == read_event(direct, now=NOW)


def test_what_an_alert_of_the_sender_adds_is_known_and_wins_over_nothing_that_has_its_group() -> None:
    found = read_event(sent_on(document(), cluster="dev", revision="of the Alert"), now=NOW)
    assert combined(cleaned(found), added={})["cluster"] == "dev"
    assert found.own("revision") == f"main@sha1:{SHA}"
    both = event(metadata={"revision": "bare", f"{KUSTOMIZE}/revision": SHA})
    assert both.metadata == {f"{KUSTOMIZE}/revision": SHA}


def test_metadata_of_others_a_checksum_and_a_digest_are_left_out() -> None:
    metadata = {
        f"{KUSTOMIZE}/revision": "r",
        f"{KUSTOMIZE}/Digest": "d",
        f"{KUSTOMIZE}/checksum": "c",
        "event.toolkit.fluxcd.io/commit": SHA,
        "example.com/secret": "s",
    }
    found = cleaned(event(metadata=metadata))
    # Compared without case is the key as a whole: its group is in lower case already.
    assert set(found.metadata) == {f"{KUSTOMIZE}/revision", "event.toolkit.fluxcd.io/commit"}


def test_the_controllers_metadata_win_over_an_alerts_and_those_over_annotations() -> None:
    metadata = {
        f"{KUSTOMIZE}/a": "controller",
        "event.toolkit.fluxcd.io/a": "object",
        "event.toolkit.fluxcd.io/b": "object",
    }
    metadata |= {"event.toolkit.fluxcd.io/c": "object", f"{KUSTOMIZE}/token": "t"}
    found = combined(event(metadata=metadata), added={"a": "alert", "b": "alert"}, summary="text")
    assert found == {"a": "controller", "b": "alert", "c": "object", "summary": "text"}
