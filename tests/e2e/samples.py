"""The samples of the main job and the sandbox's default world, rewritten so that each test has both for itself."""

import copy
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from deploy.local.demo_world import SAMPLES, SAMPLES_SANDBOX
from deploy.local.sandbox.seed import (
    MERGE_SHA,
    PREVIOUS_SHA,
    PROJECT,
    REPOSITORY,
    REPOSITORY_URL,
    default_seed,
)
from tests.e2e.cluster import Document


def sample_documents(*, namespace: str, repository: str, sandbox_url: str) -> list[Document]:
    """Read the samples; namespace, addresses and the names that the stand-ins know become this test's own."""
    found: list[Document] = []
    for path in sorted(SAMPLES.glob("*.yaml")):
        text = path.read_text().replace(SAMPLES_SANDBOX, sandbox_url)
        found += [document for document in YAML(typ="safe").load_all(text) if document]
    for document in found:
        _rename(document, namespace, repository)
    return found


def world(repository: str, *, merged: bool = True) -> dict[str, Any]:
    """Return a seed with a repository, jobs and applications of this test's own; credentials are shared."""
    seed = default_seed()
    declared = seed["github"]["repos"][REPOSITORY]
    jobs = {path.replace("web/", f"{repository}/"): job for path, job in seed["jenkins"]["jobs"].items()}
    apps = {name.replace("web-", f"{repository}-"): app for name, app in seed["argocd"]["apps"].items()}
    for app in apps.values():
        app["source"]["repoURL"] = REPOSITORY_URL.replace(REPOSITORY, f"acme/{repository}")
    if not merged:
        _undo_merge(declared, apps[f"{repository}-dev"])
    return {
        "github": {"repos": {f"acme/{repository}": declared}},
        "jenkins": {"jobs": copy.deepcopy(jobs)},
        "argocd": {"apps": apps},
    }


def _rename(document: Document, namespace: str, repository: str) -> None:
    metadata, spec = document["metadata"], document.get("spec", {})
    if document["kind"] == "Namespace":
        metadata["name"] = namespace
    else:
        metadata["namespace"] = namespace
    if document["kind"] == "GitRepository":
        spec["github"]["name"] = repository
    for deployment in spec.get("deployments", ()):
        application = deployment["argocd"]["application"]
        assert deployment["argocd"]["project"] == PROJECT
        deployment["argocd"]["application"] = application.replace("web-", f"{repository}-")
    for test in _tests(document):
        test["job"] = test["job"].replace("web/", f"{repository}/")


def _tests(document: Document) -> Iterator[Document]:
    if document["kind"] == "PromotionPolicy":
        yield from document["spec"]["tests"]


def _undo_merge(repository: dict[str, Any], dev: dict[str, Any]) -> None:
    repository["commits"] = [commit for commit in repository["commits"] if commit["sha"] != MERGE_SHA]
    repository["branches"]["main"] = PREVIOUS_SHA
    for pull in repository["pulls"]:
        del pull["merged"], pull["merge_sha"]
    dev["revision"] = dev["source"]["targetRevision"] = PREVIOUS_SHA
