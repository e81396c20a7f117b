"""Whose a credential is: an account that is renamed stays ours, and what it wrote as well."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from providers import accounts
from providers.ports import ScmHost
from tests.providers.hosts import FakeHost, answer, bitbucket_data_center, gitea, github

NAMED: dict[str, tuple[Callable[..., ScmHost], str, str]] = {
    "github": (github, "/user", ".*/issues/1/comments.*"),
    "gitea": (gitea, "/api/v1/user", ".*/issues/1/comments"),
}


@pytest.mark.parametrize("name", NAMED)
async def test_comments_of_an_account_that_was_renamed_are_found(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opened, user, comments = NAMED[name]
    http = host.http()
    host.on("GET", user, answer({"login": "pilot"}), answer({"login": "pilotage"}))
    host.on("GET", comments, answer([{"id": 1, "body": "ours", "user": {"login": "pilotage"}}]))
    assert await opened(http).comments.own(1) == ()
    assert await opened(http).comments.own(1) == ()
    monkeypatch.setattr(accounts, "BELIEVED", timedelta(0))
    assert [one.body for one in await opened(http).comments.own(1)] == ["ours"]


async def test_the_author_of_what_was_written_is_ours_where_the_host_shows_no_account(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "BELIEVED", timedelta(0))
    host.always(answer({"id": 1, "text": "x", "author": {"name": "Pilot"}, "values": []}))
    found = bitbucket_data_center(host.http())
    await found.comments.create(1, "x")
    assert found.steering is not None
    comments = [{"action": "COMMENTED", "comment": {"id": 1, "text": "x", "author": {"name": "pilot"}}}]
    host.on("GET", ".*/activities.*", answer({"values": comments, "isLastPage": True}))
    assert [one.account_known for one in await found.comments.own(1)] == [True]
