"""One connection to the cluster per command, its errors turned into exit codes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from crds.api.ports import (
    ApiError,
    ApiNotFound,
    ApiResource,
    ApiUnauthorized,
    ApiUnavailable,
    ApiUnconfigured,
    Document,
    Page,
    SecretData,
    WatchEvent,
    resource_of,
)
from crds.group import APPLY_COMMAND, GROUP, VERSION, in_full
from worker.cli.exits import CliError, ExitCode
from worker.cli.naming import choose_trackers, read_tracker
from worker.cli.options import ClusterTarget

if TYPE_CHECKING:
    # Short commands show documents as they are: the models alone would take longer to load than such a command lasts.
    from crds.resource import Resource

# https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
SELF_SUBJECT_REVIEWS = ApiResource(
    group="authentication.k8s.io", version="v1", plural="selfsubjectreviews", kind="SelfSubjectReview", namespaced=False
)
TRACKERS = ApiResource(group=GROUP, version=VERSION, plural="pullrequesttrackers", kind="PullRequestTracker")
ENVIRONMENTS = ApiResource(group=GROUP, version=VERSION, plural="environments", kind="Environment")
LISTED_BY = {"Environment": "envs", "DriftMonitor": "drift"}
"""Commands that list the objects of a kind."""

Answer = TypeVar("Answer")
AnyResource = TypeVar("AnyResource", bound="Resource")


class Cluster(Protocol):
    """What commands call of the API server. Every method raises ApiError of the fitting kind and nothing else."""

    @property
    def default_namespace(self) -> str:
        """Namespace of the kubeconfig's context, or of the pod."""

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        """Read one object."""

    async def list_all(
        self, resource: ApiResource, namespace: str | None = None, *, label_selector: str | None = None
    ) -> Page:
        """List all objects; no namespace means all of them."""

    async def create(
        self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any], *, dry_run: bool = False
    ) -> Document:
        """Create one object; with `dry_run` the API server judges it as it would, and keeps nothing."""

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        """Read one Secret. The values belong in no log, error or status."""

    def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = ...,
        label_selector: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Follow a list from a resourceVersion on; the iterator ends where the server ends the watch."""


Opener = Callable[[ClusterTarget], AbstractAsyncContextManager[Cluster]]


class Session:
    """The cluster and namespace of one command."""

    def __init__(self, *, kubernetes: Cluster, namespace: str, target: ClusterTarget | None = None) -> None:
        self.kubernetes = kubernetes
        self.namespace = namespace
        self.target = target or ClusterTarget()

    def command(self, *arguments: str) -> str:
        """Return a command line of this program for the same cluster and namespace, to be pasted."""
        return replace(self.target, namespace=self.namespace).command(*arguments)

    async def read(self, model: "type[AnyResource]", name: str) -> AnyResource:
        """Read one object of ours. Raises CliError with NOT_FOUND where it is not there."""
        return parse(model, await self.document(model, name))

    async def document(self, model: "type[Resource]", name: str) -> Document:
        """Read one object as the API server sent it."""
        return await self.one(resource_of(model.definition), name)

    async def one(self, resource: ApiResource, name: str) -> Document:
        """Read one object of the namespace. Raises CliError with NOT_FOUND where it is not there."""
        try:
            return await self.kubernetes.get(resource, self.namespace, name)
        except ApiNotFound as error:
            raise CliError(
                f'{resource.kind} "{name}" not found in namespace "{self.namespace}"',
                code=ExitCode.NOT_FOUND,
                advice=self._not_found_advice(resource),
            ) from error

    def _not_found_advice(self, resource: ApiResource) -> str:
        if resource == TRACKERS:
            return f"`{self.command('get', '-A')}` lists every tracker that you may see"
        if (looks := LISTED_BY.get(resource.kind)) is not None:
            return f"`{self.command(looks)}` lists those of this namespace"
        lists = self.target.pasted(f"kubectl -n {self.namespace} get {in_full(resource.kind)}")
        return f"`{lists}` lists those of this namespace"

    async def documents(self, model: "type[Resource]", *, everywhere: bool = False) -> list[Document]:
        """List the objects of one kind, by namespace and name."""
        return list((await self.page(resource_of(model.definition), everywhere=everywhere)).items)

    async def page(self, resource: ApiResource, *, everywhere: bool = False, selector: str | None = None) -> Page:
        """List the objects of one kind as they are, by namespace and name."""
        namespace = None if everywhere else self.namespace
        page = await self.kubernetes.list_all(resource, namespace, label_selector=selector)
        items = sorted(page.items, key=lambda one: (one["metadata"].get("namespace", ""), one["metadata"]["name"]))
        return Page(items=tuple(items), resource_version=page.resource_version)

    async def trackers(self, typed: Sequence[str]) -> list[str]:
        """Return the names of the trackers that were typed, as names or as numbers of pull requests."""
        names = [read_tracker(one) for one in typed]
        numbers: dict[str, int] = {}
        if any(one.number for one in names):
            numbers = {name_of(one): int(one["spec"]["number"]) for one in (await self.page(TRACKERS)).items}
        return choose_trackers(names, numbers, self.namespace, command=self.command)

    async def tracker(self, typed: str) -> str:
        """Return the name of the one tracker that was typed."""
        return (await self.trackers([typed]))[0]

    async def user_name(self) -> str:
        """Return one's own name as the API server authenticates it."""
        review = {"apiVersion": SELF_SUBJECT_REVIEWS.api_version, "kind": SELF_SUBJECT_REVIEWS.kind}
        answer = await self.kubernetes.create(SELF_SUBJECT_REVIEWS, None, review)
        return str(answer["status"]["userInfo"]["username"])


