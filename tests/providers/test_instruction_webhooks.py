"""Webhooks that report a label on a pull request, or a command written on it; they never show what that means."""

from collections.abc import Callable
from typing import Any

import pytest

from providers.webhooks import azure_devops, bitbucket_cloud, bitbucket_data_center, gitea, github, gitlab
from providers.webhooks.events import InstructionNotice

REPOSITORY = {"full_name": "acme/web"}
PULL = {"number": 412, "merged": False}
ASKED = {"body": "/pilotage hold please"}
ON_PULL = {"number": 412, "pull_request": {}}
GITHUB: dict[str, tuple[str, dict[str, Any]]] = {
    "labelled": ("pull_request", {"action": "labeled", "pull_request": PULL}),
    "label taken off": ("pull_request", {"action": "unlabeled", "pull_request": PULL}),
    "commented": (
        "issue_comment",
        {"action": "created", "issue": ON_PULL, "comment": ASKED},
    ),
}
SILENT: dict[str, tuple[str, dict[str, Any]]] = {
    "pushed": ("pull_request", {"action": "synchronize", "pull_request": PULL}),
    "comment edited": (
        "issue_comment",
        {"action": "edited", "issue": ON_PULL, "comment": ASKED},
    ),
    "comment on an issue": ("issue_comment", {"action": "created", "issue": {"number": 412}, "comment": ASKED}),
    "talk": (
        "issue_comment",
        {"action": "created", "issue": ON_PULL, "comment": {"body": "nice"}},
    ),
}
NOTE = {"noteable_type": "MergeRequest", "note": ASKED["body"]}
PROJECT = {"id": 7, "path_with_namespace": "acme/web"}


def instructions(about: tuple[object, ...]) -> list[tuple[str, int, str]]:
    return [(one.repository.full_name, one.number, one.by) for one in about if isinstance(one, InstructionNotice)]


@pytest.mark.parametrize(("name", "body"), GITHUB.values(), ids=GITHUB.keys())
def test_a_label_and_a_command_at_github_are_instructions(name: str, body: dict[str, Any]) -> None:
    event = github.read({"x-github-event": name}, {**body, "repository": REPOSITORY, "sender": {"login": "grace"}})
    assert instructions(event.about) == [("acme/web", 412, "grace")]


@pytest.mark.parametrize(("name", "body"), SILENT.values(), ids=SILENT.keys())
def test_other_events_at_github_are_no_instructions(name: str, body: dict[str, Any]) -> None:
    event = github.read({"x-github-event": name}, {**body, "repository": REPOSITORY, "sender": {"login": "grace"}})
    assert instructions(event.about) == []


def test_labels_and_commands_at_gitlab_are_instructions() -> None:
    by = {"project": PROJECT, "user": {"username": "grace"}}
    labelled = {"object_kind": "merge_request", "object_attributes": {"iid": 412}, "changes": {"labels": {}}, **by}
    noted = {"object_kind": "note", "object_attributes": NOTE, "merge_request": {"iid": 412}, **by}
    on_an_issue = {"object_kind": "note", "object_attributes": NOTE, **by}
    found = [
        instructions(gitlab.read({"x-gitlab-event": "hook"}, body).about) for body in (labelled, noted, on_an_issue)
    ]
    assert found == [[("acme/web", 412, "grace")], [("acme/web", 412, "grace")], []]


def test_labels_and_commands_at_gitea_are_instructions() -> None:
    by = {"repository": REPOSITORY, "sender": {"login": "grace"}}
    headers = {"x-gitea-event": "pull_request", "x-gitea-event-type": "pull_request_label"}
    labelled = gitea.read(headers, {"action": "label_updated", "pull_request": PULL, **by})
    commented = gitea.read(
        {"x-gitea-event": "issue_comment"},
        {"action": "created", "is_pull": True, "issue": {"number": 412}, "comment": ASKED, **by},
    )
    assert instructions(labelled.about) == instructions(commented.about) == [("acme/web", 412, "grace")]


def at_bitbucket_cloud(text: str) -> tuple[object, ...]:
    body = {"repository": REPOSITORY, "pullrequest": {"id": 412}, "actor": {"uuid": "grace", "nickname": "Grace"}}
    headers = {"x-event-key": "pullrequest:comment_created"}
    return bitbucket_cloud.read(headers, {**body, "comment": {"content": {"raw": text}}}).about


def at_bitbucket_data_center(text: str) -> tuple[object, ...]:
    to_ref = {"repository": {"slug": "web", "project": {"key": "acme"}}}
    body = {"actor": {"name": "grace"}, "pullRequest": {"id": 412, "toRef": to_ref}, "comment": {"text": text}}
    return bitbucket_data_center.read({"x-event-key": "pr:comment:added"}, body).about


def at_azure_devops(text: str) -> tuple[object, ...]:
    pull = {"pullRequestId": 412, "repository": {"name": "web", "project": {"name": "acme"}}}
    resource = {"comment": {"content": text, "author": {"id": "grace"}}, "pullRequest": pull}
    return azure_devops.read({}, {"eventType": "ms.vss-code.git-pullrequest-comment-event", "resource": resource}).about


@pytest.mark.parametrize("at", [at_bitbucket_cloud, at_bitbucket_data_center, at_azure_devops])
def test_commands_where_labels_mean_nothing_are_comments(at: Callable[[str], tuple[object, ...]]) -> None:
    assert instructions(at("/pilotage hold please")) == [("acme/web", 412, "grace")]
    assert at("nice") == ()
