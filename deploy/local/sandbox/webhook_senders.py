"""What each stand-in tells in its webhooks, and how it proves that they are its own."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.local.sandbox.github_state import Pull
from deploy.local.sandbox.jenkins_views import Views
from deploy.local.sandbox.replies import Json

if TYPE_CHECKING:
    from deploy.local.sandbox.state import SandboxState


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """How one thing stands; another mark is news, which the body tells."""

    key: str
    mark: object
    event: str
    body: Json


@dataclass(frozen=True, kw_only=True)
class Sender:
    """The webhooks of one system."""

    occurrences: Callable[["SandboxState", str, str], list[Occurrence]]
    """Take the state, what the webhook is of, and the sandbox's address."""
    headers: Callable[[str, bytes, str, str], dict[str, str]]
    """Take event, body, secret and the delivery's id."""


def _github(state: "SandboxState", of: str, url: str) -> list[Occurrence]:
    return [*_pulls(state, of), *_runs(state, of, url)]


def _pulls(state: "SandboxState", of: str) -> Iterator[Occurrence]:
    repository = state.github.repository(of)
    for pull in repository.pulls.values() if repository is not None else ():
        merged = pull.merged_at is not None
        mark = (pull.state, merged, pull.head_sha, tuple(pull.labels), pull.title)
        body: Json = {
            "action": "closed" if pull.state == "closed" else "synchronize",
            "number": pull.number,
            "pull_request": _pull(pull),
            "repository": {"full_name": of},
        }
        yield Occurrence(key=f"pull/{pull.number}", mark=mark, event="pull_request", body=body)


def _pull(pull: Pull) -> Json:
    return {
        "number": pull.number,
        "title": pull.title,
        "state": pull.state,
        "merged": pull.merged_at is not None,
        "merge_commit_sha": pull.merge_sha,
        "head": {"sha": pull.head_sha, "ref": pull.head_ref},
        "base": {"ref": pull.base_ref},
        "labels": [{"name": name} for name in pull.labels],
    }


def _runs(state: "SandboxState", of: str, url: str) -> Iterator[Occurrence]:
    repository, now = state.github.repository(of), state.clock.now()
    for run in repository.runs.values() if repository is not None else ():
        status = run.status(now)
        shown: Json = {
            "id": run.identifier,
            "name": run.workflow.name or run.workflow.file_name,
            "display_title": run.display_title,
            "status": status,
            "conclusion": run.conclusion(now),
            "html_url": f"{url}/github/{of}/actions/runs/{run.identifier}",
        }
        body: Json = {
            "action": status if status in ("completed", "in_progress") else "requested",
            "workflow_run": shown,
            "repository": {"full_name": of},
        }
        yield Occurrence(key=f"run/{run.identifier}", mark=status, event="workflow_run", body=body)


def _jenkins(state: "SandboxState", of: str, url: str) -> list[Occurrence]:
    """Tell of builds as the Notification plugin does."""
    state.jenkins.settle()
    now, views = state.clock.now(), Views(state.jenkins, f"{url}/jenkins")
    return [
        Occurrence(
            key=f"{path}/{build.number}",
            mark=build.result(now),
            event="build",
            body={
                "name": path.rpartition("/")[2],
                "url": views.job_url(path),
                "build": {
                    "full_url": views.build_url(job, build),
                    "number": build.number,
                    "phase": "STARTED" if build.building(now) else "FINALIZED",
                    "status": build.result(now),
                    "parameters": build.parameters,
                },
            },
        )
        for path, job in state.jenkins.jobs.items()
        if path.startswith(f"{of}/")
        for build in job.builds.values()
    ]


def _argocd(state: "SandboxState", of: str, _url: str) -> list[Occurrence]:
    """Tell of applications by the template that docs/webhooks.md shows."""
    return [
        Occurrence(
            key=name,
            mark=(shown["sync"], shown["health"], shown["phase"], shown["live"]),
            event="application",
            body={"application": name.rpartition("/")[2], "project": shown["project"]},
        )
        for name, shown in state.argocd.summary().items()
        if name.rpartition("/")[2].startswith(of)
    ]


def _github_headers(event: str, body: bytes, secret: str, delivery: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": f"sha256={digest}"}


def _bearer(_event: str, _body: bytes, secret: str, _delivery: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


SENDERS: Mapping[str, Sender] = {
    "github": Sender(occurrences=_github, headers=_github_headers),
    "jenkins": Sender(occurrences=_jenkins, headers=_bearer),
    "argocd": Sender(occurrences=_argocd, headers=_bearer),
}