def parse(model: "type[AnyResource]", document: Document) -> AnyResource:
    """Read a document into its model."""
    from pydantic import ValidationError

    try:
        return model.from_wire(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        name = document.get("metadata", {}).get("name", "?")
        raise CliError(
            f"{model.definition.kind} {name} has a field that this pilotage does not know: {field}: {first['msg']}",
            advice="use the version that runs in the cluster, or look with -o yaml",
        ) from error


@asynccontextmanager
async def connect(target: ClusterTarget) -> AsyncIterator[Cluster]:
    """Open the cluster that kubectl would reach, with the small client where it serves what is configured."""
    from crds.api.access import NeedsClient
    from crds.api.light import LightApi

    kubeconfig = str(target.kubeconfig) if target.kubeconfig else None
    try:
        light = LightApi.connect(kubeconfig=kubeconfig, context=target.context)
    except NeedsClient:
        from crds.api.kubernetes import KubernetesApi

        async with await KubernetesApi.connect(kubeconfig=kubeconfig, context=target.context) as kubernetes:
            yield kubernetes
    else:
        async with light:
            yield light


opener: Opener = connect
"""How commands reach a cluster; tests put a cluster of their own here."""


def with_session(target: ClusterTarget, action: Callable[[Session], Awaitable[Answer]]) -> Answer:
    """Run one action against the cluster; an error of the API server ends the command with its exit code."""

    async def run() -> Answer:
        async with opener(target) as kubernetes:
            return await action(
                Session(
                    kubernetes=kubernetes,
                    namespace=target.namespace or kubernetes.default_namespace,
                    target=target,
                )
            )

    try:
        return asyncio.run(run())
    except ApiError as error:
        raise for_people(error, target) from error


def for_people(error: ApiError, target: ClusterTarget) -> CliError:
    """Give an error of the API server its exit code, and advice where there is any."""
    return CliError(error.message or str(error), code=_code(error), advice=target.pasted(_advice(error)))


def _code(error: ApiError) -> ExitCode:
    match error:
        case ApiNotFound():
            return ExitCode.NOT_FOUND
        case ApiUnconfigured():
            return ExitCode.USAGE
        case ApiUnavailable() | ApiUnauthorized():
            return ExitCode.UNREACHABLE
        case _:
            return ExitCode.FAILED


def _advice(error: ApiError) -> str:
    match error:
        case ApiUnconfigured():
            return "name a kubeconfig with --kubeconfig or KUBECONFIG, and one of its contexts with --context"
        case ApiUnavailable():
            return "does `kubectl cluster-info` reach it?"
        case ApiNotFound():
            return f"are the custom resources installed? `{APPLY_COMMAND}`"
        case ApiUnauthorized():
            return "log in again: the API server does not accept this credential"
        case _:
            return ""


def name_of(document: Document) -> str:
    """Return an object's name."""
    return str(document["metadata"]["name"])
