"""Pull requests and files that are written at Azure DevOps, request by request."""

import base64
from collections.abc import Mapping
from datetime import timedelta

import httpx
import pytest

from crds.reasons.vocabulary import MergeMethod
from providers.errors import ProviderBusy, ProviderConflict, ProviderMalformed, ProviderNotFound, ProviderRejected
from providers.models import BranchCommit, FileEdit, Merge, NewCommit, NewPullRequest
from providers.ports import Branches, PullRequestChanges
from tests.providers.hosts import TOKEN, FakeHost, answer, azure_devops

REPOSITORY = "/umbrella/acme/_apis/git/repositories/web"
PULL_PATH = rf"{REPOSITORY}/pullrequests/412\?.*"
HEAD, BASE, MADE = "a" * 40, "c" * 40, "b" * 40
PULL: dict[str, object] = {
    "pullRequestId": 412,
    "title": "Promote",
    "description": "Because.",
    "status": "active",
    "mergeStatus": "succeeded",
    "sourceRefName": "refs/heads/proposed",
    "targetRefName": "refs/heads/main",
    "lastMergeSourceCommit": {"commitId": HEAD},
    "lastMergeCommit": {"commitId": "f" * 40},
}
DONE = {**PULL, "status": "completed", "lastMergeCommit": {"commitId": MADE}}
QUEUED = {**PULL, "mergeStatus": "queued", "lastMergeCommit": None}
WANTED = NewPullRequest(head="proposed", base="main", title="Promote", body="Because.")
MERGE = Merge(head_sha=HEAD, title="Promote", message="Pilotage-Key: 1")


def changes(host: FakeHost) -> PullRequestChanges:
    found = azure_devops(host.http({"settled_within": timedelta(0)})).changes
    assert found is not None
    return found


def branches(host: FakeHost) -> Branches:
    found = azure_devops(host.http()).branches
    assert found is not None
    return found


def listed(*items: object, **headers: str) -> httpx.Response:
    body = {"count": len(items), "value": list(items)}
    return httpx.Response(200, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def refs(**heads: str) -> httpx.Response:
    return listed(*({"name": f"refs/heads/{name}", "objectId": sha} for name, sha in heads.items()))


def sent(host: FakeHost, method: str) -> list[Mapping[str, object]]:
    found = [host.body(number) for number, one in enumerate(host.requests) if one.method == method]
    return [body for body in found if isinstance(body, dict)]


async def test_a_completion_that_goes_on_after_its_answer_is_awaited(host: FakeHost) -> None:
    host.on("GET", PULL_PATH, answer(PULL), answer(QUEUED), answer(QUEUED), answer(DONE))
    host.on("PATCH", PULL_PATH, answer(QUEUED))
    assert await changes(host).merge(412, MERGE) == MADE
    assert sent(host, "PATCH") == [
        {
            "status": "completed",
            "lastMergeSourceCommit": {"commitId": HEAD},
            "completionOptions": {
                "mergeStrategy": "noFastForward",
                "deleteSourceBranch": False,
                "mergeCommitMessage": "Promote\n\nPilotage-Key: 1",
            },
        }
    ]


@pytest.mark.parametrize(("method", "strategy"), [(MergeMethod.SQUASH, "squash"), (MergeMethod.REBASE, "rebase")])
async def test_each_method_has_its_strategy(host: FakeHost, method: MergeMethod, strategy: str) -> None:
    host.on("GET", PULL_PATH, answer(PULL))
    host.on("PATCH", PULL_PATH, answer(DONE))
    assert await changes(host).merge(412, Merge(head_sha=HEAD, method=method)) == MADE
    options = sent(host, "PATCH")[0]["completionOptions"]
    assert options == {"mergeStrategy": strategy, "deleteSourceBranch": False}


async def test_a_merge_that_is_not_done_in_time_is_asked_for_again_later(host: FakeHost) -> None:
    host.on("GET", PULL_PATH, answer(PULL), answer(QUEUED))
    host.on("PATCH", PULL_PATH, answer(QUEUED))
    with pytest.raises(ProviderBusy):
        await changes(host).merge(412, MERGE)
    assert len(sent(host, "PATCH")) == 1


async def test_nothing_is_completed_while_the_host_computes_whether_it_may_be(host: FakeHost) -> None:
    host.on("GET", PULL_PATH, answer(QUEUED))
    with pytest.raises(ProviderBusy):
        await changes(host).merge(412, MERGE)
    assert sent(host, "PATCH") == []


async def test_a_merge_that_an_earlier_call_began_is_found_done(host: FakeHost) -> None:
    host.on("GET", PULL_PATH, answer(QUEUED), answer(DONE))
    assert await changes(host).merge(412, MERGE) == MADE
    assert sent(host, "PATCH") == []


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"mergeStatus": "conflicts"}, ProviderRejected),
        ({"mergeStatus": "rejectedByPolicy", "mergeFailureMessage": f"sent {TOKEN}"}, ProviderRejected),
        ({"mergeStatus": "failure"}, ProviderRejected),
        ({"status": "abandoned"}, ProviderRejected),
        ({"lastMergeSourceCommit": {"commitId": "d" * 40}}, ProviderConflict),
    ],
)
@pytest.mark.parametrize("after_asking", [False, True])
async def test_what_cannot_be_merged_gives_the_reason(
    host: FakeHost, fields: dict[str, object], kind: type[Exception], after_asking: bool
) -> None:
    host.on("GET", PULL_PATH, *([answer(PULL)] if after_asking else []), answer({**PULL, **fields}))
    host.on("PATCH", PULL_PATH, answer(QUEUED))
    with pytest.raises(kind) as raised:
        await changes(host).merge(412, MERGE)
    assert TOKEN not in str(raised.value)
    assert len(sent(host, "PATCH")) == int(after_asking)


