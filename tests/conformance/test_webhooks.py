"""Payloads that GitHub publishes as examples of its webhooks, read by our parser."""

import json
from typing import Any

import pytest

from providers.webhooks import github
from providers.webhooks.events import Event, InstructionNotice, PullRequestNotice, RunNotice
from tests.conformance.material import package


def _examples() -> dict[str, list[dict[str, Any]]]:
    found: list[dict[str, Any]] = json.loads(
        (package("@octokit/webhooks-examples") / "api.github.com" / "index.json").read_text()
    )
    return {one["name"]: one["examples"] for one in found}


def _read(name: str, body: dict[str, Any]) -> Event:
    return github.read({"x-github-event": name}, body)


@pytest.mark.parametrize("name", ["pull_request", "workflow_run"])
def test_what_concerns_promotions_is_found_in_every_example(name: str) -> None:
    examples = _examples()[name]
    assert len(examples) > 3
    for body in examples:
        notices = _read(name, body).about
        if name == "pull_request":
            notice, *instructions = notices
            assert isinstance(notice, PullRequestNotice)
            # A label may be a command of the person who put it there.
            assert [type(one) for one in instructions] == [InstructionNotice] * ("label" in body["action"])
            assert notice.repository.full_name == body["repository"]["full_name"]
            assert notice.number == body["pull_request"]["number"]
            assert notice.ended == (body["action"] == "closed")
        elif body["action"] == "completed":
            [run] = notices
            assert isinstance(run, RunNotice)
            assert run.url == body["workflow_run"]["html_url"]


def test_every_other_event_is_read_without_an_error() -> None:
    examples = _examples()
    assert len(examples) > 40
    for name, bodies in examples.items():
        for body in bodies:
            assert _read(name, body).name == name
