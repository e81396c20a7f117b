"""What each stand-in sends in its webhooks, and how it proves that they are its own."""

import base64
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
    """How one thing stands; another mark is news, which the body reports."""

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
    return [*_pulls(state, of, _like_github), *_runs(state, of, url)]


def _gitlab(state: "SandboxState", of: str, url: str) -> list[Occurrence]:
    return [*_pulls(state, of, _merge_request), *_pipelines(state, of, url)]


def _pulls(state: "SandboxState", of: str, body: Callable[[Pull, str], Json]) -> Iterator[Occurrence]:
    """Generate an occurrence for each pull request; all hosts show those of the same repositories."""
    repository = state.github.repository(of)
    for pull in repository.pulls.values() if repository is not None else ():
        mark = (pull.state, pull.merged_at is not None, pull.head_sha, tuple(pull.labels), pull.title)
        yield Occurrence(key=f"pull/{pull.number}", mark=mark, event=_event(pull), body=body(pull, of))


def _only_pulls(body: Callable[[Pull, str], Json]) -> Callable[["SandboxState", str, str], list[Occurrence]]:
    return lambda state, of, _url: [*_pulls(state, of, body)]


def _event(pull: Pull) -> str:
    if pull.merged_at is not None:
        return "merged"
    return "closed" if pull.state == "closed" else "changed"


def _like_github(pull: Pull, of: str) -> Json:
    """Return the body that GitHub, Gitea and Forgejo send for a pull request."""
    return {
        "action": "closed" if pull.state == "closed" else "synchronize",
        "number": pull.number,
        "pull_request": {
            "number": pull.number,
            "title": pull.title,
            "state": pull.state,
            "merged": pull.merged_at is not None,
            "merge_commit_sha": pull.merge_sha,
            "head": {"sha": pull.head_sha, "ref": pull.head_ref},
            "base": {"ref": pull.base_ref},
            "labels": [{"name": name} for name in pull.labels],
        },
        "repository": {"full_name": of},
    }


def _merge_request(pull: Pull, of: str) -> Json:
    action = {"merged": "merge", "closed": "close", "changed": "update"}[_event(pull)]
    return {
        "object_kind": "merge_request",
        "project": {"path_with_namespace": of},
        "object_attributes": {"iid": pull.number, "title": pull.title, "action": action},
    }


def _bitbucket_cloud(pull: Pull, of: str) -> Json:
    return {"repository": {"full_name": of}, "pullrequest": {"id": pull.number, "title": pull.title}}


def _bitbucket_data_center(pull: Pull, of: str) -> Json:
    project, _, slug = of.partition("/")
    to_ref = {"id": f"refs/heads/{pull.base_ref}", "repository": {"slug": slug, "project": {"key": project}}}
    return {"pullRequest": {"id": pull.number, "title": pull.title, "toRef": to_ref}}


