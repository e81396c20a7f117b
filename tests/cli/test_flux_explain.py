"""`pilotage flux explain` shows what would become of an event, and the request that its adapter would send."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.activities.flux.events import SHA, document
from worker.cli.main import app

KEYS = {
    "matched", "dropped", "reason", "provider", "repository", "commit", "context", "state", "description", "method",
    "url", "body", "error", "subscription",
}  # fmt: skip
HOSTS = {
    "github": ("https://github.com/acme/web", f"https://api.github.com/repos/acme/web/statuses/{SHA}"),
    "gitlab": ("git@gitlab.com:acme/web.git", f"https://gitlab.com/api/v4/projects/acme%2Fweb/statuses/{SHA}"),
    "gitea": (
        "https://git.example.com:3000/sub/acme/web",
        f"https://git.example.com:3000/sub/api/v1/repos/acme/web/statuses/{SHA}",
    ),
    "bitbucket": (
        "https://bitbucket.org/acme/web",
        f"https://api.bitbucket.org/2.0/repositories/acme/web/commit/{SHA}/statuses/build",
    ),
    "bitbucketserver": (
        "https://bb.example.com/ctx/scm/ACME/web.git",
        f"https://bb.example.com/ctx/rest/api/latest/projects/ACME/repos/web/commits/{SHA}/builds",
    ),
    "azuredevops": (
        "https://dev.azure.com/umbrella/acme/_git/web",
        f"https://dev.azure.com/umbrella/acme/_apis/git/repositories/web/commits/{SHA}/statuses?api-version=7.0",
    ),
}


def explain(tmp_path: Path, manifests: list[dict[str, Any]], *options: str, **changes: Any) -> list[dict[str, Any]]:
    (tmp_path / "event.json").write_text(json.dumps(document(**changes)))
    (tmp_path / "manifests.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": manifests}))
    answer = CliRunner().invoke(app, ["flux", "explain", "-f", str(tmp_path), "-o", "json", *options])
    assert answer.exit_code == 0, answer.output
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def provider(kind: str = "github", *, flux: bool = False, **changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3" if flux else "pilotage.dev/v1alpha1",
        "kind": "Provider",
        "metadata": {"name": "host", "namespace": "flux-system", "uid": "0c9c2e41-d2f9"},
        "spec": {"type": kind, "address": HOSTS[kind][0], "secretRef": {"name": "token"}, **changes},
    }


def subscription(*, alert: bool = False, **changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3" if alert else "pilotage.dev/v1alpha1",
        "kind": "Alert" if alert else "CommitStatus",
        "metadata": {"name": "webapp", "namespace": "flux-system"},
        "spec": {
            "providerRef": {"name": "host"},
            "eventSources": [{"kind": "Kustomization", "name": "*"}],
            **changes,
        },
    }


@pytest.mark.parametrize("kind", sorted(HOSTS))
def test_the_request_of_every_type_is_shown(tmp_path: Path, kind: str) -> None:
    (one,) = explain(tmp_path, [provider(kind), subscription(prefix="dev")])
    assert set(one) == KEYS
    assert (one["method"], one["url"]) == ("POST", HOSTS[kind][1])
    assert (one["state"], one["commit"]) == ("success", SHA)
    assert "Reconciliation finished" in json.dumps(one["body"])
    assert one["error"] == ""


def test_text_is_read_as_the_receiver_reads_it(tmp_path: Path) -> None:
    (one,) = explain(tmp_path, [provider(), subscription()], message="Applied \N{SHIP} and \ud800")
    assert one["description"] == "Applied \N{SHIP} and \N{REPLACEMENT CHARACTER}"


def test_an_alert_of_flux_is_explained_as_it_is_applied_there(tmp_path: Path) -> None:
    (one,) = explain(tmp_path, [provider(flux=True), subscription(alert=True)])
    assert one["subscription"] == "Alert/flux-system/webapp"
    assert one["body"]["context"] == "kustomization/webapp/0c9c2e41"


def test_compat_uses_the_texts_and_states_of_flux(tmp_path: Path) -> None:
    (one,) = explain(
        tmp_path, [provider("azuredevops"), subscription()], "--compat", severity="error", reason="BuildFailed"
    )
    assert (one["state"], one["description"]) == ("error", "build failed")
    assert one["context"] == "kustomization/webapp/0c9c2e41"


@pytest.mark.parametrize(
    ("manifests", "changes", "reason", "matched"),
    [
        ([provider(), subscription(suspend=True)], {}, "suspended", False),
        ([provider(suspend=True), subscription()], {}, "suspended", True),
        ([subscription()], {}, "does not exist", True),
        ([provider(), subscription()], {"metadata": {}, "severity": "error"}, "missing revision metadata", True),
    ],
)
def test_an_event_that_gives_no_status_is_explained(
    tmp_path: Path, manifests: list[dict[str, Any]], changes: dict[str, Any], reason: str, matched: bool
) -> None:
    (one,) = explain(tmp_path, manifests, **changes)
    assert reason in one["reason"]
    assert (one["matched"], one["dropped"], one["url"]) == (matched, matched, "")


def test_files_without_an_event_and_fields_of_another_type_are_named(tmp_path: Path) -> None:
    (tmp_path / "manifests.json").write_text(json.dumps(subscription()))
    missing = CliRunner().invoke(app, ["flux", "explain", "-f", str(tmp_path)])
    assert missing.exit_code == 2
    (tmp_path / "event.json").write_text(json.dumps(document(message=7)))
    wrong = CliRunner().invoke(app, ["flux", "explain", "-f", str(tmp_path)])
    assert wrong.exit_code == 1
    assert "message must be a string" in wrong.output
