"""What `pilotage flux explain` prints is what a worker sends for what a receiver signals, at every type of host."""

import json
from pathlib import Path
from typing import Any

import pytest

from activities.flux.events import read_event
from activities.flux.planning import ProviderTarget, plan
from activities.flux.signals import signal_of
from activities.flux.subscriptions import from_alert, from_commit_status, from_flux_provider, from_provider
from crds.group import API_VERSION
from crds.rules.flux_expressions import evaluate
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import Provider
from tests.activities.flux.events import KUSTOMIZE, NOW, SHA, document
from tests.worker.flux.test_postings import Host, declared, host, post_verdict
from worker.flux.explanation import explain_files

__all__ = ["host"]

PATHS = {
    "github": "/acme/web.git",
    "gitlab": "/acme/shop/web",
    "gitea": "/sub/acme/web",
    "bitbucket": "/acme/web",
    "bitbucketserver": "/ctx/scm/ACME/web.git",
    "azuredevops": "/tfs/umbrella/acme%20shop/_git/web",
}
EVENTS: dict[str, dict[str, Any]] = {
    "success": {},
    "failure": {"severity": "error", "reason": "BuildFailed", "message": "it failed\n" * 400},
    "pending": {"reason": "DependencyNotReady", "metadata": {f"{KUSTOMIZE}/revision": f"main@sha1:{SHA}"}},
}
LONG = "a" * 300


@pytest.mark.parametrize("flux", [False, True], ids=["ours", "Flux's"])
@pytest.mark.parametrize("state", sorted(EVENTS))
@pytest.mark.parametrize("kind", sorted(PATHS))
async def test_a_worker_sends_what_was_explained(host: Host, tmp_path: Path, kind: str, state: str, flux: bool) -> None:
    expression = f"event.involvedObject.name + '/{LONG}'"
    cluster = declared(host, kind=kind, address=f"{host.address}{PATHS[kind]}", commitStatusExpr=expression)
    provider = cluster.objects["Provider", "shop", "host"]
    # Each event on its own: what a host shows already is not written again.
    event = document(**EVENTS[state])
    source = {"kind": "Kustomization", "name": "*", "namespace": "flux-system"}
    subscription = {
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3" if flux else API_VERSION,
        "kind": "Alert" if flux else "CommitStatus",
        "metadata": {"name": "webapp", "namespace": "shop"},
        "spec": {"providerRef": {"name": "host"}, "eventSources": [source]},
    }
    written = {**provider, "apiVersion": subscription["apiVersion"]}
    (tmp_path / "event.json").write_text(json.dumps(event))
    (tmp_path / "manifests.json").write_text(json.dumps({"kind": "List", "items": [written, subscription]}))
    (explained,) = await explain_files([tmp_path], compat=False)
    assert (explained["state"], explained["error"], explained["reason"]) == (state, "", "")

    read = read_event(event, now=NOW)
    taken = from_alert(subscription) if flux else from_commit_status(CommitStatus.from_wire(subscription))
    found: ProviderTarget = from_flux_provider(written) if flux else from_provider(Provider.from_wire(written))
    (made,) = plan(read, [taken], targets=lambda _: found, evaluate=evaluate)
    signalled = signal_of(read, made, now=NOW)
    assert signalled is not None
    await post_verdict(cluster, *signalled, settings={"flux_alerts": flux})
    slot, verdict = signalled
    assert (explained["context"], explained["description"]) == (slot.context, verdict.description)
    sent = host.asked[-1]
    assert explained["method"] == sent.method
    assert explained["url"] == f"{host.address}{sent.raw_path}"
    assert explained["body"] == host.bodies[-1]