def _azure_devops(pull: Pull, of: str) -> Json:
    project, _, name = of.partition("/")
    event = _event(pull)
    return {
        "eventType": f"git.pullrequest.{'merged' if event == 'merged' else 'updated'}",
        "resource": {
            "pullRequestId": pull.number,
            "title": pull.title,
            "status": {"merged": "completed", "closed": "abandoned", "changed": "active"}[event],
            "repository": {"name": name, "project": {"name": project}},
        },
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
        yield Occurrence(key=f"run/{run.identifier}", mark=status, event="run", body=body)


def _pipelines(state: "SandboxState", of: str, url: str) -> Iterator[Occurrence]:
    project, now = state.gitlab.project(of), state.clock.now()
    for pipeline in project.pipelines.values() if project is not None else ():
        status = pipeline.status(now)
        shown: Json = {
            "id": pipeline.identifier,
            "name": pipeline.name,
            "status": status,
            "url": f"{url}/gitlab/{of}/-/pipelines/{pipeline.identifier}",
            "variables": [{"key": key, "value": value} for key, value in pipeline.variables.items()],
        }
        body: Json = {"object_kind": "pipeline", "object_attributes": shown, "project": {"path_with_namespace": of}}
        yield Occurrence(key=f"run/{pipeline.identifier}", mark=status, event="run", body=body)


def _jenkins(state: "SandboxState", of: str, url: str) -> list[Occurrence]:
    """Return the builds as the Notification plugin sends them."""
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
    """Return the applications as the template of docs/guides/webhooks.md sends them."""
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


_GITHUB = {"run": "workflow_run"}
_BITBUCKET_CLOUD = {"merged": "pullrequest:fulfilled", "closed": "pullrequest:rejected"}
_BITBUCKET_DATA_CENTER = {"merged": "pr:merged", "closed": "pr:declined"}


def _github_headers(event: str, body: bytes, secret: str, delivery: str) -> dict[str, str]:
    signature = f"sha256={_hmac(body, secret)}"
    name = _GITHUB.get(event, "pull_request")
    return {"X-GitHub-Event": name, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": signature}


def _gitlab_headers(event: str, _body: bytes, secret: str, delivery: str) -> dict[str, str]:
    name = "Pipeline Hook" if event == "run" else "Merge Request Hook"
    return {"X-Gitlab-Event": name, "X-Gitlab-Token": secret, "Idempotency-Key": delivery}


def _gitea_headers(event: str, body: bytes, secret: str, delivery: str) -> dict[str, str]:
    """Return Gitea's headers, and GitHub's with them, as Gitea sends both."""
    own = {"X-Gitea-Event": "pull_request", "X-Gitea-Delivery": delivery, "X-Gitea-Signature": _hmac(body, secret)}
    return {**own, **_github_headers(event, body, secret, delivery)}


def _forgejo_headers(event: str, body: bytes, secret: str, delivery: str) -> dict[str, str]:
    return {"X-Forgejo-Signature": _hmac(body, secret), **_gitea_headers(event, body, secret, delivery)}


def _bitbucket_cloud_headers(event: str, body: bytes, secret: str, delivery: str) -> dict[str, str]:
    signature, name = f"sha256={_hmac(body, secret)}", _BITBUCKET_CLOUD.get(event, "pullrequest:updated")
    return {"X-Event-Key": name, "X-Request-UUID": delivery, "X-Hub-Signature": signature}


def _bitbucket_data_center_headers(event: str, body: bytes, secret: str, delivery: str) -> dict[str, str]:
    signature, name = f"sha256={_hmac(body, secret)}", _BITBUCKET_DATA_CENTER.get(event, "pr:modified")
    return {"X-Event-Key": name, "X-Request-Id": delivery, "X-Hub-Signature": signature}


def _basic(_event: str, _body: bytes, secret: str, _delivery: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'pilotage:{secret}'.encode()).decode()}"}


def _bearer(_event: str, _body: bytes, secret: str, _delivery: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _hmac(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


SENDERS: Mapping[str, Sender] = {
    "github": Sender(occurrences=_github, headers=_github_headers),
    "gitlab": Sender(occurrences=_gitlab, headers=_gitlab_headers),
    "gitea": Sender(occurrences=_only_pulls(_like_github), headers=_gitea_headers),
    "forgejo": Sender(occurrences=_only_pulls(_like_github), headers=_forgejo_headers),
    "bitbucketCloud": Sender(occurrences=_only_pulls(_bitbucket_cloud), headers=_bitbucket_cloud_headers),
    "bitbucketDataCenter": Sender(
        occurrences=_only_pulls(_bitbucket_data_center), headers=_bitbucket_data_center_headers
    ),
    "azureDevOps": Sender(occurrences=_only_pulls(_azure_devops), headers=_basic),
    "jenkins": Sender(occurrences=_jenkins, headers=_basic),
    "argocd": Sender(occurrences=_argocd, headers=_bearer),
}
