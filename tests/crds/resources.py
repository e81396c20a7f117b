"""Builders of small resources for the tests of this folder."""

from typing import Any

from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.test_runner import TestRunner

Document = dict[str, Any]
API_VERSION = "pilotage.dev/v1alpha1"


def document(kind: str, name: str, spec: Document, *, namespace: str = "shop") -> Document:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def policy_document(source: str, target: str, *repositories: str, name: str = "", **spec: Any) -> Document:
    references = [{"name": repository} for repository in repositories]
    return document(
        "PromotionPolicy",
        name or f"{source}-to-{target}",
        {"sourceEnvironment": source, "targetEnvironment": target, "repositoryRefs": references, **spec},
    )


def policy(source: str, target: str, *repositories: str, name: str = "", **spec: Any) -> PromotionPolicy:
    return PromotionPolicy.from_wire(policy_document(source, target, *repositories, name=name, **spec))


def a_test(name: str, **fields: Any) -> Document:
    return {"name": name, "runnerRef": {"name": "jenkins"}, "job": "web/integration", **fields}


def deployment(name: str = "web", repository: str = "web", **fields: Any) -> Document:
    argocd = {"instanceRef": {"name": "argocd"}, "project": "shop", "application": f"{name}-app"}
    return {"name": name, "repositoryRef": {"name": repository}, "argocd": argocd, **fields}


def environment_document(name: str, *deployments: Document, write: bool = True, **spec: Any) -> Document:
    if write:
        spec["write"] = {"argocd": {"set": "TargetRevision"}}
    return document("Environment", name, {"deployments": list(deployments) or [deployment()], **spec})


def environment(name: str, *deployments: Document, write: bool = True, **spec: Any) -> Environment:
    return Environment.from_wire(environment_document(name, *deployments, write=write, **spec))


def environments(*found: Environment) -> dict[str, Environment]:
    return {each.metadata.name: each for each in found}


def runner(name: str, **spec: Any) -> TestRunner:
    return TestRunner.from_wire(document("TestRunner", name, spec))


def repository(*components: Document, name: str = "web") -> GitRepository:
    spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": name}}
    return GitRepository.from_wire(document("GitRepository", name, {**spec, "components": list(components)}))
