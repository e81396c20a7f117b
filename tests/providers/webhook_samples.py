"""What each system sends, as its documents show it: one delivery about pull request 412, and those about runs."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "a-secret-of-webhooks"
SIGNING_KEY = b"a key of thirty-two bytes, no less"
SIGNING_TOKEN = "whsec_" + base64.b64encode(SIGNING_KEY).decode()
KEY = "0123456789abcdef0123456789abcdef"

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A delivery: who sends it, with which headers besides its proof, and what."""

    sender: str
    headers: Mapping[str, str]
    body: Body
    secret: str = SECRET

    @property
    def raw(self) -> bytes:
        return json.dumps(self.body).encode()

    def proven(self) -> dict[str, str]:
        """Return all headers, by lower-case name."""
        return {**self.headers, **proof(self.sender, self.raw, self.secret)}


def proof(sender: str, body: bytes, secret: str) -> dict[str, str]:
    """Prove a body as its sender does."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    basic = base64.b64encode(f"anybody:{secret}".encode()).decode()
    return {
        "github": {"x-hub-signature-256": f"sha256={digest}"},
        "gitlab": {"x-gitlab-token": secret},
        "gitea": {"x-gitea-signature": digest, "x-hub-signature-256": "sha256=0"},
        "forgejo": {"x-forgejo-signature": digest, "x-gitea-signature": digest},
        "bitbucketCloud": {"x-hub-signature": f"sha256={digest}"},
        "bitbucketDataCenter": {"x-hub-signature": f"sha256={digest}"},
        "azureDevOps": {"authorization": f"Basic {basic}"},
        "jenkins": {"authorization": f"Basic {basic}"},
        "argocd": {"authorization": f"Bearer {secret}"},
    }[sender]


def signed_by_token(
    body: bytes, *, at: datetime = NOW, identifier: str = "d-1", key: bytes = SIGNING_KEY
) -> dict[str, str]:
    """Sign as GitLab does with a signing token, after a signature of a token that is no longer valid."""
    sent = str(int(at.timestamp()))
    signature = base64.b64encode(hmac.digest(key, f"{identifier}.{sent}.".encode() + body, "sha256")).decode()
    return {"webhook-id": identifier, "webhook-timestamp": sent, "webhook-signature": f"v1,b2xk v1,{signature}"}


def pull_requests(*, ended: bool) -> dict[str, Sample]:
    """Return what each host sends when a pull request is merged, or changed."""
    full_name = {"full_name": "Acme/Web"}
    git = Sample(
        sender="github",
        headers={"x-github-event": "pull_request", "x-github-delivery": "d-1"},
        body={
            "action": "closed" if ended else "synchronize",
            "pull_request": {"number": 412, "merged": ended},
            "repository": full_name,
        },
    )
    gitea = {"x-gitea-event": "pull_request", "x-gitea-delivery": "d-1", "x-gitea-event-type": "pull_request_sync"}
    to_ref = {"repository": {"slug": "Web", "project": {"key": "Acme"}}}
    return {
        "github": git,
        "gitlab": Sample(
            sender="gitlab",
            headers={"x-gitlab-event": "Merge Request Hook", "idempotency-key": "d-1"},
            body={
                "object_kind": "merge_request",
                "project": {"id": 7, "path_with_namespace": "Acme/Web"},
                "object_attributes": {"iid": 412, "action": "merge" if ended else "update"},
            },
        ),
        "gitea": Sample(sender="gitea", headers={**gitea, "x-github-event": "pull_request"}, body=git.body),
        "forgejo": Sample(sender="forgejo", headers=gitea, body=git.body),
        "bitbucketCloud": Sample(
            sender="bitbucketCloud",
            headers={
                "x-event-key": f"pullrequest:{'fulfilled' if ended else 'updated'}",
                "x-request-uuid": "d-1",
            },
            body={"repository": full_name, "pullrequest": {"id": 412}},
        ),
        "bitbucketDataCenter": Sample(
            sender="bitbucketDataCenter",
            headers={"x-event-key": f"pr:{'merged' if ended else 'from_ref_updated'}", "x-request-id": "d-1"},
            body={"pullRequest": {"id": 412, "toRef": to_ref}},
        ),
        "azureDevOps": Sample(
            sender="azureDevOps",
            headers={},
            body={
                "eventType": "git.pullrequest.updated",
                "resource": {
                    "pullRequestId": 412,
                    "status": "completed" if ended else "active",
                    "repository": {"name": "Web", "project": {"name": "Acme"}},
                },
            },
        ),
    }


def runs(*, ended: bool, key: str = KEY) -> dict[str, Sample]:
    """Return what each CI system sends of a run."""
    return {
        "github": Sample(
            sender="github",
            headers={"x-github-event": "workflow_run"},
            body={
                "action": "completed" if ended else "in_progress",
                "workflow_run": {
                    "html_url": "https://ci.example.com/7",
                    "display_title": f"e2e {key} again {key}",
                    "name": "e2e",
                },
            },
        ),
        "gitlab": Sample(
            sender="gitlab",
            headers={"x-gitlab-event": "Pipeline Hook"},
            body={
                "object_kind": "pipeline",
                "project": {"web_url": "https://ci.example.com"},
                "object_attributes": {
                    "id": 7,
                    "url": "https://ci.example.com/7",
                    "status": "failed" if ended else "running",
                    "variables": [{"key": "OTHER", "value": "f" * 32}, {"key": "promotion_key", "value": key}],
                },
            },
        ),
        "jenkins": Sample(
            sender="jenkins",
            headers={},
            body={
                "build": {
                    "phase": "finalized" if ended else "STARTED",
                    "full_url": "https://ci.example.com/7",
                    "parameters": {"PROMOTION_KEY": key},
                }
            },
        ),
    }


def application() -> Sample:
    """Return what the documented template of Argo CD's notifications sends."""
    return Sample(sender="argocd", headers={}, body={"application": "web-dev", "project": "shop"})
