"""Minimal valid answers of each kind of host, by method and path, for all that an adapter asks."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

KEY = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
SHA = "1" * 40
OLDER = "2" * 40


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; `body` is JSON unless it is bytes, and a list of lines for a stream."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    lines: bool = False

    @property
    def all_headers(self) -> Mapping[str, str]:
        """Return the headers with the host's own clock."""
        return {"date": "Thu, 01 Feb 2024 10:00:00 GMT", **self.headers}

    def encoded(self) -> bytes:
        """Return the body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        if self.body is None:
            return b""
        if self.lines and isinstance(self.body, list):
            return b"".join(json.dumps(line).encode() + b"\n" for line in self.body)
        return json.dumps(self.body).encode()


@dataclass(frozen=True, kw_only=True)
class Route:
    """What is answered to a method and a raw path, query left out."""

    request: re.Pattern[str]
    answer: Answer


def _routes(table: Mapping[str, Answer | object]) -> tuple[Route, ...]:
    return tuple(
        Route(request=re.compile(pattern), answer=given if isinstance(given, Answer) else Answer(body=given))
        for pattern, given in table.items()
    )


_USER = {"login": "pilotage-bot", "id": 7}
_COMMENT = {"id": 9, "body": "### Pilotage: Testing", "user": _USER, "created_at": "2024-02-01T10:00:00Z"}
_EVENTS = [
    {"id": 5, "event": "labeled", "actor": {"login": "mona"}, "label": {"name": "pilotage/hold"},
     "created_at": "2024-02-01T10:00:00Z"},
    {"id": 6, "event": "closed", "actor": None, "created_at": "2024-02-01T10:00:00Z"},
]  # fmt: skip
_LABELS = [{"name": "bug"}, {"name": "pilotage/testing"}]
_GITHUB_RUN = {
    "id": 42, "html_url": "https://github.example.com/acme/web/actions/runs/42", "display_title": KEY,
    "status": "completed", "conclusion": "failure", "run_number": 3, "run_attempt": 2,
    "created_at": "2024-02-01T10:00:00Z", "head_branch": "main", "actor": _USER, "event": "workflow_dispatch",
}  # fmt: skip
_WORKFLOW_FILE = b"name: e2e\nrun-name: e2e ${{ inputs.promotion_key }}\non: workflow_dispatch\n"
_CHECK_RUN = {
    "name": "pilotage/dev", "details_url": "https://example.com", "output": {"title": "x", "summary": "x"},
    "app": {"slug": "pilotage", "external_url": "https://pilotage.example.com"},
}  # fmt: skip
_PAGED = {"link": '<https://github.example.com/api/v3/x?page=1>; rel="prev"'}
_EXPIRES = "2099-01-01T00:00:00Z"

_OPEN_PULL = {
    "number": 2, "title": "A title", "state": "open", "user": _USER, "mergeable": True, "body": "A body",
    "html_url": "https://github.example.com/acme/web/pull/2", "merge_commit_sha": SHA,
    "head": {"sha": OLDER, "ref": "feature", "repo": {"full_name": "acme/web"}},
    "base": {"ref": "main", "repo": {"full_name": "acme/web"}}, "labels": _LABELS,
    "updated_at": "2024-02-01T10:00:00Z", "merged_at": None,
}  # fmt: skip

GITHUB = _routes({
    r"GET .*/pulls": Answer(headers=_PAGED, body=[_OPEN_PULL, {**_OPEN_PULL, "number": 3, "head": {
        "sha": OLDER, "ref": "feature", "repo": None,
    }}]),
    r"POST /refusing/.*/pulls": Answer(status=422, body={"message": "Validation Failed", "errors": [
        {"resource": "PullRequest", "code": "custom", "message": "No commits between main and proposed"},
    ]}),
    r"POST .*/pulls": Answer(status=201, body=_OPEN_PULL),
    r"GET .*/pulls/2": _OPEN_PULL,
    r"PATCH .*/pulls/1": _OPEN_PULL,
    r"PUT /refusing/.*/merge": Answer(status=405, body={"message": "Base branch was modified. Review and try again."}),
    r"PUT .*/pulls/1/merge": {"sha": SHA, "merged": True, "message": "Pull Request successfully merged"},
    r"POST .*/git/refs": Answer(status=201, body={"ref": "refs/heads/main", "object": {"sha": SHA, "type": "commit"}}),
    r"GET .*/git/ref/heads/main": {"ref": "refs/heads/main", "object": {"sha": SHA, "type": "commit"}},
    r"GET .*/commits": Answer(headers=_PAGED, body=[{"sha": SHA, "commit": {"message": "x\n\ny: z"}}]),
    r"GET .*/contents/deploy/a.yaml": {
        "type": "file", "encoding": "base64", "size": 5, "content": "YTogMQo=\n", "sha": OLDER,
    },
    r"GET .*/pulls/1": Answer(headers={"etag": 'W/"abc"', "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, body={
        "number": 1, "title": "A title", "state": "closed", "merged": True, "merged_at": "2024-02-01T10:00:00Z",
        "user": _USER, "html_url": "https://github.example.com/acme/web/pull/1", "merge_commit_sha": SHA,
        "head": {"sha": OLDER, "ref": "feature"}, "base": {"ref": "main"}, "labels": _LABELS,
    }),
    r"GET .*/pulls/1/files": Answer(headers=_PAGED, body=[
        {"filename": "a/b.py"}, {"filename": "a/c.py", "previous_filename": "a/d.py", "status": "renamed"},
    ]),
    r"GET .*/deployments": [{"id": 31, "sha": SHA, "task": "deploy:pilotage"}],
    r"POST .*/deployments": Answer(status=201, body={"id": 32}),
    r"GET .*/deployments/3[12]/statuses": [{"id": 1, "state": "in_progress", "description": "x"}],
    r"POST .*/deployments/3[12]/statuses": Answer(status=201, body={"id": 2}),
    r"GET .*/compare/.*": {"status": "ahead", "ahead_by": 1},
    r"GET .*/commits/[^/]+": {"sha": SHA},
    r"GET .*/commits/[^/]+/status": Answer(headers=_PAGED, body={"state": "success", "statuses": [
        {"context": "pilotage/dev", "state": "success", "description": "x", "target_url": "https://example.com"},
    ]}),
    r"POST .*/statuses/.*": Answer(status=201, body={"id": 1}),
    r"GET .*/commits/[^/]+/check-runs": Answer(headers=_PAGED, body={"total_count": 2, "check_runs": [
        {**_CHECK_RUN, "id": 61, "status": "completed", "conclusion": "success"},
        {**_CHECK_RUN, "id": 62, "status": "in_progress"},
    ]}),
    r"POST .*/check-runs": Answer(status=201, body={"id": 63}),
    r"PATCH .*/check-runs/62": {"id": 62},
    r"GET .*/issues/1/labels": Answer(headers=_PAGED, body=_LABELS),
    r"POST .*/issues/1/labels": _LABELS,
    r"POST .*/repos/acme/web/labels": Answer(status=201, body=_LABELS[0]),
    r"DELETE .*/issues/1/labels/.*": _LABELS,
    r"GET .*/issues/1/comments": Answer(headers=_PAGED, body=[_COMMENT, {**_COMMENT, "user": {"login": "mona"}}]),
    r"GET .*/issues/1/events": _EVENTS,
    r"GET .*/collaborators/8/permission": {"permission": "write", "role_name": "maintain"},
    r"GET .*/orgs/acme/teams/release/memberships/8": {"state": "active", "role": "member"},
    r"POST .*/issues/comments/9/reactions": Answer(status=201, body={"id": 1, "content": "+1"}),
    r"GET .*/issues/comments/.*": _COMMENT,
    r"POST .*/issues/1/comments": Answer(status=201, body=_COMMENT),
    r"PATCH .*/issues/comments/.*": _COMMENT,
    r"GET .*/repos/acme/web": {"full_name": "acme/web", "default_branch": "main"},
    r"GET /installation/.*/user": Answer(status=403, body={"message": "Resource not accessible by integration"}),
    r"POST /refusing/.*/graphql": {"errors": [{"type": "STALE_DATA", "message": "Expected branch to point to \"x\""}]},
    r"POST .*/graphql": {"data": {
        "viewer": {"login": "pilotage[bot]"}, "createCommitOnBranch": {"commit": {"oid": SHA}},
    }},
    r"GET .*/user": _USER,
    r"GET .*/app": {"slug": "pilotage", "id": 1},
    r"GET .*/installation": {"id": 5},
    r"POST .*/access_tokens": Answer(status=201, body={
        "token": "minted-token", "expires_at": _EXPIRES, "permissions": {"checks": "write", "contents": "read"},
    }),
    r"GET .*/actions/workflows/e2e.yml/runs": Answer(headers=_PAGED, body={
        "total_count": 2, "workflow_runs": [{**_GITHUB_RUN, "id": 41, "display_title": "another"}, _GITHUB_RUN],
    }),
    r"POST .*/actions/workflows/e2e.yml/dispatches": Answer(
        headers={"x-github-enterprise-version": "3.19.2"},
        body={"workflow_run_id": 42, "html_url": "https://github.example.com/acme/web/actions/runs/42"},
    ),
    r"GET .*/actions/runs/42": _GITHUB_RUN,
    r"GET .*/actions/runs/42/jobs": {"jobs": [{"name": "unit", "conclusion": "failure"}, {"name": "lint"}]},
    r"POST .*/actions/runs/42/cancel": Answer(status=202, body={}),
    r"GET .*/actions/workflows/e2e.yml": {"path": ".github/workflows/e2e.yml"},
    r"GET .*/contents/.*": Answer(headers={"content-type": "application/vnd.github.raw"}, body=_WORKFLOW_FILE),
    r"GET .*/actions/runs": {"total_count": 1, "workflow_runs": [_GITHUB_RUN]},
})  # fmt: skip

_PAGE_AT_BITBUCKET = {"page": 1, "pagelen": 100, "size": 2}
_BITBUCKET_USER = {"type": "user", "uuid": "{7}", "nickname": "pilotage-bot", "display_name": "Pilotage"}
_BITBUCKET_COMMENT = {
    "id": 9, "deleted": False, "content": {"raw": "### Pilotage: Testing"}, "user": _BITBUCKET_USER,
    "created_on": "2024-02-01T10:00:00.651662+00:00", "updated_on": "2024-02-01T10:00:00.653095+00:00",
}  # fmt: skip
_BITBUCKET_SIDE = {"repository": {"full_name": "acme/web"}, "commit": {"hash": OLDER[:12]}}
_BITBUCKET_STATUS = {"key": "pilotage/dev", "name": "pilotage/dev", "state": "SUCCESSFUL", "url": "https://example.com"}
_BITBUCKET_SCOPES = {"required": ["pullrequest"], "granted": ["repository"]}

_BITBUCKET_PULL = {
    "id": 1, "title": "A title", "state": "MERGED", "author": _BITBUCKET_USER, "merge_commit": {"hash": SHA[:12]},
    "source": {"branch": {"name": "feature"}, **_BITBUCKET_SIDE},
    "destination": {"branch": {"name": "main"}, **_BITBUCKET_SIDE}, "reviewers": [_BITBUCKET_USER],
    "links": {"html": {"href": "https://bitbucket.example.com/acme/web/pull-requests/1"}},
    "updated_on": "2024-02-01T10:00:00Z",
}  # fmt: skip
_BITBUCKET_OPEN = {**_BITBUCKET_PULL, "id": 2, "state": "OPEN", "merge_commit": None}
_BITBUCKET_TASK = "https://bitbucket.example.com/2.0/repositories/acme/web/pullrequests/3/merge/task-status/4"
_BITBUCKET_REFUSAL = Answer(status=400, body={"type": "error", "error": {"message": "Bad request"}})

BITBUCKET_CLOUD = _routes({
    r"POST /refusing/.*/merge": Answer(status=409, body={"type": "error", "error": {"message": "A ref moved"}}),
    r"POST /refusing/.*": _BITBUCKET_REFUSAL,
    r"GET /refusing/.*/acme/web/pullrequests": {**_PAGE_AT_BITBUCKET, "values": []},
    r"GET /refusing/.*/refs/branches/main": {"name": "main", "target": {"hash": SHA}},
    r"GET .*/refs/branches/new": Answer(status=404, body={"type": "error", "error": {"message": "Branch not found"}}),
    r"GET .*/refs/branches/[^/]+": {"name": "main", "target": {"hash": OLDER}},
    r"GET .*/acme/web/pullrequests": {**_PAGE_AT_BITBUCKET, "values": [_BITBUCKET_OPEN]},
    r"POST .*/acme/web/pullrequests": Answer(status=201, body=_BITBUCKET_OPEN),
    r"PUT .*/acme/web/pullrequests/1": _BITBUCKET_PULL,
    r"GET .*/acme/web/pullrequests/[23]": _BITBUCKET_OPEN,
    r"POST .*/pullrequests/2/merge": _BITBUCKET_PULL,
    r"POST .*/pullrequests/3/merge": Answer(status=202, headers={"location": _BITBUCKET_TASK}),
    r"GET .*/merge/task-status/4": {"task_status": "SUCCESS", "merge_result": _BITBUCKET_PULL},
    r"POST .*/pullrequests/1/decline": _BITBUCKET_REFUSAL,
    r"GET .*/acme/web/commits": {**_PAGE_AT_BITBUCKET, "values": [{"hash": SHA, "message": "x"}]},
    r"GET .*/src/[^/]+/a.json": Answer(headers={"content-type": "application/json"}, body={"pagelen": 1}),
    r"POST .*/src": Answer(
        status=201, headers={"location": f"https://bitbucket.example.com/2.0/repositories/acme/web/commit/{SHA}"}
    ),
    r"GET .*/acme/web/pullrequests/1": _BITBUCKET_PULL,
    r"GET .*/pullrequests/1/diffstat": Answer(
        status=302, headers={"location": "https://bitbucket.example.com/2.0/repositories/acme/web/diffstat/1?topic=true"}
    ),
    r"GET .*/diffstat/1": {**_PAGE_AT_BITBUCKET, "values": [
        {"status": "renamed", "old": {"path": "a/b.py"}, "new": {"path": "a/c.py"}},
        {"status": "removed", "old": {"path": "a/d.py"}, "new": None},
    ]},
    r"GET .*/merge-base/3.*": Answer(status=404, body={"type": "error", "error": {"message": "Not found"}}),
    r"GET .*/merge-base/[12].*": {"hash": OLDER},
    r"GET .*/commit/1[^/]*": {"hash": SHA},
    r"GET .*/commit/2[^/]*": {"hash": OLDER},
    r"GET .*/commit/3[^/]*": {"hash": "3" * 40},
    r"GET .*/commit/[^/]+/statuses": {**_PAGE_AT_BITBUCKET, "values": [_BITBUCKET_STATUS]},
    r"POST .*/commit/[^/]+/statuses/build": Answer(status=201, body=_BITBUCKET_STATUS),
    r"GET .*/pullrequests/1/comments": {**_PAGE_AT_BITBUCKET, "values": [
        {**_BITBUCKET_COMMENT, "id": 10, "deleted": True}, _BITBUCKET_COMMENT,
    ]},
    r"(GET|PUT) .*/pullrequests/1/comments/9": _BITBUCKET_COMMENT,
    r"POST .*/pullrequests/1/comments": Answer(status=201, body=_BITBUCKET_COMMENT),
    r"GET .*/repositories/acme/web": {"full_name": "acme/web"},
    r"GET /access-token/.*/user": Answer(status=403, body={"type": "error", "error": {
        "message": "This API is not accessible by this authentication mechanism", "detail": _BITBUCKET_SCOPES,
    }}),
    r"GET .*/user": _BITBUCKET_USER,
    r"GET .*/workspaces/acme/permissions/repositories/web": {**_PAGE_AT_BITBUCKET, "values": [
        {"type": "repository_permission", "permission": "write", "user": {"uuid": "8"}},
    ]},
})  # fmt: skip

_AZURE_COMMENT = {
    "id": 1, "author": {"id": "7", "displayName": "Pilotage"}, "content": "### Pilotage: Testing",
    "commentType": "text", "publishedDate": "2024-02-01T10:00:00.123Z",
    "lastContentUpdatedDate": "2024-02-01T10:00:00.123Z",
}  # fmt: skip
_AZURE_THREAD = {
    "id": 9, "isDeleted": False,
    "comments": [
        _AZURE_COMMENT,
        {"id": 2, "author": {"id": "8"}, "content": "x", "commentType": "system", "isDeleted": True},
    ],
}  # fmt: skip

_AZURE_PULL = {
    "pullRequestId": 2, "title": "A title", "description": "A text", "status": "active", "mergeStatus": "succeeded",
    "createdBy": {"uniqueName": "mona", "displayName": "Mona"}, "sourceRefName": "refs/heads/feature",
    "targetRefName": "refs/heads/main", "lastMergeSourceCommit": {"commitId": OLDER}, "mergeFailureMessage": "why",
    "creationDate": "2024-02-01T10:00:00Z", "closedDate": "2024-02-01T10:00:00Z",
}  # fmt: skip

AZURE_DEVOPS = _routes({
    r"GET .*/_apis/connectionData": {"authenticatedUser": {"id": "7", "providerDisplayName": "Pilotage"}},
    r"POST /refusing/oauth2/v2.0/token": Answer(status=409, body={"error": "conflict", "error_description": "why"}),
    r"POST .*/oauth2/v2.0/token": {"token_type": "Bearer", "expires_in": 3599, "access_token": "entra-token"},
    r"GET .*/repositories/web": {"id": "r-1", "name": "web", "project": {"id": "p-1", "name": "acme"}},
    r"GET .*/_apis/permissions/.*": {"count": 1, "value": [True]},
    r"GET .*/pullrequests/1": {
        **_AZURE_PULL, "status": "completed", "mergeStatus": "succeeded", "lastMergeCommit": {"commitId": SHA},
        "forkSource": {"name": "refs/heads/feature"},
    },
    r"GET .*/pullrequests/2": _AZURE_PULL,
    r"PATCH .*/pullrequests/[12]": {**_AZURE_PULL, "mergeStatus": "queued"},
    r"GET .*/pullrequests": {"count": 1, "value": [_AZURE_PULL]},
    r"POST .*/refusing/.*/pullrequests": Answer(status=409, body={"message": "TF401179: there is one"}),
    r"POST .*/pullrequests": Answer(status=201, body=_AZURE_PULL),
    r"GET .*/refs": {"value": [
        {"name": "refs/heads/main", "objectId": OLDER}, {"name": "refs/heads/proposed", "objectId": SHA},
    ]},
    r"POST .*/refs": {"value": [{"name": "refs/heads/new", "newObjectId": OLDER, "success": True}]},
    r"GET .*/items": Answer(headers={"content-type": "application/octet-stream"}, body=b"a: 1\n"),
    r"POST .*/refusing/.*/pushes": {"refUpdates": [{"success": False, "updateStatus": "staleOldObjectId"}]},
    r"POST .*/pushes": Answer(status=201, body={"commits": [{"commitId": SHA}], "refUpdates": [{"success": True}]}),
    r"GET .*/commits/[^/]+": {"commitId": SHA, "comment": "Write\n\nPilotage-Key: 1"},
    r"GET .*/pullRequests/1/labels": {"count": 1, "value": [{"id": "l-1", "name": "bug", "active": True}]},
    r"POST .*/pullRequests/1/labels": {"id": "l-2", "name": "pilotage/testing"},
    r"DELETE .*/pullRequests/1/labels/l-1": Answer(status=200),
    r"GET .*/pullRequests/1/iterations": {"value": [{"id": 1}, {"id": 2}]},
    r"GET .*/iterations/2/changes": {"changeEntries": [
        {"item": {"path": "/a/b.py"}, "changeType": "edit"},
        {"item": {"path": "/a", "isFolder": True}, "originalPath": "/b", "sourceServerItem": "/c"},
    ], "nextSkip": 0},
    r"GET .*/mergebases": {"value": [{"commitId": OLDER}]},
    r"GET .*/repositories/web/commits": {"value": [
        {"commitId": SHA, "comment": "Write", "commentTruncated": True}, {"commitId": OLDER, "comment": "First"},
    ]},
    r"GET .*/commits/[^/]+/statuses": {"count": 1, "value": [{
        "id": 4, "state": "succeeded", "description": "x", "targetUrl": "https://example.com",
        "context": {"genre": "pilotage", "name": "dev"},
    }]},
    r"POST .*/commits/[^/]+/statuses": Answer(status=201, body={"id": 5}),
    r"GET .*/pullRequests/1/threads": {"value": [_AZURE_THREAD]},
    r"POST .*/pullRequests/1/threads": _AZURE_THREAD,
    r"GET .*/threads/9/comments/1": _AZURE_COMMENT,
    r"PATCH .*/threads/9/comments/1": _AZURE_COMMENT,
    r"POST .*/threads/9/comments/1/likes": Answer(status=200),
    r"GET .*/_apis/projects/acme/teams/release/members": {"count": 1, "value": [{"identity": {"id": "8"}}]},
    r"GET .*/_apis/projects/acme/teams/platform/members": {"count": 1, "value": [
        {"identity": {"id": "9", "descriptor": "vssgp.Uy0x", "isContainer": True}},
    ]},
    r"GET .*/_apis/identities": {"count": 2, "value": [
        {"id": "8", "descriptor": "d;mona", "isActive": True, "memberOf": ["d;platform"]},
        {"id": "9", "descriptor": "d;platform", "isActive": True},
    ]},
    r"GET .*/_apis/accesscontrollists/.*": {"count": 1, "value": [{"acesDictionary": {
        "d;mona": {"descriptor": "d;mona", "extendedInfo": {"effectiveAllow": 6, "effectiveDeny": 1}},
    }}]},
})  # fmt: skip

_LAST = {"size": 1, "limit": 100, "start": 0, "isLastPage": True, "nextPageStart": None}
_SERVER_USER = {"name": "pilotage-bot", "slug": "pilotage-bot", "id": 7}
_SERVER_REPOSITORY = {"slug": "web", "project": {"key": "ACME"}}
_SERVER_PULL = {
    "id": 1, "version": 3, "title": "A title", "description": "x", "state": "MERGED", "author": {"user": _SERVER_USER},
    "fromRef": {"id": "refs/heads/feature", "latestCommit": OLDER, "repository": _SERVER_REPOSITORY},
    "toRef": {"id": "refs/heads/main", "latestCommit": SHA, "repository": _SERVER_REPOSITORY},
    "reviewers": [{"user": _SERVER_USER}], "properties": {"mergeCommit": {"id": SHA}},
    "links": {"self": [{"href": "https://bitbucket.example.com/context/projects/ACME/repos/web/pull-requests/1"}]},
    "updatedDate": 1706781600000, "closedDate": 1706781600000,
}  # fmt: skip
_SERVER_OPEN = {**_SERVER_PULL, "id": 2, "state": "OPEN", "properties": {}}
_SERVER_TEXT = {"version": 1, "author": _SERVER_USER, "createdDate": 1706781600000, "updatedDate": 1706781600000}
_SERVER_COMMENT = {
    **_SERVER_TEXT, "id": 9, "text": "### Pilotage: Testing",
    "comments": [{**_SERVER_TEXT, "id": 10, "text": "nice", "comments": []}],
}  # fmt: skip
_SERVER_STATUS = {"key": "pilotage/dev", "name": "pilotage/dev", "state": "SUCCESSFUL", "url": "https://example.com"}


def _server_refusal(name: str) -> Answer:
    exception = f"com.atlassian.bitbucket.pull.{name}"
    return Answer(status=409, body={"errors": [{"context": None, "message": "no", "exceptionName": exception}]})


BITBUCKET_DATA_CENTER = _routes({
    r"POST /refusing/.*/pull-requests": _server_refusal("EmptyPullRequestException"),
    r"POST /refusing/.*/merge": _server_refusal("PullRequestOutOfDateException"),
    r"GET /refusing/.*/pull-requests": {**_LAST, "values": []},
    r"GET /old/.*/pull-requests/1": {**_SERVER_PULL, "properties": {}},
    r"GET .*/repos/web/pull-requests": {**_LAST, "values": [_SERVER_OPEN]},
    r"POST .*/repos/web/pull-requests": Answer(status=201, body=_SERVER_OPEN),
    r"(GET|PUT) .*/pull-requests/1": _SERVER_PULL,
    r"GET .*/pull-requests/2": _SERVER_OPEN,
    r"POST .*/pull-requests/2/decline": _SERVER_PULL,
    r"GET .*/pull-requests/1/changes": {**_LAST, "values": [
        {"type": "MOVE", "path": {"toString": "a/c.py"}, "srcPath": {"components": ["a", "b.py"]}},
    ]},
    r"GET .*/pull-requests/1/activities": {**_LAST, "values": [
        {"id": 3, "action": "MERGED", "commit": {"id": SHA}},
        {"id": 2, "action": "COMMENTED", "comment": _SERVER_COMMENT}, {"id": 1, "action": "OPENED"},
    ]},
    r"(GET|PUT) .*/pull-requests/1/comments/9": _SERVER_COMMENT,
    r"POST .*/pull-requests/1/comments": Answer(status=201, body=_SERVER_COMMENT),
    r"PUT .*/comment-likes/latest/.*/comments/9/reactions/thumbsup": {"emoticon": {"shortcut": "thumbsup"}},
    r"GET .*/api/latest/admin/groups/more-members": {**_LAST, "values": [{"name": "mona", "slug": "mona", "id": 8}]},
    r"GET .*/api/latest/users": {**_LAST, "values": [{"name": "mona", "slug": "mona", "id": 8}]},
    r"GET .*/compare/commits": {**_LAST, "values": [{"id": SHA}]},
    r"GET .*/repos/web/commits/[^/]+": {"id": SHA},
    r"POST .*/commits/[^/]+/builds": Answer(status=204),
    r"GET .*/build-status/latest/commits/[^/]+": {**_LAST, "values": [_SERVER_STATUS]},
    r"GET .*/projects/acme/repos/web": {"slug": "web"},
    r"GET .*/api/latest/projects": Answer(headers={"x-ausername": "pilotage-bot"}, body={**_LAST, "values": []}),
})  # fmt: skip

_SENT = [{"name": "PROMOTION_KEY", "value": KEY}, {"name": "REVISION", "value": SHA}, {"name": "HIDDEN"}]
_PARAMETERS = [
    {"_class": "hudson.model.ParametersAction", "parameters": _SENT},
    {"_class": "hudson.model.CauseAction", "causes": [{"_class": "hudson.model.Cause$UserIdCause", "userId": "bot"}]},
]
_BUILD = {
    "number": 12, "url": "https://ci.example.com/jenkins/job/web/12/", "queueId": 4, "building": False,
    "result": "ABORTED", "timestamp": 1_700_000_000_000,
    "actions": [*_PARAMETERS, {
        "_class": "org.jenkinsci.InterruptedBuildAction.CauseAction",
        "causes": [{"_class": "Interruption", "shortDescription": "Aborted by mona"}],
    }],
}  # fmt: skip
_OTHER_BUILD = {**_BUILD, "number": 11, "queueId": 6, "actions": []}
_DECLARED = [{"parameterDefinitions": [{"name": "PROMOTION_KEY"}, {"name": "REVISION"}]}]

JENKINS = _routes({
    r"GET .*/queue/api/json": {"items": [{"id": 5, "url": "queue/item/5/", "actions": _PARAMETERS}]},
    r"GET .*/job/web/api/json": {"builds": [_BUILD, _OTHER_BUILD], "property": _DECLARED},
    r"GET .*/job/busy/api/json": {
        "builds": [{**_OTHER_BUILD, "number": 900 - n, "timestamp": 4_000_000_000_000} for n in range(100)],
        "allBuilds": [_BUILD], "property": _DECLARED,
    },
    r"GET .*/queue/item/5/api/json": {"why": "waiting for an executor", "task": {"url": "https://ci.example.com/x"}},
    r"GET .*/queue/item/4/api/json": {"executable": {"number": 12, "url": "https://ci.example.com/jenkins/job/web/12/"}},
    r"GET .*/queue/item/6/api/json": Answer(
        status=404, headers={"content-type": "text/html"}, body=b"<title>Not Found</title>"
    ),
    r"GET .*/job/[a-z]+/11/api/json": _OTHER_BUILD,
    r"GET .*/job/[a-z]+/12/api/json": _BUILD,
    r"GET .*/job/[a-z]+/13/api/json": {**_BUILD, "number": 13, "building": True, "result": None},
    r"GET .*/testReport/api/json": {"failCount": 1, "skipCount": 2, "totalCount": 40},
    r"POST .*/job/[a-z]+/buildWithParameters": Answer(
        status=201, headers={"location": "https://ci.example.com/jenkins/queue/item/5/"}
    ),
    r"GET .*/crumbIssuer/api/json": Answer(
        headers={"set-cookie": "JSESSIONID=abc; Path=/; HttpOnly"},
        body={"crumb": "0123", "crumbRequestField": "Jenkins-Crumb"},
    ),
    r"POST .*/queue/cancelItem": Answer(status=302, headers={"location": "https://ci.example.com/jenkins/queue/"}),
    r"POST .*/job/[a-z]+/1[23]/stop": Answer(status=302, headers={"location": "../"}),
    r"GET .*/jenkins/api/json": Answer(headers={"x-jenkins": "2.504"}, body={"mode": "NORMAL"}),
})  # fmt: skip

_PIPELINE = {
    "id": 77, "iid": 7, "name": KEY, "source": "api", "status": "failed", "web_url": "https://gitlab.example.com/x/77",
    "detailed_status": {"text": "failed"}, "created_at": "2024-02-01T10:00:00Z", "ref": "main",
    "user": {"username": "pilotage"},
}  # fmt: skip
_JOB = {"id": 1, "name": "unit", "failure_reason": "script_failure", "allow_failure": False}
_BRIDGE = {**_JOB, "name": "child", "downstream_pipeline": {"id": 78, "status": "failed", "web_url": "https://x/78"}}
_CI_FILE = b"workflow:\n  name: e2e $PROMOTION_KEY $[[ inputs.promotion_key ]]\njob:\n  script: make\n"
_GITLAB_PAGE = {"x-next-page": "", "link": '<https://gitlab.example.com/x>; rel="first"'}

_GITLAB_USER = {"id": 7, "username": "pilotage", "name": "Pilotage"}
_MERGE_REQUEST = {
    "id": 100, "iid": 1, "project_id": 7, "title": "A title", "state": "merged", "sha": OLDER, "author": _GITLAB_USER,
    "merge_commit_sha": None, "squash_commit_sha": SHA, "source_branch": "feature", "target_branch": "main",
    "source_project_id": 7, "target_project_id": 7, "labels": ["bug", "pilotage/testing"], "changes_count": "2",
    "web_url": "https://gitlab.example.com/acme/web/-/merge_requests/1", "diff_refs": {"head_sha": OLDER},
    "updated_at": "2024-02-01T10:00:00Z", "merged_at": "2024-02-01T10:00:00Z",
}  # fmt: skip
_OPENED = {
    **_MERGE_REQUEST,
    "iid": 2,
    "state": "opened",
    "detailed_merge_status": "mergeable",
    "squash_commit_sha": None,
}
_NOTE = {
    "id": 9, "body": "### Pilotage: Testing", "author": _GITLAB_USER, "system": False,
    "created_at": "2024-02-01T10:00:00Z",
}  # fmt: skip
_GITLAB_DEPLOYMENT = {
    "id": 31, "sha": SHA, "status": "success", "environment": {"id": 5, "name": "staging", "external_url": None},
    "deployable": None,
}  # fmt: skip
_GITLAB_STATUS = {
    "id": 3, "sha": SHA, "name": "pilotage/dev", "status": "running", "description": "x",
    "target_url": "https://example.com",
}  # fmt: skip

GITLAB = _routes({
    r"GET .*/projects/acme%2Fweb": {
        "path_with_namespace": "acme/web", "ci_config_path": "", "archived": False, "merge_method": "merge",
        "squash_option": "default_off", "default_branch": "main",
    },
    r"GET .*/deployments": Answer(
        headers=_GITLAB_PAGE, body=[{**_GITLAB_DEPLOYMENT, "sha": OLDER}, _GITLAB_DEPLOYMENT]
    ),
    r"POST .*/deployments": Answer(status=201, body=_GITLAB_DEPLOYMENT),
    r"PUT .*/deployments/31": _GITLAB_DEPLOYMENT,
    r"PUT .*/environments/5": {"id": 5, "name": "staging"},
    r"POST .*/api/graphql": {"data": {
        "project": {"userPermissions": {"pushCode": True, "createLabel": True}}, "n10": {"lastEditedAt": None},
    }},
    r"GET .*/merge_requests": Answer(headers=_GITLAB_PAGE, body=[_OPENED, {**_OPENED, "source_project_id": None}]),
    r"POST /refusing/.*/merge_requests": Answer(status=409, body={"message": ["Another one exists: !2"]}),
    r"POST .*/merge_requests": Answer(status=201, body={**_OPENED, "sha": None, "diff_refs": None}),
    r"PUT /refusing/.*/merge": Answer(status=405, body={"message": "405 Method Not Allowed"}),
    r"PUT .*/merge_requests/2/merge": {**_MERGE_REQUEST, "iid": 2},
    r"(GET|PUT) .*/merge_requests/2": _OPENED,
    r"GET .*/repository/branches/main": {"name": "main", "commit": {"id": OLDER}},
    r"GET .*/repository/branches/new": Answer(status=404, body={"message": "404 Branch Not Found"}),
    r"GET .*/repository/branches/proposed": {"name": "proposed", "commit": {"id": SHA}},
    r"GET .*/repository/commits": Answer(headers=_GITLAB_PAGE, body=[{"id": SHA, "message": "x\n\ny: z"}]),
    r"POST /refusing/.*/repository/commits": Answer(status=400, body={
        "message": "A file with this name already exists"
    }),
    r"POST .*/repository/commits": Answer(status=201, body={"id": SHA}),
    r"GET .*/repository/files/a.yaml": {
        "file_path": "a.yaml", "encoding": "base64", "content": "YTogMgo=", "last_commit_id": OLDER,
    },
    r"GET .*/repository/files/missing.yaml/raw": Answer(status=404, body={"message": "404 File Not Found"}),
    r"(GET|PUT) .*/merge_requests/1": _MERGE_REQUEST,
    r"GET .*/merge_requests/1/diffs": Answer(headers=_GITLAB_PAGE, body=[
        {"old_path": "a/b.py", "new_path": "a/b.py", "diff": "@@"}, {"old_path": "a/c.py", "new_path": "a/d.py"},
    ]),
    r"GET .*/merge_requests/1/notes": Answer(headers=_GITLAB_PAGE, body=[
        _NOTE, {**_NOTE, "id": 8, "system": True},
        {**_NOTE, "id": 10, "body": "/pilotage hold", "updated_at": "2024-02-01T11:00:00Z"},
    ]),
    r"POST .*/merge_requests/1/notes": Answer(status=201, body=_NOTE),
    r"(GET|PUT) .*/merge_requests/1/notes/9": _NOTE,
    r"POST .*/merge_requests/1/notes/9/award_emoji": Answer(status=201, body={"id": 1, "name": "thumbsup"}),
    r"GET .*/merge_requests/1/resource_label_events": Answer(headers=_GITLAB_PAGE, body=[
        {"id": 5, "user": {"id": 8, "username": "mona"}, "label": {"name": "pilotage/hold"}, "action": "add",
         "created_at": "2024-02-01T10:00:00Z"},
        {"id": 6, "user": {"id": 8, "username": "mona"}, "label": None, "action": "remove",
         "created_at": "2024-02-01T10:00:00Z"},
    ]),
    r"GET .*/members/all/8": {"id": 8, "username": "mona", "access_level": 30, "state": "active"},
    r"POST .*/labels": Answer(status=201, body={"id": 1, "name": "pilotage/testing"}),
    r"GET .*/repository/merge_base": {"id": OLDER},
    r"GET .*/repository/commits/[^/]+": {"id": SHA},
    r"GET .*/repository/commits/[^/]+/statuses": Answer(
        headers=_GITLAB_PAGE, body=[_GITLAB_STATUS, {**_GITLAB_STATUS, "id": 2, "status": "success"}]
    ),
    rf"POST .*/statuses/{OLDER}": Answer(status=400, body={
        "message": "Cannot transition status via :enqueue from :running (Reason(s): Status cannot transition)"
    }),
    r"POST .*/statuses/[^/]+": Answer(status=201, body=_GITLAB_STATUS),
    r"GET .*/projects/acme%2Fweb/pipelines": Answer(
        headers=_GITLAB_PAGE, body=[_PIPELINE, {**_PIPELINE, "id": 76, "name": None}]
    ),
    r"POST .*/(trigger/)?pipeline": Answer(status=201, body=_PIPELINE),
    r"GET .*/pipelines/7[67]": _PIPELINE,
    r"GET .*/pipelines/7[67]/variables": [{"key": "PROMOTION_KEY", "value": KEY}, {"key": "REVISION", "value": SHA}],
    r"GET .*/pipelines/77/jobs": [_JOB],
    r"GET .*/pipelines/77/bridges": [_BRIDGE],
    r"GET .*/pipelines/77/test_report_summary": {"total": {"success": 3, "failed": 1, "error": 0, "skipped": 2}},
    r"POST .*/pipelines/77/cancel": Answer(status=201, body=_PIPELINE),
    r"GET .*/version": {"version": "18.2.0"},
    r"GET .*/user": {"id": 7, "username": "pilotage"},
    r"GET .*/personal_access_tokens/self": {"scopes": ["api"]},
    r"GET .*/repository/files/.*/raw": Answer(headers={"content-type": "text/plain"}, body=_CI_FILE),
})  # fmt: skip

_SOURCE = {
    "repoURL": "https://github.example.com/acme/config", "path": "web", "targetRevision": SHA, "name": "config",
    "kustomize": {"images": ["registry.example.com/web:1.2"]},
    "helm": {"parameters": [{"name": "image.tag", "value": "1.2"}]},
}  # fmt: skip
_RESOURCES = [
    {"kind": "Deployment", "namespace": "shop", "name": "web", "health": {"status": "Degraded", "message": "no pods"}},
    {"kind": "ConfigMap", "namespace": "shop", "name": "old", "requiresPruning": True},
]
_RESULT = {
    "revision": SHA, "source": _SOURCE, "sources": [_SOURCE],
    "resources": [
        {"kind": "Job", "namespace": "shop", "name": "hook", "hookType": "PreSync", "hookPhase": "Failed"},
        {"kind": "Deployment", "namespace": "shop", "name": "web", "status": "SyncFailed", "message": "denied"},
    ],
}  # fmt: skip
APPLICATION = {
    "metadata": {
        "name": "web", "namespace": "argocd", "resourceVersion": "100",
        "ownerReferences": [{"kind": "ApplicationSet", "name": "shop"}],
        "annotations": {"x": "y"}, "labels": {"a": "b"},
    },
    "spec": {"project": "shop", "sources": [_SOURCE], "syncPolicy": {"automated": {"prune": True}}},
    "status": {
        "sync": {"status": "OutOfSync", "revisions": [SHA]}, "health": {"status": "Degraded", "message": "bad"},
        "summary": {"images": ["registry.example.com/web:1.2"]}, "reconciledAt": "2024-02-01T10:00:00Z",
        "history": [{"id": 1, "revisions": [SHA], "sources": [_SOURCE]}], "resources": _RESOURCES,
        "conditions": [{"type": "SyncError", "message": "failed"}, {"type": "OrphanedResourceWarning"}],
        "operationState": {
            "phase": "Failed", "message": "one failed", "finishedAt": "2024-02-01T10:00:00Z", "retryCount": 2,
            "operation": {"info": [{"name": "promotion-key", "value": KEY}], "sync": {"revisions": [SHA]}},
            "syncResult": _RESULT,
        },
    },
}  # fmt: skip
_WINDOW = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h"}
_TRACKED = {"argocd.argoproj.io/tracking-id": "apps:argoproj.io/Application:argocd/web"}
_TRACKED_APPLICATION = {
    **APPLICATION,
    "metadata": {"name": "web", "namespace": "argocd", "annotations": _TRACKED},
    "operation": {"info": [{"name": "promotion-key", "value": KEY}], "sync": {"revision": SHA}},
}

ARGOCD = _routes({
    r"GET .*/v1/applications": {"items": [APPLICATION, _TRACKED_APPLICATION]},
    r"GET .*/applications/web": APPLICATION,
    r"GET .*/applications/tracked": _TRACKED_APPLICATION,
    r"PATCH .*/applications/web": APPLICATION,
    r"POST .*/applications/web/sync": APPLICATION,
    r"GET .*/applications/web/syncwindows": {
        "activeWindows": [_WINDOW], "assignedWindows": [_WINDOW, {**_WINDOW, "kind": "allow"}],
    },
    r"GET .*/applications/allowed/syncwindows": {"assignedWindows": [{**_WINDOW, "kind": "allow"}]},
    r"GET .*/can-i/.*": {"value": "no"},
    r"GET .*/stream/applications": Answer(lines=True, body=[
        {"result": {"type": "ADDED", "application": APPLICATION}},
        {"result": {"type": "MODIFIED", "application": _TRACKED_APPLICATION}},
    ]),
    r"GET .*/version": {"Version": "v3.5.7"},
})  # fmt: skip

_ONE_PAGE = {"x-total-count": "2"}
_GITEA_LABELS = [{"id": 1, "name": "bug"}, {"id": 2, "name": "pilotage/testing"}]

_GITEA_PULL = {
    "number": 2, "title": "A title", "body": "", "state": "open", "merged": False, "merged_at": None,
    "user": _USER, "html_url": "https://git.example.com/acme/web/pulls/2", "merge_commit_sha": None,
    "head": {"sha": OLDER, "ref": "feature", "label": "feature", "repo_id": 7},
    "base": {"ref": "main", "label": "main", "repo_id": 7}, "labels": [], "updated_at": "2024-02-01T10:00:00Z",
}  # fmt: skip

GITEA = _routes({
    r"GET .*/pulls": Answer(headers={"x-total-count": "1"}, body=[_GITEA_PULL]),
    r"POST .*/pulls/1/merge": Answer(status=200),
    r"POST .*/pulls/2/merge": Answer(status=405, body={"message": "Please try again later"}),
    r"POST /refusing/.*/pulls": Answer(status=409, body={"message": "pull request already exists for these targets"}),
    r"POST .*/pulls": Answer(status=201, body=_GITEA_PULL),
    r"GET .*/pulls/2": _GITEA_PULL,
    r"PATCH .*/pulls/1": Answer(status=201, body=_GITEA_PULL),
    r"PATCH .*/pulls/2": Answer(status=412, body={"message": "it still has open dependencies"}),
    r"GET .*/branches/main": {"name": "main", "commit": {"id": OLDER}},
    r"POST .*/branches": Answer(status=201, body={"name": "new", "commit": {"id": OLDER}}),
    r"GET .*/branches/proposed": {"name": "proposed", "commit": {"id": SHA}},
    r"GET .*/contents/.*": {"type": "file", "encoding": "base64", "size": 5, "content": "YTogMQo=", "sha": OLDER},
    r"POST .*/contents": Answer(status=201, body={"files": [], "commit": {"sha": SHA}}),
    r"GET .*/pulls/1": {
        "number": 1, "title": "A title", "state": "closed", "merged": True, "merged_at": "2024-02-01T10:00:00Z",
        "user": _USER, "html_url": "https://git.example.com/acme/web/pulls/1", "merge_commit_sha": SHA,
        "head": {"sha": OLDER, "ref": "refs/pull/1/head", "label": "feature", "repo_id": 7},
        "base": {"ref": "main", "label": "main", "repo_id": 7}, "labels": _GITEA_LABELS,
    },
    r"GET .*/pulls/1/files": Answer(headers=_ONE_PAGE, body=[
        {"filename": "a/b.py"}, {"filename": "a/c.py", "previous_filename": "a/d.py", "status": "renamed"},
    ]),
    r"GET .*/commits": Answer(headers={"x-total-count": "1"}, body=[{"sha": SHA, "commit": {"message": "x"}}]),
    r"GET .*/git/commits/[^/]+": {"sha": SHA},
    r"GET .*/commits/[^/]+/status": Answer(headers=_ONE_PAGE, body={"state": "success", "statuses": [
        {"id": 2, "context": "pilotage/dev", "status": "success", "description": "x", "target_url": "https://x"},
        {"id": 1, "context": "pilotage/dev", "status": "pending", "description": "", "target_url": ""},
    ]}),
    r"POST .*/statuses/.*": Answer(status=201, body={"id": 1}),
    r"GET .*/issues/2/timeline": [],
    r"GET .*/pulls/2/reviews": Answer(headers={"x-total-count": "1"}, body=[{"id": 1, "comments_count": 3}]),
    r"GET .*/issues/1/timeline": Answer(headers=_ONE_PAGE, body=[
        {"id": 5, "type": "label", "body": "1", "user": {"login": "mona"}, "label": {"id": 1, "name": "bug"},
         "created_at": "2024-02-01T10:00:00Z"},
        {"id": 6, "type": "comment", "body": "x", "user": {"login": "mona"}, "created_at": "2024-02-01T10:00:00Z"},
    ]),
    r"GET .*/collaborators/8/permission": {"permission": "write"},
    r"GET .*/orgs/acme/teams": Answer(headers=_ONE_PAGE, body=[
        {"id": 4, "name": "Owners"}, {"id": 5, "name": "release"},
    ]),
    r"GET .*/teams/5/members/8": {"id": 8, "login": "8"},
    r"POST .*/issues/comments/9/reactions": Answer(status=201, body={"content": "+1"}),
    r"GET .*/issues/1/labels": _GITEA_LABELS,
    r"POST .*/issues/1/labels": _GITEA_LABELS,
    r"GET .*/repos/acme/web/labels": Answer(headers=_ONE_PAGE, body=_GITEA_LABELS),
    r"POST .*/repos/acme/web/labels": Answer(status=201, body={"id": 3, "name": "promoted/dev"}),
    r"DELETE .*/issues/1/labels/.*": Answer(status=204),
    r"GET .*/issues/1/comments": [_COMMENT, {**_COMMENT, "user": {"login": "mona"}}],
    r"GET .*/issues/comments/.*": _COMMENT,
    r"POST .*/issues/1/comments": Answer(status=201, body=_COMMENT),
    r"PATCH .*/issues/comments/.*": _COMMENT,
    r"GET .*/repos/acme/web": {"full_name": "acme/web", "permissions": {"push": True, "pull": True}},
    r"GET .*/user": _USER,
})  # fmt: skip

HOSTS: Mapping[str, tuple[Route, ...]] = {
    "gitea": GITEA,
    "github": GITHUB,
    "bitbucketCloud": BITBUCKET_CLOUD,
    "bitbucketDataCenter": BITBUCKET_DATA_CENTER,
    "azureDevOps": AZURE_DEVOPS,
    "githubActions": GITHUB,
    "jenkins": JENKINS,
    "gitlab": GITLAB,
    "gitlabCI": GITLAB,
    "argocd": ARGOCD,
}
"""By the kind that the registry knows."""


def answer_of(kind: str, method: str, path: str) -> Answer | None:
    """Return what the host of a kind answers; None where it knows no such path."""
    asked = f"{method} {path.partition('?')[0]}"
    return next((route.answer for route in HOSTS[kind] if route.request.fullmatch(asked)), None)
