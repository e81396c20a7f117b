"""The samples of the main job and the sandbox's default world, rewritten so that each test has both for itself."""

from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from deploy.local.demo.hosts import GITHUB, clone_url
from deploy.local.demo.world import SAMPLES, SAMPLES_SANDBOX
from deploy.local.sandbox.seed import (
    MERGE_SHA,
    PREVIOUS_SHA,
    REPOSITORY,
    default_seed,
)
from tests.e2e.cluster import Document

JOBS = ("integration", "e2e", "lighthouse")
PARAMETERS = ("REVISION", "PR", "ENV", "PROMOTION_KEY")
# What a shop with Jenkins alone needs; the samples may name further systems.
SYSTEMS = {
    "Secret": {"github-token", "jenkins-token", "argocd-token", "webhooks"},
    "ScmProvider": {"github"},
    "TestRunner": {"jenkins"},
    "GitRepository": {"web"},
}


def sample_documents(*, namespace: str, repository: str, sandbox_url: str) -> list[Document]:
    """Read the samples; namespace, addresses and the names that the stand-ins know become this test's own."""
    found: list[Document] = []
    for path in sorted(SAMPLES.glob("*.yaml")):
        text = path.read_text().replace(SAMPLES_SANDBOX, sandbox_url)
        found += [document for document in YAML(typ="safe").load_all(text) if document]
    for document in found:
        _rename(document, namespace, repository)
    return found


def at_jenkins(documents: list[Document], repository: str) -> list[Document]:
    """Let all tests of the samples run at Jenkins, where a test can script how each of them goes."""
    kept = [one for one in documents if one["metadata"]["name"] in SYSTEMS.get(one["kind"], {one["metadata"]["name"]})]
    for document in kept:
        for test in gates_of(document):
            test["runnerRef"] = {"name": "jenkins"}
            test["job"] = f"{repository}/{test['name']}"
            test["parameters"] = {name.upper(): value for name, value in test["parameters"].items()}
    return kept


def gates_of(document: Document) -> Iterator[Document]:
    """Yield the tests of a policy; nothing of anything else."""
    if document["kind"] == "PromotionPolicy":
        yield from document["spec"]["tests"]


def world(repository: str, *, merged: bool = True, host: str = GITHUB) -> dict[str, Any]:
    """Return a seed with a repository, jobs and applications of this test's own; credentials are shared."""
    seed = default_seed()
    declared = seed["github"]["repos"][REPOSITORY]
    apps = {name.replace("web-", f"{repository}-"): app for name, app in seed["argocd"]["apps"].items()}
    for app in apps.values():
        app["source"]["repoURL"] = clone_url(host, repository)
    project = {name: value for name, value in seed["gitlab"]["projects"][REPOSITORY].items() if name != "id"}
    if not merged:
        _undo_merge(declared, apps[f"{repository}-dev"])
    return {
        "github": {"repos": {f"acme/{repository}": declared}},
        "jenkins": {"jobs": {f"{repository}/{job}": jenkins_job() for job in JOBS}},
        "gitlab": {"projects": {f"acme/{repository}": project}},
        "argocd": {"apps": apps},
    }


def jenkins_job() -> dict[str, Any]:
    """Return a job that takes what the samples' policies pass."""
    report = {"failCount": 0, "skipCount": 1, "passCount": 41, "totalCount": 42, "suites": []}
    return {"parameters": list(PARAMETERS), "test_report": report}


def _rename(document: Document, namespace: str, repository: str) -> None:
    metadata, spec = document["metadata"], document.get("spec", {})
    if document["kind"] == "Namespace":
        metadata["name"] = namespace
    else:
        metadata["namespace"] = namespace
    if document["kind"] == "GitRepository":
        for host in ("github", "gitlab"):
            if host in spec:
                spec[host]["name"] = repository
    for deployment in spec.get("deployments", ()):
        application = deployment["argocd"]["application"]
        deployment["argocd"]["application"] = application.replace("web-", f"{repository}-")
    for test in gates_of(document):
        test["job"] = test["job"].replace("web/", f"{repository}/")


def _undo_merge(repository: dict[str, Any], dev: dict[str, Any]) -> None:
    repository["commits"] = [commit for commit in repository["commits"] if commit["sha"] != MERGE_SHA]
    repository["branches"]["main"] = PREVIOUS_SHA
    for pull in repository["pulls"]:
        del pull["merged"], pull["merge_sha"]
    dev["revision"] = dev["source"]["targetRevision"] = PREVIOUS_SHA
