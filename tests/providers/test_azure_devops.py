"""Azure DevOps as an SCM host, request by request."""

import asyncio
import base64
from datetime import timedelta

import httpx
import pytest
from prometheus_client import REGISTRY

from providers.azure_devops.wire import base_url, identities_url
from providers.errors import (
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import Ancestry, ChangeState, Comment, CommitStatus, Person, StatusState
from tests.providers.hosts import TOKEN, FakeHost, answer, azure_devops

REPOSITORY = "/umbrella/acme/_apis/git/repositories/web"
PULL_PATH = rf"{REPOSITORY}/pull[rR]equests/412"
SHORT = timedelta(milliseconds=50)
ONE, OTHER = "1" * 40, "2" * 40
ME = "D6245F20-2af8-44f4-9451-8107cb2767db"
PULL: dict[str, object] = {
    "pullRequestId": 412,
    "title": "Sell umbrellas",
    "status": "completed",
    "mergeStatus": "succeeded",
    "createdBy": {"id": "x", "displayName": "Ada", "uniqueName": "ada@example.com"},
    "sourceRefName": "refs/heads/feature/umbrellas",
    "targetRefName": "refs/heads/main",
    "lastMergeSourceCommit": {"commitId": "a" * 40},
    "lastMergeCommit": {"commitId": "b" * 40},
    "url": "https://elsewhere.example.com/x",
    "labels": [{"id": "1", "name": "feature", "active": True}],
}
SIGN_IN = {"content": b"<html><title>Sign In</title></html>", "headers": {"content-type": "text/html; charset=utf-8"}}


def listed(*items: object) -> httpx.Response:
    return answer({"count": len(items), "value": list(items)})


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("", "https://dev.azure.com/umbrella"),
        ("dev.azure.com", "https://dev.azure.com/umbrella"),
        ("https://dev.azure.com/", "https://dev.azure.com/umbrella"),
        ("Umbrella.visualstudio.com", "https://Umbrella.visualstudio.com"),
        ("https://umbrella.visualstudio.com/", "https://umbrella.visualstudio.com"),
        ("other.visualstudio.com", "https://other.visualstudio.com/umbrella"),
        ("tfs.example.com:8443/tfs", "https://tfs.example.com:8443/tfs/umbrella"),
        ("http://127.0.0.1:8080/azureDevOps", "http://127.0.0.1:8080/azureDevOps/umbrella"),
    ],
)
def test_an_organization_or_collection_is_named_below_its_host(domain: str, wanted: str) -> None:
    assert base_url(domain, "umbrella") == wanted


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        ("https://dev.azure.com/umbrella", "https://vssps.dev.azure.com/umbrella"),
        ("https://Umbrella.visualstudio.com", "https://umbrella.vssps.visualstudio.com"),
        ("https://tfs.example.com:8443/tfs/umbrella", "https://tfs.example.com:8443/tfs/umbrella"),
    ],
)
def test_accounts_are_at_a_host_of_their_own_or_at_a_server_s_collection(base: str, wanted: str) -> None:
    assert identities_url(base) == wanted


GRACE = "0f0f0f0f-0000-4000-8000-000000000001"
DESCRIPTOR = "Microsoft.IdentityModel.Claims.ClaimsIdentity;t\\grace@example.com"


@pytest.mark.parametrize(
    ("identity", "effective", "may"),
    [
        ({}, {"effectiveAllow": 6}, True),
        ({}, {"effectiveAllow": 2}, False),
        ({}, {"effectiveAllow": 6, "effectiveDeny": 4}, False),
        ({}, {}, False),
        ({"isActive": False}, {"effectiveAllow": 6}, False),
        ({"id": "another"}, {"effectiveAllow": 6}, False),
    ],
)
async def test_who_holds_contribute_and_is_active_may_write(
    identity: dict[str, object], effective: dict[str, object], may: bool
) -> None:
    host = FakeHost()
    known = {"id": GRACE.upper(), "descriptor": DESCRIPTOR, "isActive": True, **identity}
    host.on("GET", r"/umbrella/_apis/identities\?.*", listed(known))
    host.on("GET", rf"{REPOSITORY}\?.*", answer({"id": "r", "name": "web", "project": {"id": "p", "name": "acme"}}))
    entry = {"descriptor": DESCRIPTOR, "allow": 0, "deny": 0, "extendedInfo": effective}
    host.on("GET", r"/umbrella/_apis/accesscontrollists/.*", listed({"acesDictionary": {DESCRIPTOR: entry}}))
    steering = azure_devops(host.http()).steering
    assert steering is not None
    assert await steering.may_write(Person(id=GRACE, name="grace")) is may


