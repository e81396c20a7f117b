"""`pilotage flux explain` shows what would become of an event, and the request that its adapter would send."""

import asyncio
import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.activities.flux.events import KUSTOMIZE, SHA, document
from worker.cli.exits import CliError
from worker.cli.main import app
from worker.flux.explanation import explain_files

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


@pytest.mark.parametrize("alert", [False, True])
def test_manifests_without_a_namespace_are_of_the_event_s(tmp_path: Path, alert: bool) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": "t-12345"}}
    manifests = [provider(flux=alert), subscription(alert=alert), secret]
    whole = explain(tmp_path, manifests)
    for one in manifests:
        one["metadata"].pop("namespace", None)
    assert explain(tmp_path, manifests) == whole
    assert whole[0]["url"]


def test_compat_uses_the_texts_and_states_of_flux(tmp_path: Path) -> None:
    (one,) = explain(
        tmp_path, [provider("azuredevops"), subscription()], "--compat", severity="error", reason="BuildFailed"
    )
    assert (one["state"], one["description"]) == ("error", "build failed")
    assert one["context"] == "kustomization/webapp/0c9c2e41"


@pytest.mark.parametrize("severity", ["info", "error"])
@pytest.mark.parametrize("kind", sorted(HOSTS))
def test_compat_sends_the_state_that_it_names(tmp_path: Path, kind: str, severity: str) -> None:
    (one,) = explain(tmp_path, [provider(kind), subscription()], "--compat", severity=severity)
    assert one["state"]
    assert one["body"]["state"] == one["state"]


def test_a_secret_among_the_files_counts_as_it_does_for_a_worker(tmp_path: Path) -> None:
    secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret"}
    secret["metadata"] = {"name": "token", "namespace": "flux-system"}
    at_flux = provider("gitea", flux=True)
    del at_flux["spec"]["address"]
    (without,) = explain(tmp_path, [at_flux, subscription(alert=True)])
    assert "address stands in Secret/token" in without["error"]
    data = {"address": base64.b64encode(HOSTS["gitea"][0].encode()).decode()}
    (keyless,) = explain(tmp_path, [at_flux, subscription(alert=True), {**secret, "data": data}])
    assert "Secret `token`, which Provider/flux-system/host names, has neither key `token`" in keyless["error"]
    whole = {**secret, "data": data, "stringData": {"token": "t-12345"}}
    (one,) = explain(tmp_path, [at_flux, subscription(alert=True), whole])
    assert (one["error"], one["url"]) == ("", HOSTS["gitea"][1])
    assert "t-12345" not in json.dumps(one)


def test_a_context_that_ends_in_what_the_files_do_not_have_is_named(tmp_path: Path) -> None:
    declared = provider()
    del declared["metadata"]["uid"]
    (one,) = explain(tmp_path, [declared, subscription()])
    assert "metadata.uid of Provider/flux-system/host" in one["reason"]
    (prefixed,) = explain(tmp_path, [declared, subscription(prefix="dev")])
    assert prefixed["reason"] == ""


@pytest.mark.parametrize(
    ("version", "labels", "matched"),
    [("v1", {"team": "a"}, True), ("v1", {"team": "b"}, False), ("v1", None, False), ("", {"team": "a"}, False)],
)
def test_labels_decide_where_a_receiver_would_read_them(
    tmp_path: Path, version: str, labels: dict[str, str] | None, matched: bool
) -> None:
    group = f"{KUSTOMIZE}/{version}" if version else "apps/v1"
    labelled = {
        "apiVersion": group,
        "kind": "Kustomization",
        "metadata": {"name": "webapp", "namespace": "flux-system", "labels": labels},
    }
    wants = subscription(eventSources=[{"kind": "Kustomization", "name": "*", "matchLabels": {"team": "a"}}])
    (one,) = explain(tmp_path, [provider(), wants, labelled])
    assert one["matched"] is matched


@pytest.mark.parametrize("alert", [True, False], ids=["Alert", "Provider"])
@pytest.mark.parametrize("value", ["", 7, "x", [], {}, ["a"], {"a": 1}, True])
def test_an_object_of_flux_that_it_would_not_have_is_named_by_its_field(
    tmp_path: Path, alert: bool, value: Any
) -> None:
    """Each field in turn: a file that was not applied holds anything."""
    given = (
        subscription(alert=True, inclusionList=["a"], exclusionList=["b"], eventMetadata={"a": "b"}, summary="s")
        if alert
        else provider(flux=True, commitStatusExpr="event.reason + ''")
    )
    other = provider(flux=True) if alert else subscription(alert=True)
    (tmp_path / "event.json").write_text(json.dumps(document()))
    refused: dict[str, str] = {}
    for path in _paths(given, ()):
        wrong = copy.deepcopy(given)
        place: Any = wrong
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
        (tmp_path / "manifests.json").write_text(json.dumps({"kind": "List", "items": [wrong, other]}))
        try:
            asyncio.run(explain_files([tmp_path], compat=False))
        except CliError as error:
            refused["".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]] = str(error)
    assert "spec" in refused or value == {}
    # By its name in the manifest, and by no class of ours.
    assert {path: text for path, text in refused.items() if path not in text or "instance of" in text} == {}


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _paths(one, (*path, key))


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


def table(tmp_path: Path, manifests: list[dict[str, Any]]) -> Any:
    """Return what a person is shown."""
    (tmp_path / "event.json").write_text(json.dumps(document()))
    (tmp_path / "manifests.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": manifests}))
    return CliRunner().invoke(app, ["flux", "explain", "-f", str(tmp_path)])


def test_a_person_is_shown_why_nothing_is_sent_also_where_a_status_would_be_made(tmp_path: Path) -> None:
    keyless = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": "flux-system"}}
    shown = table(tmp_path, [provider(), subscription(), {**keyless, "stringData": {"x": "1"}}])
    assert "Secret `token`, which Provider/flux-system/host names, has neither key" in shown.stdout
    nothing = table(tmp_path, [provider()])
    assert (nothing.stdout, "no CommitStatus and no Alert" in nothing.stderr) == ("", True)
    declared = provider()
    del declared["metadata"]["uid"]
    assert "metadata.uid of Provider/flux-system/host" in table(tmp_path, [declared, subscription()]).stdout