async def test_another_head_than_the_host_merges_is_a_conflict(host: FakeHost) -> None:
    host.on("GET", PULL_PATH, answer(PULL))
    host.on("PATCH", PULL_PATH, answer({"message": "TF401192", "typeKey": "GitPullRequestStaleException"}, 409))
    with pytest.raises(ProviderConflict):
        await changes(host).merge(412, MERGE)


async def test_what_somebody_completed_meanwhile_is_merged(host: FakeHost) -> None:
    refusal = answer({"message": "TF401181", "typeKey": "GitPullRequestNotEditableException"}, 400)
    host.on("GET", PULL_PATH, answer(PULL), answer(DONE))
    host.on("PATCH", PULL_PATH, refusal)
    assert await changes(host).merge(412, MERGE) == MADE
    host.on("GET", PULL_PATH, answer(PULL))
    with pytest.raises(ProviderRejected):
        await changes(host).merge(412, MERGE)


async def test_of_several_open_ones_those_between_these_branches_count_and_no_forks(host: FakeHost) -> None:
    others = [
        {**PULL, "pullRequestId": 9, "forkSource": {"name": "refs/heads/proposed"}},
        {**PULL, "pullRequestId": 8, "targetRefName": "refs/heads/other"},
        {**PULL, "pullRequestId": 7, "status": "abandoned"},
    ]
    host.always(listed(PULL, *others, {**PULL, "pullRequestId": 6}))
    assert [one.number for one in await changes(host).find_open("proposed", "main")] == [6, 412]
    asked = host.requests[0].url.params
    assert asked["searchCriteria.sourceRefName"] == "refs/heads/proposed"
    assert asked["searchCriteria.targetRefName"] == "refs/heads/main"


def opening(host: FakeHost, *found: httpx.Response, main: str = BASE) -> None:
    """Answer all that is asked before one is opened."""
    host.on("GET", rf"{REPOSITORY}/pullrequests\?.*", *(found or (listed(),)))
    host.on("GET", rf"{REPOSITORY}/refs\?.*filter=heads%2Fproposed", refs(proposed=HEAD))
    host.on("GET", rf"{REPOSITORY}/refs\?.*filter=heads%2Fmain", refs(main=main))
    host.on("GET", rf"{REPOSITORY}/commits/.*/mergebases\?.*", listed({"commitId": BASE}))


