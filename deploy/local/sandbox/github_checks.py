"""Check runs of the GitHub stand-in.

Source: GitHub's REST documentation, page "Check runs".
"""

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_http import Call, not_found, refused
from deploy.local.sandbox.replies import Json, Reply

_STATUSES = ("queued", "in_progress", "completed")
_CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out")
_TITLE_LIMIT = 255
_HOMEPAGE = "https://pilotage.example.com"


def list_check_runs(call: Call) -> Reply:
    """List the check runs of a commit, newest first, of each name the newest alone unless all are asked for."""
    call.want("checks")
    repository, query = call.repository(), call.request.query
    sha = repository.graph.resolve(call.request.match_info["ref"])
    if sha is None:
        raise refused(422, f"No commit found for SHA: {call.request.match_info['ref']}")
    rows = [row for row in reversed(repository.check_runs) if row["head_sha"] == sha]
    if name := query.get("check_name"):
        rows = [row for row in rows if row["name"] == name]
    if query.get("filter", "latest") == "latest":
        rows = list({row["name"]: row for row in reversed(rows)}.values())[::-1]
    page, headers = call.paged(rows)
    return Reply(headers=headers, body={"total_count": len(rows), "check_runs": list(page)})


def create_check_run(call: Call) -> Reply:
    _want_app(call)
    repository, sha = call.repository(), str(call.body.get("head_sha", ""))
    if sha not in repository.graph.commits:
        raise refused(422, f"No commit found for SHA: {sha}")
    if not call.body.get("name"):
        raise refused(422, 'Invalid request.\n\n"name" wasn\'t supplied.')
    number, app = call.state.next_number(), call.state.app
    url = f"{call.web_url}/{repository.full_name}/runs/{number}"
    row: Json = {
        "id": number,
        "node_id": f"CR_{number}",
        "name": call.body["name"],
        "head_sha": sha,
        "external_id": "",
        "url": f"{call.api_url}/repos/{repository.full_name}/check-runs/{number}",
        "html_url": url,
        "details_url": _HOMEPAGE,
        "status": "queued",
        "conclusion": None,
        "started_at": timestamp(call.state.clock.now()),
        "completed_at": None,
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0, "annotations_url": url},
        "app": {"id": app["id"], "slug": "pilotage", "name": "Pilotage", "external_url": _HOMEPAGE},
        "pull_requests": [],
    }
    _change(call, row)
    repository.check_runs.append(row)
    return Reply(status=201, body=row)


def change_check_run(call: Call) -> Reply:
    _want_app(call)
    number = call.number("check_run")
    row = next((row for row in call.repository().check_runs if row["id"] == number), None)
    if row is None:
        raise not_found()
    _change(call, row)
    return Reply(body=row)


def _want_app(call: Call) -> None:
    if call.token is None or call.token.permissions is None:
        raise refused(403, "You must authenticate via a GitHub App.")
    call.want("checks", "write")


def _change(call: Call, row: Json) -> None:
    """Take over the fields of a request; a conclusion ends the run."""
    body = call.body
    status, conclusion = body.get("status", row["status"]), body.get("conclusion")
    if status not in _STATUSES or (status == "completed") != (conclusion is not None):
        raise refused(422, "Invalid request.\n\nFor 'status', 'completed' needs a 'conclusion'.")
    if conclusion is not None and conclusion not in _CONCLUSIONS:
        raise refused(422, f"Invalid request.\n\n{conclusion} is not a member of {list(_CONCLUSIONS)}.")
    if "output" in body:
        title, summary = body["output"].get("title"), body["output"].get("summary")
        if not title or not summary or len(title) > _TITLE_LIMIT:
            raise refused(422, 'Invalid request.\n\n"title", "summary" weren\'t supplied, or are too long.')
        row["output"] = {**row["output"], "title": title, "summary": summary}
    if "details_url" in body:
        if not str(body["details_url"]).startswith(("http://", "https://")):
            raise refused(422, "Validation Failed", errors=[{"resource": "CheckRun", "field": "details_url"}])
        row["details_url"] = body["details_url"]
    row["status"], row["conclusion"] = status, conclusion
    row["completed_at"] = timestamp(call.state.clock.now()) if conclusion else None
