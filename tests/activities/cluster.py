"""A Kubernetes API in memory, as far as activities read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from crds.api.ports import (
    ApiConflict,
    ApiError,
    ApiGone,
    ApiInvalid,
    ApiNotFound,
    ApiResource,
    Document,
    Kubernetes,
    Page,
    SecretData,
)
from crds.group import API_VERSION
from crds.rules.secrets import CONSENT_LABEL, HOSTS_ANNOTATION


@dataclass
class Cluster:
    """Objects by kind, namespace and name; `failure` is raised by every call."""

    objects: dict[tuple[str, str, str], Document] = field(default_factory=dict)
    secrets: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    secret_hosts: dict[tuple[str, str], str] = field(default_factory=dict)
    without_consent: set[tuple[str, str]] = field(default_factory=set)
    failure: ApiError | None = None
    selectors: list[str] = field(default_factory=list)
    selects_nothing: bool = False
    """Whether it is an API server that knows no selectable fields."""
    create_errors: list[ApiError] = field(default_factory=list)
    """Raised by the next creations, one each."""
    pages: int = 0
    expired: set[str] = field(default_factory=set)
    """Continue tokens that are too old."""

    def add(self, kind: str, name: str, spec: dict[str, Any], *, namespace: str = "shop", **content: Any) -> None:
        """Put an object there."""
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 3, "resourceVersion": "1"}
        document = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec, **content}
        self.objects[kind, namespace, name] = document

    def remove(self, kind: str, name: str, *, namespace: str = "shop") -> None:
        """Take an object away."""
        del self.objects[kind, namespace, name]

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        self._fail()
        try:
            return self.objects[resource.kind, namespace or "", name]
        except KeyError:
            raise ApiNotFound(f"{resource.plural} {name} not found", status=404, object_name=name) from None

    async def create(self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any]) -> Document:
        self._fail()
        if self.create_errors:
            raise self.create_errors.pop(0)
        name = document["metadata"]["name"]
        if (resource.kind, namespace or "", name) in self.objects:
            raise ApiConflict(f"{resource.plural} {name} already exists", status=409, reason="AlreadyExists")
        self.add(resource.kind, name, document["spec"], namespace=namespace or "")
        created = self.objects[resource.kind, namespace or "", name]
        created["metadata"].update({**document["metadata"], "uid": f"uid-of-{name}"})
        return created

    async def delete(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        self._fail()
        metadata = (await self.get(resource, namespace, name))["metadata"]
        for wanted, present in ((uid, metadata.get("uid")), (resource_version, metadata.get("resourceVersion"))):
            if wanted is not None and wanted != present:
                raise ApiConflict(f"{resource.plural} {name} is another one", status=409)
        del self.objects[resource.kind, namespace or "", name]

    async def list_all(self, resource: ApiResource, namespace: str | None = None) -> Page:
        self._fail()
        items = [
            document
            for (kind, place, _), document in self.objects.items()
            if kind == resource.kind and namespace in (None, place)
        ]
        return Page(items=tuple(items), resource_version="1")

    async def list_page(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        limit: int = 500,
        continue_token: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        """Return a page in the order of names, with where the next begins. Only an equal field is selected."""
        if continue_token in self.expired:
            raise ApiGone("the continue token is too old", status=410)
        found = sorted((await self.list_all(resource, namespace)).items, key=_name_of)
        if field_selector is not None:
            self.selectors.append(field_selector)
            if self.selects_nothing:
                raise ApiInvalid(f"field label not supported: {field_selector}", status=400)
            path, _, wanted = field_selector.partition("=")
            found = [one for one in found if _at(one, path) == wanted]
        left = [one for one in found if _name_of(one) > (continue_token or "")]
        self.pages += 1
        return Page(
            items=tuple(left[:limit]),
            resource_version="1",
            continue_token=_name_of(left[limit - 1]) if len(left) > limit else None,
        )

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        self._fail()
        try:
            data = self.secrets[namespace, name]
        except KeyError:
            raise ApiNotFound(f"secrets {name} not found", status=404, object_name=name) from None
        labels = {} if (namespace, name) in self.without_consent else {CONSENT_LABEL: "true"}
        hosts = self.secret_hosts.get((namespace, name))
        return SecretData(data=data, labels=labels, annotations={} if hosts is None else {HOSTS_ANNOTATION: hosts})

    def port(self) -> Kubernetes:
        """Return the cluster as the port that activities take."""
        return cast("Kubernetes", self)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def _at(document: Document, path: str) -> object:
    value: Any = document
    for name in path.split("."):
        value = value.get(name, {})
    return value


ARGOCD = {"instanceRef": {"name": "argocd"}, "project": "shop"}


def shop() -> Cluster:
    """Build the cluster of the main story: dev, staging and prod of one repository."""
    cluster = Cluster()
    cluster.add("ScmProvider", "github", {"github": {}, "secretRef": {"name": "github-token"}})
    cluster.add(
        "GitRepository", "web", {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
    )
    cluster.add(
        "TestRunner",
        "jenkins",
        {"jenkins": {"url": "https://ci.example"}, "secretRef": {"name": "jenkins-token"}},
    )
    cluster.add("ArgoCDInstance", "argocd", {"server": "https://cd.example", "secretRef": {"name": "argocd-token"}})
    for name in ("dev", "staging", "prod"):
        cluster.add("Environment", name, environment(name))
    cluster.add("PromotionPolicy", "dev-to-staging", policy("dev", "staging"))
    cluster.add("PromotionPolicy", "staging-to-prod", policy("staging", "prod"))
    cluster.secrets = {
        ("shop", "github-token"): {"token": b"ghp_0123456789abcdef"},
        ("shop", "jenkins-token"): {"username": b"ci", "token": b"jenkins-api-token"},
        ("shop", "argocd-token"): {"token": b"argocd-account-token"},
    }
    return cluster


def environment(name: str, **argocd: Any) -> dict[str, Any]:
    """Build the spec of an environment with one deployment."""
    chosen = {**ARGOCD, **(argocd or {"application": f"web-{name}"})}
    return {
        "final": name == "prod",
        "deployments": [{"name": "web", "repositoryRef": {"name": "web"}, "argocd": chosen}],
        "write": {"argocd": {"set": "TargetRevision"}},
    }


def policy(source: str, target: str, **spec: Any) -> dict[str, Any]:
    """Build the spec of a policy with one test."""
    test = {"name": "e2e", "runnerRef": {"name": "jenkins"}, "job": "web/e2e", "parameters": {"R": "${revision}"}}
    return {"sourceEnvironment": source, "targetEnvironment": target, "tests": [test], "timeout": "2h", **spec}


def _name_of(document: Document) -> str:
    return str(document["metadata"]["name"])