def test_a_collections_name_is_one_part_of_the_path() -> None:
    assert base_url("tfs.example.com", "Default Collection") == "https://tfs.example.com/Default%20Collection"


async def test_every_request_names_the_api_version_and_wants_no_sign_in_page(host: FakeHost) -> None:
    host.always(answer(PULL))
    await azure_devops(host.http()).pull_requests.get(412)
    request = host.requests[0]
    assert request.url.params["api-version"] == "7.0"
    assert request.headers["x-tfs-fedauthredirect"] == "Suppress"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f":{TOKEN}".encode()).decode()


async def test_a_completed_pull_request_is_merged_and_its_page_is_below_our_own_address(host: FakeHost) -> None:
    host.always(answer(PULL))
    change = await azure_devops(host.http()).pull_requests.get(412)
    assert (change.state, change.merge_sha, change.head_sha) == (ChangeState.MERGED, "b" * 40, "a" * 40)
    assert (change.branch, change.base_branch, change.author) == ("feature/umbrellas", "main", "ada@example.com")
    assert (change.url, change.from_fork) == ("https://dev.azure.com/umbrella/acme/_git/web/pullrequest/412", False)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"status": "active"}, ChangeState.OPEN),
        ({"status": "active", "mergeStatus": "queued"}, ChangeState.OPEN),
        ({"status": "completed", "mergeStatus": "queued"}, ChangeState.OPEN),
        ({"status": "abandoned", "mergeStatus": "conflicts"}, ChangeState.CLOSED),
    ],
)
async def test_what_is_not_completed_and_merged_names_no_merge_commit(
    host: FakeHost, fields: dict[str, object], state: ChangeState
) -> None:
    host.always(answer({**PULL, **fields}))
    change = await azure_devops(host.http()).pull_requests.get(412)
    assert (change.state, change.merge_sha) == (state, None)


async def test_labels_are_asked_for_where_the_pull_request_comes_without_them(host: FakeHost) -> None:
    host.on("GET", PULL_PATH + r"\?.*", answer({key: value for key, value in PULL.items() if key != "labels"}))
    host.on("GET", PULL_PATH + r"/labels\?.*", listed({"id": "1", "name": "bug"}))
    assert (await azure_devops(host.http()).pull_requests.get(412)).labels == ("bug",)


async def test_the_branch_of_a_fork_is_distinguished(host: FakeHost) -> None:
    host.always(answer({**PULL, "forkSource": {"name": "refs/heads/x"}}))
    assert (await azure_devops(host.http()).pull_requests.get(412)).from_fork


async def test_changed_files_are_those_of_the_newest_push_over_all_pages(host: FakeHost) -> None:
    host.on("GET", PULL_PATH + r"/iterations\?.*", listed({"id": 1}, {"id": 3}, {"id": 2}))
    first = [
        {"changeType": "edit", "item": {"path": "/src/a.py"}},
        {"changeType": "add", "item": {"path": "/src", "isFolder": True}},
        {"changeType": "rename", "item": {"path": "/new.py"}, "originalPath": "/old.py"},
    ]
    last = [{"changeType": "delete, sourceRename", "item": {"path": "/c.py"}, "sourceServerItem": "/d.py"}]
    host.on("GET", PULL_PATH + r"/iterations/3/changes\?.*skip=0", answer({"changeEntries": first, "nextSkip": 3}))
    host.on("GET", PULL_PATH + r"/iterations/3/changes\?.*skip=3", answer({"changeEntries": last, "nextSkip": 0}))
    changed = await azure_devops(host.http()).pull_requests.changed_files(412)
    assert (changed.paths, changed.complete) == (("src/a.py", "new.py", "old.py", "c.py", "d.py"), True)


async def test_a_pull_request_without_kept_pushes_may_change_anything(host: FakeHost) -> None:
    host.always(listed())
    changed = await azure_devops(host.http()).pull_requests.changed_files(412)
    assert (changed.paths, changed.complete) == ((), False)


