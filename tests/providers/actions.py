"""A repository with one workflow at GitHub Actions, as its tests need it."""

import json

import httpx

from tests.providers.hosts import FakeHost, answer

FLOW = "/repos/acme/web/actions/workflows/e2e.yml"
DISPATCH = f"{FLOW}/dispatches"
DETAILS = answer({"workflow_run_id": 7, "html_url": "https://github.example.com/acme/web/actions/runs/7"})
WITH_KEY = 'on: workflow_dispatch\nrun-name: "e2e ${{ inputs.promotion_key }}"\njobs: {}\n'
WITHOUT_KEY = "on: workflow_dispatch\nrun-name: e2e\njobs: {}\n"


def run(number: int, title: str = "e2e k", **more: object) -> dict[str, object]:
    url = f"https://github.example.com/acme/web/actions/runs/{number}"
    return {"id": number, "display_title": title, "run_number": number, "html_url": url, "run_attempt": 1, **more}


def world(host: FakeHost, *, file: str = WITH_KEY, runs: list[dict[str, object]] | None = None) -> None:
    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web", "default_branch": "main"}))
    host.on("GET", FLOW, answer({"path": ".github/workflows/e2e.yml"}))
    host.on("GET", r"/repos/acme/web/contents/\.github/workflows/e2e\.yml\?ref=main", httpx.Response(200, text=file))
    host.on("GET", rf"{FLOW}/runs\?.*", answer({"total_count": 0, "workflow_runs": runs or []}))


def renamed(host: FakeHost, accepted: httpx.Response = DETAILS) -> None:
    """Let the default branch be `trunk` from now on, and `main` unknown."""

    def start(request: httpx.Request) -> httpx.Response:
        ref = json.loads(request.content)["ref"]
        return accepted if ref == "trunk" else answer({"message": f"No ref found for: {ref}"}, 422)

    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web", "default_branch": "trunk"}))
    host.on("GET", r"/repos/acme/web/contents/.*\?ref=main", answer({"message": "No commit found for the ref"}, 404))
    host.on("GET", r"/repos/acme/web/contents/.*\?ref=trunk", httpx.Response(200, text=WITH_KEY))
    host.on("POST", DISPATCH, start)


def dispatches(host: FakeHost) -> int:
    return sum(path.endswith("/dispatches") for path in host.paths())
