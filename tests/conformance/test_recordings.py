"""What the real GitHub answered, read by our parsers and distinguished by our error classes."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from providers import issue_comments
from providers.changed_files import changed_paths
from providers.error_mapping import refusal
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.github import wire, wire_branches, wire_changes, wire_check_runs, wire_deployments
from providers.github_actions import wire as actions
from providers.messages import Reply
from tests.conformance.recordings import Exchange, recorded

_REPOSITORY = r"/repos/[^/]+/[^/]+"

Reader = Callable[[Reply], object]
READERS: dict[str, tuple[str, str, Reader]] = {
    "pull request": ("GET", r"/pulls/\d+", lambda reply: wire.read_pull(reply.document())),
    "open pull requests": ("GET", r"/pulls", lambda reply: wire_changes.read_open(reply, "head", "base")),
    "created pull request": ("POST", r"/pulls", lambda reply: wire.read_pull(reply.document())),
    "changed pull request": ("PATCH", r"/pulls/\d+", lambda reply: wire.read_pull(reply.document())),
    "merge": ("PUT", r"/pulls/\d+/merge", wire_changes.read_merge),
    "changed files": ("GET", r"/pulls/\d+/files", changed_paths),
    "comparison": ("GET", r"/compare/.+", lambda reply: wire.read_comparison(reply.document())),
    "commit": ("GET", r"/commits/[0-9a-f]{40}", lambda reply: wire.read_commit(reply.document())),
    "log": ("GET", r"/commits", wire_branches.read_log),
    "newest statuses": ("GET", r"/commits/[^/]+/status", wire.read_statuses),
    "check runs": ("GET", r"/commits/[^/]+/check-runs", lambda reply: wire_check_runs.read_runs("", reply)),
    "labels of an issue": ("GET", r"/issues/\d+/labels", wire.read_labels),
    "added labels": ("POST", r"/issues/\d+/labels", wire.read_labels),
    "comments": ("GET", r"/issues/\d+/comments", lambda reply: wire.read_comments_of("jacquev6", reply)),
    "comment": ("GET", r"/issues/comments/\d+", lambda reply: issue_comments.read_comment(reply.document())),
    "created comment": ("POST", r"/issues/\d+/comments", lambda reply: issue_comments.read_comment(reply.document())),
    "branch head": ("GET", r"/git/refs?/heads/.+", lambda reply: wire_branches.read_head(reply.document())),
    "created deployment": ("POST", r"/deployments", wire_deployments.read_id),
    "deployments": ("GET", r"/deployments", wire_deployments.read_found),
    "repository": ("GET", r"", lambda reply: wire.read_account(reply.document())),
    "workflow runs": (
        "GET",
        r"/actions/runs",
        lambda reply: actions.read_runs(reply.document(), "key", datetime.now(UTC)),
    ),
    "workflow run": (
        "GET",
        r"/actions/runs/\d+",
        lambda reply: actions.read_run(reply.document(), key="key", results={}),
    ),
}
# Recordings of 2012 are from before the host sent it.
_SINCE = {"repository": '"full_name"'}


def _of(method: str, path: str) -> list[Exchange]:
    wanted = re.compile(_REPOSITORY + path)
    return [one for one in recorded() if one.method == method and wanted.fullmatch(one.route)]


@pytest.mark.parametrize("what", READERS)
def test_what_the_host_answered_is_read(what: str) -> None:
    method, path, read = READERS[what]
    found = [
        one for one in _of(method, path) if one.reply.ok and one.reply.body and _SINCE.get(what, "") in one.reply.text
    ]
    assert found, f"no recording of {method} {path}"
    unread = {}
    for one in found:
        try:
            read(one.reply)
        except ProviderError as error:
            unread[f"{one.where}: {one.method} {one.path}"] = str(error)
    assert unread == {}


KINDS: dict[int, type[ProviderError]] = {
    400: ProviderRejected,
    401: ProviderUnauthorized,
    403: ProviderUnauthorized,
    404: ProviderNotFound,
    405: ProviderRejected,
    409: ProviderConflict,
    410: ProviderNotFound,
    422: ProviderRejected,
    429: ProviderRateLimited,
    500: ProviderUnavailable,
    502: ProviderUnavailable,
    503: ProviderUnavailable,
}


def test_what_the_host_refused_is_an_error_of_the_right_class_with_its_own_message() -> None:
    wrong = {}
    refused = [one for one in recorded() if one.reply.status >= 400]
    for one in refused:
        error = refusal(one.reply, "the call")
        message = re.search(r'"message":\s*"([^"\\]{1,60})', one.reply.text)
        limited = isinstance(error, ProviderRateLimited)
        right = limited or isinstance(error, KINDS[one.reply.status])
        if not right or (message and message[1] not in str(error)):
            wrong[f"{one.where}: {one.method} {one.path}"] = (one.reply.status, repr(error), message and message[1])
    assert wrong == {}
    assert len({one.reply.status for one in refused}) > 4
