"""Every method of every adapter, over every way a host can fail: our errors only, one record per round trip."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from providers.application_models import ApplicationRef, ApplicationState, ApplicationTarget
from providers.bodies import BODY_LIMIT_BYTES
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.http import HttpClients
from providers.models import ChangedFiles, Comment, CommitStatus, Run, StatusState
from tests.activities.fakes import application
from tests.providers.hosts import (
    TOKEN,
    FakeHost,
    answer,
    argocd,
    azure_devops,
    bitbucket_cloud,
    bitbucket_data_center,
    forget_round_trips,
    gitea,
    github,
    github_actions,
    gitlab,
    gitlab_ci,
    jenkins,
    recorded_round_trips,
)

Operation = Callable[[HttpClients], Awaitable[object]]
REF = ApplicationRef(project="shop", name="web")
STATUS = CommitStatus(context="pilotage/dev", state=StatusState.PENDING, description="")


async def _stream(http: HttpClients) -> ApplicationState | None:
    # The port promises an iterator; the adapter's is a generator, which gives its connection back when closed.
    async with aclosing(argocd(http).stream(REF)) as states:  # type: ignore[type-var]
        async for state in states:
            return state
    return None


OPERATIONS: Mapping[str, Operation] = {
    "github get": lambda http: github(http).pull_requests.get(1),
    "github list pull requests": lambda http: github(http).pull_request_lists.page(),
    "github changed files": lambda http: github(http).pull_requests.changed_files(1),
    "github compare": lambda http: github(http).revisions.compare("a", "b"),
    "github newest statuses": lambda http: github(http).commit_statuses.newest("a"),
    "github set status": lambda http: github(http).commit_statuses.set("a", STATUS),
    "github list labels": lambda http: github(http).labels.list(1),
    "github add labels": lambda http: github(http).labels.add(1, ["x"]),
    "github remove label": lambda http: github(http).labels.remove(1, "x"),
    "github own comments": lambda http: github(http).comments.own(1),
    "github get comment": lambda http: github(http).comments.get("1"),
    "github create comment": lambda http: github(http).comments.create(1, "x"),
    "github update comment": lambda http: github(http).comments.update(Comment(id="1", body=""), "x"),
    "github check": lambda http: github(http).check(),
    "github check account": lambda http: github(http, owner="").check(),
    "bitbucket cloud get": lambda http: bitbucket_cloud(http).pull_requests.get(1),
    "bitbucket cloud list pull requests": lambda http: bitbucket_cloud(http).pull_request_lists.page(),
    "bitbucket cloud changed files": lambda http: bitbucket_cloud(http).pull_requests.changed_files(1),
    "bitbucket cloud compare": lambda http: bitbucket_cloud(http).revisions.compare("a", "b"),
    "bitbucket cloud newest statuses": lambda http: bitbucket_cloud(http).commit_statuses.newest("a"),
    "bitbucket cloud set status": lambda http: bitbucket_cloud(http).commit_statuses.set("a", STATUS),
    "bitbucket cloud own comments": lambda http: bitbucket_cloud(http).comments.own(1),
    "bitbucket cloud get comment": lambda http: bitbucket_cloud(http).comments.get("1:1"),
    "bitbucket cloud create comment": lambda http: bitbucket_cloud(http).comments.create(1, "x"),
    "bitbucket cloud update comment": lambda http: bitbucket_cloud(http).comments.update(
        Comment(id="1:1", body=""), "x"
    ),
    "bitbucket cloud check": lambda http: bitbucket_cloud(http).check(),
    "gitea get": lambda http: gitea(http).pull_requests.get(1),
    "gitea list pull requests": lambda http: gitea(http).pull_request_lists.page(),
    "gitea changed files": lambda http: gitea(http).pull_requests.changed_files(1),
    "gitea compare": lambda http: gitea(http).revisions.compare("a", "b"),
    "gitea resolve": lambda http: gitea(http).revisions.resolve("a"),
    "gitea newest statuses": lambda http: gitea(http).commit_statuses.newest("a"),
    "gitea set status": lambda http: gitea(http).commit_statuses.set("a", STATUS),
    "gitea list labels": lambda http: gitea(http).labels.list(1),
    "gitea add labels": lambda http: gitea(http).labels.add(1, ["x"]),
    "gitea remove label": lambda http: gitea(http).labels.remove(1, "x"),
    "gitea own comments": lambda http: gitea(http).comments.own(1),
    "gitea get comment": lambda http: gitea(http).comments.get("1"),
    "gitea create comment": lambda http: gitea(http).comments.create(1, "x"),
    "gitea update comment": lambda http: gitea(http).comments.update(Comment(id="1", body=""), "x"),
    "gitea check": lambda http: gitea(http).check(),
    "gitea check account": lambda http: gitea(http, owner="").check(),
    "azure get": lambda http: azure_devops(http).pull_requests.get(1),
    "azure list pull requests": lambda http: azure_devops(http).pull_request_lists.page(),
    "azure changed files": lambda http: azure_devops(http).pull_requests.changed_files(1),
    "azure compare": lambda http: azure_devops(http).revisions.compare("a", "b"),
    "azure resolve": lambda http: azure_devops(http).revisions.resolve("a"),
    "azure newest statuses": lambda http: azure_devops(http).commit_statuses.newest("a"),
    "azure set status": lambda http: azure_devops(http).commit_statuses.set("a", STATUS),
    "azure list labels": lambda http: azure_devops(http).labels.list(1),
    "azure add labels": lambda http: azure_devops(http).labels.add(1, ["x"]),
    "azure remove label": lambda http: azure_devops(http).labels.remove(1, "x"),
    "azure own comments": lambda http: azure_devops(http).comments.own(1),
    "azure get comment": lambda http: azure_devops(http).comments.get("1/2/3"),
    "azure create comment": lambda http: azure_devops(http).comments.create(1, "x"),
    "azure update comment": lambda http: azure_devops(http).comments.update(Comment(id="1/2/3", body=""), "x"),
    "azure check": lambda http: azure_devops(http).check(),
    "azure check account": lambda http: azure_devops(http, project="").check(),
    "bitbucket data center get": lambda http: bitbucket_data_center(http).pull_requests.get(1),
    "bitbucket data center list pull requests": lambda http: bitbucket_data_center(http).pull_request_lists.page(),
    "bitbucket data center changed files": lambda http: bitbucket_data_center(http).pull_requests.changed_files(1),
    "bitbucket data center compare": lambda http: bitbucket_data_center(http).revisions.compare("a", "b"),
    "bitbucket data center newest statuses": lambda http: bitbucket_data_center(http).commit_statuses.newest("a"),
    "bitbucket data center own comments": lambda http: bitbucket_data_center(http).comments.own(1),
    "bitbucket data center get comment": lambda http: bitbucket_data_center(http).comments.get("1:1"),
    "bitbucket data center create comment": lambda http: bitbucket_data_center(http).comments.create(1, "x"),
    "jenkins find": lambda http: jenkins(http).find("web", "k"),
    "jenkins create": lambda http: jenkins(http).create("web", "k", {}),
    "jenkins read item": lambda http: jenkins(http).read("web", Run(id="queue:1", key="k")),
    "jenkins read build": lambda http: jenkins(http).read("web", Run(id="build:1:1", key="k")),
    "jenkins cancel": lambda http: jenkins(http).cancel("web", Run(id="build:1:1", key="k")),
    "jenkins check": lambda http: jenkins(http).check(),
    "actions find": lambda http: github_actions(http).find("e2e.yml", "k"),
    "actions create": lambda http: github_actions(http).create("e2e.yml", "k", {}),
    "actions read": lambda http: github_actions(http).read("e2e.yml", Run(id="1", key="k")),
    "actions cancel": lambda http: github_actions(http).cancel("e2e.yml", Run(id="1", key="k")),
    "actions check": lambda http: github_actions(http).check(),
    "gitlab get": lambda http: gitlab(http).pull_requests.get(1),
    "gitlab list pull requests": lambda http: gitlab(http).pull_request_lists.page(),
    "gitlab changed files": lambda http: gitlab(http).pull_requests.changed_files(1),
    "gitlab compare": lambda http: gitlab(http).revisions.compare("a", "b"),
    "gitlab newest statuses": lambda http: gitlab(http).commit_statuses.newest("a"),
    "gitlab set status": lambda http: gitlab(http).commit_statuses.set("a", STATUS),
    "gitlab list labels": lambda http: gitlab(http).labels.list(1),
    "gitlab add labels": lambda http: gitlab(http).labels.add(1, ["x"]),
    "gitlab remove label": lambda http: gitlab(http).labels.remove(1, "x"),
    "gitlab own comments": lambda http: gitlab(http).comments.own(1),
    "gitlab get comment": lambda http: gitlab(http).comments.get("1:1"),
    "gitlab create comment": lambda http: gitlab(http).comments.create(1, "x"),
    "gitlab update comment": lambda http: gitlab(http).comments.update(Comment(id="1:1", body=""), "x"),
    "gitlab check host": lambda http: gitlab(http).check(),
    "gitlab check account": lambda http: gitlab(http, project="").check(),
    "gitlab find": lambda http: gitlab_ci(http).find("main", "k"),
    "gitlab create": lambda http: gitlab_ci(http).create("main", "k", {}),
    "gitlab read": lambda http: gitlab_ci(http).read("main", Run(id="1", key="k")),
    "gitlab cancel": lambda http: gitlab_ci(http).cancel("main", Run(id="1", key="k")),
    "gitlab check": lambda http: gitlab_ci(http).check(),
    "argocd get": lambda http: argocd(http).get(REF),
    "argocd list": lambda http: argocd(http).list("shop"),
    "argocd patch": lambda http: argocd(http).write(REF, ApplicationTarget(), application("web"), "a"),
    "argocd sync": lambda http: argocd(http).sync(REF, revisions=["a"], key="k"),
    "argocd stream": _stream,
    "argocd check": lambda http: argocd(http).check(),
}
ALL = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
# Their answers hold nothing that is read, so that garbage in them is no error.
_ANSWERS_UNREAD = (
    "gitea set status", "gitea update comment",
    "github set status", "github add labels", "github remove label", "github update comment", "actions cancel",
    "gitlab cancel", "bitbucket cloud set status", "bitbucket cloud update comment", "bitbucket cloud check",
    "gitlab set status", "gitlab remove label", "gitlab update comment",
    "gitlab cancel", "azure set status", "azure update comment",
)  # fmt: skip
READING = pytest.mark.parametrize(
    "operation",
    [operation for name, operation in OPERATIONS.items() if name not in _ANSWERS_UNREAD],
    ids=[name for name in OPERATIONS if name not in _ANSWERS_UNREAD],
)
NO_ANSWER = {
    httpx.ConnectError: 503,
    httpx.ProxyError: 503,
    httpx.ConnectTimeout: 504,
    httpx.ReadTimeout: 504,
    httpx.WriteTimeout: 504,
    httpx.PoolTimeout: 504,
    httpx.ReadError: 500,
    httpx.WriteError: 500,
    httpx.CloseError: 500,
    httpx.LocalProtocolError: 500,
    httpx.RemoteProtocolError: 500,
    httpx.UnsupportedProtocol: 500,
    httpx.TooManyRedirects: 500,
}


async def fails(host: FakeHost, operation: Operation) -> ProviderError:
    """Run one operation, which must fail with our error, and hold its records against the requests made."""
    forget_round_trips()
    http = host.http()
    with pytest.raises(ProviderError) as caught:
        await operation(http)
    await http.aclose()
    assert recorded_round_trips() == len(host.requests)
    assert TOKEN not in str(caught.value)
    assert len(str(caught.value)) <= 900
    assert caught.value.__cause__ is None
    return caught.value


@ALL
@pytest.mark.parametrize("kind", NO_ANSWER, ids=lambda kind: kind.__name__)
async def test_a_call_without_an_answer_becomes_unavailable_with_a_status_for_metrics(
    host: FakeHost, operation: Operation, kind: type[httpx.TransportError]
) -> None:
    host.always(kind(f"cannot reach with {TOKEN}"))
    error = await fails(host, operation)
    assert isinstance(error, ProviderUnavailable)
    assert error.status == NO_ANSWER[kind]


@ALL
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ProviderUnauthorized),
        (403, ProviderUnauthorized),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
        (502, ProviderUnavailable),
        (503, ProviderUnavailable),
        (418, ProviderRejected),
    ],
)
async def test_a_status_becomes_the_error_that_it_means(
    host: FakeHost, operation: Operation, status: int, kind: type[ProviderError], request: pytest.FixtureRequest
) -> None:
    if status == 403 and "add labels" in request.node.callspec.id:
        host.on("POST", ".*/issues/.*", answer({"message": f"denied to {TOKEN}"}, 403))
    host.always(answer({"message": f"denied to {TOKEN}"}, status))
    error = await fails(host, operation)
    assert type(error) is kind
    assert error.status == status


@READING
@pytest.mark.parametrize(
    "body",
    [b"<html><title>Sign in</title></html>", b'{"truncat', b"", b"[1, 2]", b'"text"', b"\xff\xfe", b"[" * 100_000],
    ids=["html", "truncated", "empty", "numbers", "text", "no utf-8", "deep"],
)
async def test_an_answer_that_is_not_the_promised_json_is_malformed(
    host: FakeHost, operation: Operation, body: bytes
) -> None:
    host.always(httpx.Response(200, content=body))
    if operation is _stream and not body:
        assert await operation(host.http()) is None
        return
    error = await fails(host, operation)
    assert isinstance(error, ProviderMalformed) or "may have been" in str(error) or "run-name" in str(error)


@READING
async def test_an_answer_beyond_the_limit_is_not_read_to_its_end(
    host: FakeHost, operation: Operation, request: pytest.FixtureRequest
) -> None:
    host.always(httpx.Response(200, content=b"x" * (BODY_LIMIT_BYTES + 1)))
    name = request.node.callspec.id
    # The others read the pull request before its files.
    if name.endswith("changed files") and not name.startswith(("azure", "gitlab")):
        assert await operation(host.http()) == ChangedFiles(paths=(), complete=False)
    else:
        assert isinstance(await fails(host, operation), ProviderMalformed)


@ALL
async def test_no_credential_is_taken_to_another_host_by_a_redirect(host: FakeHost, operation: Operation) -> None:
    host.always(answer(status=302, location="https://elsewhere.example.com/acme/web"))
    error = await fails(host, operation)
    if operation is not OPERATIONS["jenkins create"]:  # Whose answer is a redirect, to what is read by its path alone.
        assert isinstance(error, ProviderMalformed | ProviderMisconfigured)
        assert "elsewhere.example.com" in str(error)
    assert not [request for request in host.requests if request.url.host == "elsewhere.example.com"]


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.endswith(" get")])
@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_time_to_wait_is_by_the_clock_of_the_host(host: FakeHost, name: str, hours: int) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=hours)
    until = format_datetime(theirs + timedelta(seconds=40), usegmt=True)
    host.always(answer({}, 429, date=format_datetime(theirs, usegmt=True), retry_after=until))
    error = await fails(host, OPERATIONS[name])
    assert error.retry_after == timedelta(seconds=40)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [(OPERATIONS["github get"], ProviderNotFound), (OPERATIONS["github create comment"], ProviderConflict)],
)
async def test_not_found_and_conflict_are_distinguished(
    host: FakeHost, operation: Operation, kind: type[ProviderError]
) -> None:
    host.always(answer({"message": "no"}, 404 if kind is ProviderNotFound else 409))
    assert type(await fails(host, operation)) is kind