async def test_a_host_that_names_pages_without_end_is_left(host: FakeHost) -> None:
    host.on("GET", PULL_PATH + r"/iterations\?.*", listed({"id": 1}))
    host.on("GET", PULL_PATH + r"/iterations/1/changes\?.*", answer({"changeEntries": [], "nextSkip": 1}))
    assert not (await azure_devops(host.http()).pull_requests.changed_files(412)).complete
    assert len(host.requests) == 101


@pytest.mark.parametrize(
    ("bases", "wanted"),
    [
        ([ONE], Ancestry.AHEAD),
        ([OTHER], Ancestry.BEHIND),
        (["3" * 40, "4" * 40], Ancestry.DIVERGED),
        ([], Ancestry.DIVERGED),
    ],
)
async def test_the_common_ancestors_show_who_contains_whom(host: FakeHost, bases: list[str], wanted: Ancestry) -> None:
    path = rf"{REPOSITORY}/commits/{ONE}/mergebases\?api-version=7.0&otherCommitId={OTHER}"
    host.on("GET", path, listed(*({"commitId": one} for one in bases)))
    assert await azure_devops(host.http()).revisions.compare(ONE, OTHER) is wanted


@pytest.mark.parametrize(
    ("status", "key"), [(404, "GitCommitDoesNotExistException"), (400, "GitObjectDoesNotExistException")]
)
async def test_a_commit_that_the_host_does_not_know_is_unknown_where_the_repository_is_seen(
    host: FakeHost, status: int, key: str
) -> None:
    host.on("GET", ".*/mergebases.*", answer({"message": "TF401035: does not exist", "typeKey": key}, status))
    host.on(
        "GET",
        rf"{REPOSITORY}\?.*",
        answer({"id": "r-1", "name": "web", "project": {"id": "p-1", "name": "acme"}}),
        answer({}, 404),
    )
    revisions = azure_devops(host.http()).revisions
    assert await revisions.compare(ONE, OTHER) is Ancestry.UNKNOWN
    with pytest.raises(ProviderNotFound):
        await revisions.compare(ONE, OTHER)


async def test_an_abbreviation_is_completed_from_the_newest_commits(host: FakeHost) -> None:
    commits = [{"commitId": "abc1234" + "0" * 33}, {"commitId": "abc1235" + "0" * 33}]
    host.always(listed(*commits))
    revisions = azure_devops(host.http()).revisions
    assert await revisions.resolve("ABC1234") == "abc1234" + "0" * 33
    assert await revisions.resolve("abc123") is None
    assert await revisions.resolve("fff") is None


async def test_an_abbreviation_that_may_be_older_than_what_was_searched_is_not_called_unknown(host: FakeHost) -> None:
    host.always(listed(*({"commitId": f"{number:040x}"} for number in range(1000))))
    with pytest.raises(ProviderNotFound, match="newest 3000 commits"):
        await azure_devops(host.http()).revisions.resolve("abc1234")
    assert len(host.requests) == 3


async def test_a_whole_hash_is_asked_for_on_whichever_branch_it_is(host: FakeHost) -> None:
    host.on("GET", rf"{REPOSITORY}/commits\?.*", listed(*({"commitId": f"{number:040x}"} for number in range(1000))))
    host.on("GET", rf"{REPOSITORY}/commits/{'A' * 40}\?.*", answer({"commitId": "a" * 40, "comment": "on staging"}))
    host.on("GET", rf"{REPOSITORY}\?.*", answer({"id": "x"}))
    revisions = azure_devops(host.http()).revisions
    assert await revisions.resolve("A" * 40) == "a" * 40
    assert len(host.requests) == 1
    assert await revisions.resolve("b" * 40) is None
    host.on("GET", rf"{REPOSITORY}\?.*", answer({"message": "TF401019"}, 404))
    with pytest.raises(ProviderNotFound):
        await revisions.resolve("b" * 40)


