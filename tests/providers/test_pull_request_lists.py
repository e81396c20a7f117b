"""A page of pull requests is read entry by entry: an odd one hides no other, and is not passed over in silence."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from providers.azure_devops import wire_lists as azure_devops
from providers.bitbucket_cloud import wire_lists as bitbucket_cloud
from providers.bitbucket_data_center import wire_lists as bitbucket_data_center
from providers.errors import ProviderMalformed
from providers.gitea import wire_lists as gitea
from providers.github import wire_lists as github
from providers.gitlab import wire_lists as gitlab
from providers.messages import Reply
from providers.pull_request_lists import PageWanted, PullRequestPage

FIRST = PageWanted(following="", since=None)
AT = "2026-11-20T12:00:00Z"
SHA = "a" * 40
FORGE = {"number": 7, "state": "open", "head": {"sha": SHA}, "updated_at": AT}
Reader = Callable[[Reply], PullRequestPage]
HOSTS: Mapping[str, tuple[Reader, str, dict[str, Any]]] = {
    "github": (lambda reply: github.read_pulls(reply, FIRST), "", FORGE),
    "gitea": (lambda reply: gitea.read_pulls(reply, FIRST), "", FORGE),
    "gitlab": (
        lambda reply: gitlab.read_merge_requests(reply, FIRST),
        "",
        {"iid": 7, "state": "opened", "sha": SHA, "updated_at": AT, "references": {"full": "a/b!7"}},
    ),
    "bitbucketCloud": (
        lambda reply: bitbucket_cloud.read_pulls(reply, FIRST),
        "values",
        {"id": 7, "state": "OPEN", "source": {"commit": {"hash": SHA[:12]}}, "updated_on": AT},
    ),
    "bitbucketDataCenter": (
        lambda reply: bitbucket_data_center.read_pulls(reply, FIRST),
        "values",
        {"id": 7, "state": "OPEN", "fromRef": {"latestCommit": SHA}, "updatedDate": 1_790_000_000_000},
    ),
    "azureDevOps": (
        lambda reply: azure_devops.read_pulls(reply, FIRST, "https://dev.azure.com/a/b/_git/c"),
        "value",
        {
            "pullRequestId": 7,
            "status": "active",
            "lastMergeSourceCommit": {"commitId": SHA},
            "creationDate": AT,
            "sourceRefName": "refs/heads/x",
            "targetRefName": "refs/heads/main",
        },
    ),
}


def page_of(host: str, *rows: Mapping[str, Any]) -> PullRequestPage:
    read, field, _ = HOSTS[host]
    body = {field: rows, "isLastPage": True} if field else rows
    return read(Reply(status=200, body=json.dumps(body).encode()))


@pytest.mark.parametrize("host", HOSTS)
def test_one_pull_request_that_cannot_be_read_hides_no_other(host: str) -> None:
    sound = HOSTS[host][2]
    state = "status" if host == "azureDevOps" else "state"
    page = page_of(host, {**sound, state: [1]}, sound)
    assert [one.change.number for one in page.pull_requests] == [7]
    assert page.unreadable.startswith("1 of 2 entries cannot be read: ")
    assert page_of(host, sound).unreadable == ""


def test_a_pull_request_that_gitea_shows_as_null_is_an_odd_one() -> None:
    page = gitea.read_pulls(Reply(status=200, body=json.dumps([None, FORGE]).encode()), FIRST)
    assert [one.change.number for one in page.pull_requests] == [7]
    assert page.unreadable.startswith("1 of 2 entries cannot be read: ")


@pytest.mark.parametrize("host", HOSTS)
def test_a_page_of_which_nothing_can_be_read_is_no_empty_one(host: str) -> None:
    state = "status" if host == "azureDevOps" else "state"
    with pytest.raises(ProviderMalformed):
        page_of(host, {**HOSTS[host][2], state: [1]})
    assert page_of(host).pull_requests == ()
