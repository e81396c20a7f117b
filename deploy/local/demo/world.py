"""What the demo starts from: the sandbox's world with an open pull request, and the samples that name its address."""

import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ruamel.yaml import YAML

from deploy.local.demo.hosts import GITHUB, at_host, clone_url
from deploy.local.environment.binaries import Report
from deploy.local.environment.processes import ROOT
from deploy.local.environment.resources import kubectl
from deploy.local.sandbox.seed import (
    DEV_APP,
    MERGE_SHA,
    PREVIOUS_SHA,
    PULL_NUMBER,
    REPOSITORY,
    WEBHOOK_SECRET,
    default_seed,
)

SAMPLES = ROOT / "docs" / "samples" / "main-job"
SAMPLES_SANDBOX = "http://127.0.0.1:18080"
TRACKER_FILE = "60-tracker.yaml"
NAMESPACE, TRACKER = "shop", f"web-{PULL_NUMBER}"
CALL_TIMEOUT_SECONDS = 10.0

# Long enough to be seen at work, and for the kill to meet them there. The optional one fails.
RESULTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("/_jenkins/result", {"job": "web/integration", "result": "SUCCESS", "duration_seconds": 14}),
    ("/_github/result", {"repo": REPOSITORY, "workflow": "e2e.yml", "conclusion": "success", "duration_seconds": 10}),
    ("/_gitlab/result", {"project": REPOSITORY, "status": "failed", "duration_seconds": 4}),
)
HOOKS = (
    ("gitlab", REPOSITORY, "GitRepository/web-gitlab"),
    ("jenkins", "web", "TestRunner/jenkins"),
    ("argocd", "web-", "ArgoCDInstance/argocd"),
)
"""Webhooks of the systems other than the host: system, object, and the resource that their address names."""


class SandboxClient:
    """A blocking client of the sandbox's own endpoints."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Empty: a proxy configured for the outside must not answer for loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(self, path: str, body: object) -> Any:
        """Post JSON; returns the JSON answer."""
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method="POST")
        with self._opener.open(request, timeout=CALL_TIMEOUT_SECONDS) as response:
            return json.loads(response.read() or b"null")

    def journal(self, system: str = "", path: str = "") -> list[dict[str, Any]]:
        """Return every call that the stand-ins were asked, in order; of one system, with this part of a path."""
        query = urlencode({"system": system, "path": path})
        with self._opener.open(f"{self._url}/_journal?{query}", timeout=CALL_TIMEOUT_SECONDS) as response:
            return [json.loads(line) for line in response.read().splitlines()]

    def webhooks(self) -> list[dict[str, Any]]:
        """Return every webhook that was sent, in order, with the receiver's answer."""
        with self._opener.open(f"{self._url}/_webhooks", timeout=CALL_TIMEOUT_SECONDS) as response:
            return list(json.loads(response.read()))

    def send_webhooks(self, receiver_url: str, host: str = GITHUB) -> None:
        """Have each system send its webhooks to a receiver from now on; GitHub always sends those of its Actions."""
        mirror = () if host == GITHUB else ((GITHUB, REPOSITORY, "GitRepository/web-github"),)
        for system, of, resource in ((host, REPOSITORY, "GitRepository/web"), *mirror, *HOOKS):
            url = f"{receiver_url}/hooks/{NAMESPACE}/{resource}"
            self.post("/_webhooks", {"system": system, "of": of, "url": url, "secret": WEBHOOK_SECRET})

    def state(self) -> Any:
        """Return the state in brief."""
        with self._opener.open(f"{self._url}/_state", timeout=CALL_TIMEOUT_SECONDS) as response:
            return json.loads(response.read())

    def prepare(self, host: str = GITHUB) -> None:
        """Load the world as it is before the merge: everything runs the commit before it."""
        world = default_seed()
        repository = world["github"]["repos"][REPOSITORY]
        repository["commits"] = [commit for commit in repository["commits"] if commit["sha"] != MERGE_SHA]
        repository["branches"]["main"] = PREVIOUS_SHA
        for pull in repository["pulls"]:
            del pull["merged"], pull["merge_sha"]
        for application in world["argocd"]["apps"].values():
            application["source"]["repoURL"] = clone_url(host, REPOSITORY.partition("/")[2])
        application = world["argocd"]["apps"][DEV_APP]
        application["revision"] = application["source"]["targetRevision"] = PREVIOUS_SHA
        world["gitlab"]["projects"][REPOSITORY]["branches"]["main"] = PREVIOUS_SHA
        self.post("/_reset", {})
        self.post("/_seed", world)
        for path, outcome in RESULTS:
            self.post(path, outcome)

    def merge(self) -> str:
        """Merge the pull request as a person would; returns the merge commit."""
        return str(self.post("/_github/merge", {"repo": REPOSITORY, "number": PULL_NUMBER, "sha": MERGE_SHA})["sha"])

    def deploy_to_dev(self, revision: str) -> None:
        """Deploy to dev as the team's own pipeline would."""
        self.post("/_argocd/deploy", {"app": DEV_APP, "revision": revision})


def samples(sandbox_url: str, *, tracker: bool | None = None, folder: Path = SAMPLES) -> str:
    """Return the samples with the sandbox's address for the fixed one: all, all but the tracker, or it alone."""
    files = [
        path for path in sorted(folder.glob("*.yaml")) if tracker is None or (path.name == TRACKER_FILE) == tracker
    ]
    return "\n---\n".join(path.read_text() for path in files).replace(SAMPLES_SANDBOX, sandbox_url)


def apply_samples(kubeconfig: Path, sandbox_url: str, report: Report, *, tracker: bool, host: str = GITHUB) -> None:
    """Apply the samples with the sandbox's address: all but the tracker, or the tracker."""
    text = samples(sandbox_url, tracker=tracker)
    if host != GITHUB and not tracker:
        documents = [document for document in YAML(typ="safe").load_all(text) if document]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": at_host(documents, host)})
    kubectl(kubeconfig, "apply", "-f", "-", stdin=text, report=report)