async def test_one_is_opened_with_texts_within_the_hosts_limits(host: FakeHost) -> None:
    opening(host)
    host.on("POST", ".*", answer(PULL, 201))
    wanted = NewPullRequest(head="proposed", base="main", title="t" * 500, body="d" * 5000)
    assert (await changes(host).create(wanted)).number == 412
    body = sent(host, "POST")[0]
    assert (body["sourceRefName"], body["targetRefName"]) == ("refs/heads/proposed", "refs/heads/main")
    assert (len(str(body["title"])), len(str(body["description"]))) == (400, 4000)


async def test_one_that_was_opened_meanwhile_is_returned(host: FakeHost) -> None:
    refusal = answer({"message": "TF401179", "typeKey": "GitPullRequestExistsException"}, 409)
    opening(host, listed(), listed(PULL))
    host.on("POST", ".*", refusal)
    assert (await changes(host).create(WANTED)).number == 412
    opening(host, listed())
    with pytest.raises(ProviderConflict):
        await changes(host).create(WANTED)


async def test_nothing_is_opened_where_the_target_contains_the_source(host: FakeHost) -> None:
    opening(host)
    host.on("GET", rf"{REPOSITORY}/commits/.*/mergebases\?.*", listed({"commitId": HEAD}))
    with pytest.raises(ProviderConflict, match="nothing to merge"):
        await changes(host).create(WANTED)
    assert sent(host, "POST") == []


async def test_a_missing_branch_is_named(host: FakeHost) -> None:
    opening(host)
    host.on("GET", rf"{REPOSITORY}/refs\?.*", refs(other=HEAD))
    with pytest.raises(ProviderNotFound, match="proposed"):
        await changes(host).create(WANTED)


async def test_only_what_differs_is_changed(host: FakeHost) -> None:
    host.always(answer(PULL))
    await changes(host).update(412, title="Promote", body="Because.")
    assert sent(host, "PATCH") == []
    await changes(host).update(412, title="Promote", body="Other.")
    assert sent(host, "PATCH") == [{"description": "Other."}]


@pytest.mark.parametrize(("pull", "wanted"), [(PULL, [{"status": "abandoned"}]), (DONE, [])])
async def test_only_an_open_one_is_closed(host: FakeHost, pull: object, wanted: list[object]) -> None:
    host.always(answer(pull))
    await changes(host).close(412)
    assert sent(host, "PATCH") == wanted


async def test_a_branch_is_found_by_its_whole_name_among_those_that_begin_so_over_pages(host: FakeHost) -> None:
    host.on("GET", r".*/refs\?.*", listed({"name": "refs/heads/main-2", "objectId": BASE}, x_ms_continuationtoken="m"))
    host.on("GET", r".*/refs\?.*continuationToken=m.*", refs(main=HEAD))
    assert await branches(host).head("main") == HEAD
    assert host.requests[0].url.params["filter"] == "heads/main"
    host.on("GET", r".*/refs\?.*continuationToken=m.*", refs())
    assert await branches(host).head("main") is None


async def test_a_host_that_names_pages_of_branches_without_end_is_left(host: FakeHost) -> None:
    host.always(listed(x_ms_continuationtoken="again"))
    with pytest.raises(ProviderMalformed, match="pages"):
        await branches(host).head("main")


async def test_a_message_that_a_list_cut_is_read_whole(host: FakeHost) -> None:
    cut = {"commitId": HEAD, "comment": "Write", "commentTruncated": True}
    host.on("GET", rf"{REPOSITORY}/commits\?.*", listed(cut, {"commitId": BASE, "comment": "First"}))
    host.on("GET", rf"{REPOSITORY}/commits/{HEAD}\?.*", answer({"commitId": HEAD, "comment": "Write\n\nKey: 1"}))
    assert await branches(host).log("main", 5) == (
        BranchCommit(sha=HEAD, message="Write\n\nKey: 1"),
        BranchCommit(sha=BASE, message="First"),
    )