async def test_the_newest_of_all_statuses_counts_whatever_they_link_to(host: FakeHost) -> None:
    def row(number: int, name: str, state: str) -> dict[str, object]:
        context = {"genre": "pilotage", "name": name}
        return {"id": number, "state": state, "context": context, "targetUrl": "https://x/same"}

    host.always(listed(row(3, "dev", "succeeded"), row(1, "dev", "pending"), row(2, "prod", "failed")))
    newest = await azure_devops(host.http()).commit_statuses.newest(ONE)
    assert {context: status.state for context, status in newest.items()} == {
        "pilotage/dev": StatusState.SUCCESS,
        "pilotage/prod": StatusState.FAILURE,
    }
    # Of statuses that link to one address this would leave out all but one.
    assert "latestOnly" not in host.requests[0].url.params


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("notSet", StatusState.PENDING),
        ("pending", StatusState.PENDING),
        ("notApplicable", StatusState.SUCCESS),
        ("error", StatusState.ERROR),
        ("somethingNew", StatusState.ERROR),
    ],
)
async def test_the_hosts_states_are_read(host: FakeHost, state: str, wanted: StatusState) -> None:
    host.always(listed({"id": 1, "state": state, "context": {"name": "ci"}}))
    newest = await azure_devops(host.http()).commit_statuses.newest(ONE)
    assert newest["ci"].state is wanted


@pytest.mark.parametrize(
    ("context", "genre", "name"),
    [
        ("pilotage/dev", "pilotage", "dev"),
        ("pilotage/dev/web", "pilotage", "dev/web"),
        ("other", "status", "other"),
        ("status/x", "status", "status/x"),
        ("/x", "status", "/x"),
    ],
)
async def test_a_context_is_written_in_the_hosts_two_parts_and_read_back(
    host: FakeHost, context: str, genre: str, name: str
) -> None:
    host.always(answer({}, 201))
    statuses = azure_devops(host.http()).commit_statuses
    await statuses.set(ONE, CommitStatus(context=context, state=StatusState.ERROR, description="x"))
    sent = host.body()
    assert isinstance(sent, dict)
    assert (sent["context"], sent["state"]) == ({"genre": genre, "name": name}, "error")
    assert "targetUrl" not in sent
    host.always(listed({"id": 1, "state": "error", "context": sent["context"]}))
    assert set(await statuses.newest(ONE)) == {context}


async def test_texts_of_a_status_are_kept_within_the_hosts_limits(host: FakeHost) -> None:
    host.always(answer({}, 201))
    long = CommitStatus(
        context="pilotage/" + "x" * 200,
        state=StatusState.PENDING,
        description="y" * 3000,
        url="https://x/" + "z" * 3000,
    )
    await azure_devops(host.http()).commit_statuses.set(ONE, long)
    sent = host.body()
    assert isinstance(sent, dict)
    assert len(sent["context"]["name"]) == 128
    listing = listed({"id": 1, "state": "pending", "context": sent["context"]})
    host.always(listing)
    made = azure_devops(host.http())
    assert set(await made.commit_statuses.newest(ONE)) == {made.capabilities.listed_context(long.context)}
    assert (len(sent["description"]), sent["description"][-1]) == (2048, "…")
    assert "targetUrl" not in sent


async def test_only_missing_labels_are_added_one_call_each(host: FakeHost) -> None:
    host.on("GET", ".*/labels.*", listed({"id": "1", "name": "Feature"}))
    host.on("POST", ".*/labels.*", answer({"id": "2", "name": "promoted/dev"}))
    there = await azure_devops(host.http()).labels.add(412, ["feature", "promoted/dev"])
    assert there == ("Feature", "promoted/dev")
    assert [host.body(number) for number in (1,)] == [{"name": "promoted/dev"}]
    assert len(host.requests) == 2


async def test_a_label_is_removed_by_its_id_since_its_name_holds_a_slash(host: FakeHost) -> None:
    host.on("GET", ".*/labels.*", listed({"id": "guid-1", "name": "Promoted/dev"}))
    host.on("DELETE", ".*", answer({}, 404))
    labels = azure_devops(host.http()).labels
    await labels.remove(412, "promoted/dev")
    await labels.remove(412, "not/there")
    deleted = [path for path in host.paths() if path.startswith("DELETE")]
    assert deleted == [f"DELETE {REPOSITORY}/pullRequests/412/labels/guid-1?api-version=7.0"]


def thread(number: int, *comments: dict[str, object], **fields: object) -> dict[str, object]:
    return {"id": number, "comments": list(comments), **fields}


def comment(number: int, author: str = ME, **fields: object) -> dict[str, object]:
    return {"id": number, "author": {"id": author}, "content": f"text {number}", "commentType": "text", **fields}


async def test_own_comments_are_those_of_the_credentials_account_in_all_threads(host: FakeHost) -> None:
    host.on("GET", ".*/connectionData.*", answer({"authenticatedUser": {"id": ME.lower()}}))
    host.on(
        "GET",
        ".*/threads.*",
        listed(
            thread(20, comment(1, "somebody"), comment(2)),
            thread(10, comment(1)),
            thread(11, comment(1), isDeleted=True),
            thread(12, comment(1, isDeleted=True), comment(2, commentType="system")),
        ),
    )
    comments = azure_devops(host.http()).comments
    listed_ = await comments.own(412)
    assert [one.id for one in listed_] == ["412/10/1", "412/20/2"]
    assert all(one.account_known for one in listed_)
    await comments.own(412)
    assert len([path for path in host.paths() if "connectionData" in path]) == 1
    assert host.requests[0].url.params["api-version"] == "7.0-preview"


async def test_a_comments_id_leads_to_its_thread_and_pull_request(host: FakeHost) -> None:
    host.on("POST", ".*/threads.*", answer(thread(147, comment(1, content="hello"))))
    host.on("PATCH", ".*", answer(comment(1)))
    comments = azure_devops(host.http()).comments
    created = await comments.create(412, "hello")
    assert created == Comment(id="412/147/1", body="hello")
    sent = host.body()
    assert isinstance(sent, dict)
    # An active thread would keep the pull request from being completed under a common policy.
    assert "status" not in sent
    await comments.update(created, "edited")
    assert host.paths()[-1] == f"PATCH {REPOSITORY}/pullRequests/412/threads/147/comments/1?api-version=7.0"
    assert host.body() == {"content": "edited"}


@pytest.mark.parametrize("identifier", ["", "147", "412/147", "412/../1", "412/147/1/2", "412/147/x"])
async def test_an_id_that_is_none_of_this_host_is_not_found_and_nothing_is_sent(
    host: FakeHost, identifier: str
) -> None:
    comments = azure_devops(host.http()).comments
    with pytest.raises(ProviderNotFound):
        await comments.get(identifier)
    with pytest.raises(ProviderNotFound):
        await comments.update(Comment(id=identifier, body=""), "x")
    assert host.requests == []


async def test_a_deleted_comment_is_not_found(host: FakeHost) -> None:
    host.always(answer(comment(1, isDeleted=True)))
    with pytest.raises(ProviderNotFound):
        await azure_devops(host.http()).comments.get("412/147/1")


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(203, **SIGN_IN),  # type: ignore[arg-type]
        httpx.Response(302, headers={"location": "https://sps.dev.azure.com/_signin?realm=dev.azure.com"}),
        httpx.Response(302, headers={"location": "https://login.microsoftonline.com/x/oauth2/authorize"}),
        answer({"message": "TF400813: not authorized"}, 401),
    ],
    ids=["page", "redirect", "redirect to entra", "401"],
)
async def test_an_answer_that_wants_people_to_sign_in_is_a_credential_that_is_not_accepted(
    host: FakeHost, reply: httpx.Response
) -> None:
    host.always(reply)
    scm = azure_devops(host.http())
    for operation in (scm.check(), scm.pull_requests.get(1), scm.comments.create(1, "x"), scm.labels.add(1, ["x"])):
        with pytest.raises(ProviderUnauthorized) as raised:
            await operation
        assert raised.value.status == 401
        assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(("method", "kind"), [("GET", ProviderMalformed), ("POST", ProviderMisconfigured)])
async def test_another_redirect_is_not_followed_and_is_no_bad_credential(
    host: FakeHost, method: str, kind: type[Exception]
) -> None:
    host.always(httpx.Response(302, headers={"location": "https://elsewhere.example.com/umbrella"}))
    scm = azure_devops(host.http())
    with pytest.raises(kind):
        await (scm.check() if method == "GET" else scm.comments.create(1, "x"))
    assert {request.url.host for request in host.requests} == {"dev.azure.com"}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("GitNeedsPermissionException", ProviderUnauthorized),
        ("GitPullRequestUpdateRejectedByPolicyException", ProviderRejected),
    ],
)
async def test_a_policy_is_distinguished_from_a_missing_permission(
    host: FakeHost, key: str, kind: type[Exception]
) -> None:
    message = "TF401027: You need the Git 'PullRequestContribute' permission to perform this action."
    host.always(answer({"message": message, "typeKey": key}, 403))
    with pytest.raises(kind, match="PullRequestContribute"):
        await azure_devops(host.http()).comments.create(1, "x")