async def test_a_file_is_read_as_its_bytes(host: FakeHost) -> None:
    host.always(httpx.Response(200, content=b"\x00\xff", headers={"content-type": "application/octet-stream"}))
    assert await branches(host).read("deploy/a b.yaml", HEAD) == b"\x00\xff"
    asked = host.requests[0].url.params
    assert (asked["path"], asked["versionDescriptor.version"]) == ("/deploy/a b.yaml", HEAD)
    assert host.requests[0].headers["accept"] == "application/octet-stream"


async def test_a_missing_file_is_distinguished_from_a_missing_commit(host: FakeHost) -> None:
    host.always(answer({"message": "TF401174", "typeKey": "GitItemNotFoundException"}, 404))
    assert await branches(host).read("a.yaml", HEAD) is None
    host.always(answer({"message": "TF401175", "typeKey": "GitUnresolvableToCommitException"}, 404))
    with pytest.raises(ProviderNotFound):
        await branches(host).read("a.yaml", HEAD)


async def test_a_file_that_is_too_large_is_not_read(host: FakeHost) -> None:
    host.always(httpx.Response(200, content=b"x" * (1024 * 1024 + 1)))
    with pytest.raises(ProviderMalformed, match="larger"):
        await branches(host).read("a.yaml", HEAD)


EDITS = (FileEdit(path="new.yaml", content=b"\x00"), FileEdit(path="old.yaml", content=b"b: 2\n"))
COMMIT = NewCommit(branch="main", expected_head=BASE, message="Write", edits=EDITS)


def writing(host: FakeHost, reply: httpx.Response) -> None:
    host.on("GET", r".*/items\?.*new.yaml.*", answer({"typeKey": "GitItemNotFoundException"}, 404))
    host.on("GET", r".*/items\?.*old.yaml.*", answer({"path": "/old.yaml"}))
    host.on("POST", r".*/pushes\?.*", reply)


async def test_files_are_added_or_edited_in_one_push_on_top_of_the_expected_head(host: FakeHost) -> None:
    writing(host, answer({"commits": [{"commitId": MADE}], "refUpdates": [{"newObjectId": MADE}]}, 201))
    assert await branches(host).commit(COMMIT) == MADE
    encoded = [base64.b64encode(edit.content).decode() for edit in EDITS]
    assert sent(host, "POST") == [
        {
            "refUpdates": [{"name": "refs/heads/main", "oldObjectId": BASE}],
            "commits": [
                {
                    "comment": "Write",
                    "changes": [
                        {
                            "changeType": "add",
                            "item": {"path": "/new.yaml"},
                            "newContent": {"content": encoded[0], "contentType": "base64encoded"},
                        },
                        {
                            "changeType": "edit",
                            "item": {"path": "/old.yaml"},
                            "newContent": {"content": encoded[1], "contentType": "base64encoded"},
                        },
                    ],
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        ({"success": False, "updateStatus": "staleOldObjectId"}, ProviderConflict),
        ({"success": False, "updateStatus": "rejectedByPolicy", "customMessage": f"no {TOKEN}"}, ProviderRejected),
        ({"success": False}, ProviderRejected),
    ],
)
async def test_a_branch_that_was_not_moved_is_no_success_though_it_is_answered_with_one(
    host: FakeHost, update: dict[str, object], kind: type[Exception]
) -> None:
    writing(host, answer({"commits": [{"commitId": MADE}], "refUpdates": [update]}, 200))
    with pytest.raises(kind) as raised:
        await branches(host).commit(COMMIT)
    assert TOKEN not in str(raised.value)


async def test_a_branch_that_is_elsewhere_is_a_conflict(host: FakeHost) -> None:
    writing(host, answer({"message": "TF401028", "typeKey": "GitReferenceStaleException"}, 409))
    with pytest.raises(ProviderConflict):
        await branches(host).commit(COMMIT)