async def test_the_secrets_base64_form_is_hidden_in_what_the_host_answers(host: FakeHost) -> None:
    encoded = base64.b64encode(f":{TOKEN}".encode()).decode()
    host.always(answer({"message": f"no: {encoded}"}, 400))
    with pytest.raises(ProviderRejected) as raised:
        await azure_devops(host.http()).check()
    assert encoded not in str(raised.value)


async def test_a_disabled_repository_is_not_accepted(host: FakeHost) -> None:
    host.always(answer({"id": "r-1", "name": "web", "project": {"id": "p-1", "name": "acme"}, "isDisabled": True}))
    with pytest.raises(ProviderRejected, match="disabled"):
        await azure_devops(host.http()).check()


@pytest.mark.parametrize(
    ("denied", "right"), [(4, "Contribute, which commit"), (16_384, "Contribute to pull requests, which labels")]
)
async def test_a_permission_that_the_account_misses_is_named(host: FakeHost, denied: int, right: str) -> None:
    host.on("GET", rf"{REPOSITORY}\?.*", answer({"id": "r-1", "name": "web", "project": {"id": "p-1", "name": "acme"}}))
    host.on("GET", r"/umbrella/_apis/permissions/.*", answer({"count": 1, "value": [True]}))
    host.on("GET", rf"/umbrella/_apis/permissions/[0-9a-f-]+/{denied}\?.*", answer({"count": 1, "value": [False]}))
    with pytest.raises(ProviderUnauthorized, match=right):
        await azure_devops(host.http()).check()
    assert host.requests[-1].url.params["tokens"] == "repoV2/p-1/r-1"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_permission_that_may_not_be_asked_about_is_not_reported_as_missing(host: FakeHost, status: int) -> None:
    host.on("GET", rf"{REPOSITORY}\?.*", answer({"id": "r-1", "name": "web", "project": {"id": "p-1", "name": "acme"}}))
    host.on("GET", r"/umbrella/_apis/permissions/.*", answer({"message": "no"}, status))
    assert await azure_devops(host.http()).check() == "acme/web"


async def test_a_budget_that_is_nearly_spent_is_shown(host: FakeHost) -> None:
    # The host sends these headers only then.
    budget = {"x_ratelimit_resource": "Git", "x_ratelimit_delay": "0.5", "x_ratelimit_limit": "200"}
    host.always(answer(PULL, **budget, x_ratelimit_remaining="7", x_ratelimit_reset="4102444800"))  # type: ignore[arg-type]
    await azure_devops(host.http()).pull_requests.get(412)
    labels = {"scm_provider": "github", "scm_provider_namespace": "shop", "scm_provider_kind": "ScmProvider"}
    assert REGISTRY.get_sample_value("scm_calls_rate_limit_limit", labels) == 200
    assert REGISTRY.get_sample_value("scm_calls_rate_limit_remaining", labels) == 7
    assert (REGISTRY.get_sample_value("scm_calls_rate_limit_reset_remaining_seconds", labels) or 0) > 0


async def test_a_request_to_wait_is_taken_as_long_as_it_asks(host: FakeHost) -> None:
    host.always(answer({"message": "TF400733: The request has been canceled"}, 429, retry_after="30"))
    with pytest.raises(ProviderRateLimited) as raised:
        await azure_devops(host.http()).pull_requests.get(412)
    assert raised.value.retry_after == timedelta(seconds=30)


async def test_a_provider_is_proved_by_its_account(host: FakeHost) -> None:
    host.always(answer({"authenticatedUser": {"id": ME, "providerDisplayName": "Pilotage"}}))
    assert await azure_devops(host.http(), project="").check() == "Pilotage"
    assert host.paths() == ["GET /umbrella/_apis/connectionData?api-version=7.0-preview"]


async def test_a_delayed_answer_is_awaited_longer_than_other_hosts(host: FakeHost) -> None:
    # The host delays answers, by up to half a minute, before it refuses calls.
    asked: list[float] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.extensions["timeout"]["read"])
        return answer({"id": "r-1", "name": "web", "project": {"id": "p-1", "name": "acme"}})

    host.always(handle)
    await azure_devops(host.http()).check()
    assert set(asked) == {45.0}


async def test_an_answer_that_never_comes_is_given_up(host: FakeHost) -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError(request)

    options: dict[str, object] = {"transport": httpx.MockTransport(hang), "slow_timeout": SHORT}
    with pytest.raises(ProviderUnavailable) as raised:
        await azure_devops(host.http(options)).check()
    assert raised.value.status == 504
