"""One connection to the cluster per command, its errors turned into exit codes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from pydantic import ValidationError

from crds.api.ports import (
    ApiError,
    ApiForbidden,
    ApiNotFound,
    ApiResource,
    ApiUnavailable,
    ApiUnconfigured,
    Document,
    Kubernetes,
    resource_of,
)
from crds.resource import Resource
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from worker.cli.exits import CliError, ExitCode
from worker.cli.options import Target

# https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
SELF_SUBJECT_REVIEWS = ApiResource(
    group="authentication.k8s.io", version="v1", plural="selfsubjectreviews", kind="SelfSubjectReview", namespaced=False
)

Answer = TypeVar("Answer")
AnyResource = TypeVar("AnyResource", bound=Resource)
Opener = Callable[[Target], AbstractAsyncContextManager[Kubernetes]]


class Session:
    """The cluster and namespace that one command speaks with."""

    def __init__(self, *, kubernetes: Kubernetes, namespace: str) -> None:
        self.kubernetes = kubernetes
        self.namespace = namespace

    async def read(self, model: type[AnyResource], name: str) -> AnyResource:
        """Read one object of ours. Raises CliError with NOT_FOUND where it is not there."""
        return parse(model, await self.document(model, name))

    async def document(self, model: type[Resource], name: str) -> Document:
        """Read one object as the API server sent it."""
        try:
            return await self.kubernetes.get(resource_of(model.definition), self.namespace, name)
        except ApiNotFound as error:
            raise CliError(
                f'{model.definition.kind} "{name}" not found in namespace "{self.namespace}"',
                code=ExitCode.NOT_FOUND,
                advice=_not_found_advice(model, error),
            ) from error

    async def documents(self, model: type[Resource], *, everywhere: bool = False) -> list[Document]:
        """List the objects of one kind, by namespace and name."""
        page = await self.kubernetes.list_all(resource_of(model.definition), None if everywhere else self.namespace)
        return sorted(page.items, key=lambda one: (one["metadata"].get("namespace", ""), one["metadata"]["name"]))

    async def user_name(self) -> str:
        """Return one's own name as the API server authenticates it."""
        review = {"apiVersion": SELF_SUBJECT_REVIEWS.api_version, "kind": SELF_SUBJECT_REVIEWS.kind}
        answer = await self.kubernetes.create(SELF_SUBJECT_REVIEWS, None, review)
        return str(answer["status"]["userInfo"]["username"])


def parse(model: type[AnyResource], document: Document) -> AnyResource:
    """Read a document into its model."""
    try:
        return model.from_wire(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        name = document.get("metadata", {}).get("name", "?")
        raise CliError(
            f"{model.definition.kind} {name} holds what this pilotage does not know: {field}: {first['msg']}",
            advice="use the version that runs in the cluster, or look with -o yaml",
        ) from error


def _not_found_advice(model: type[Resource], error: ApiError) -> str:
    if model is PullRequestTracker:
        return "`pilotage get -A` lists every tracker that you may see"
    return error.message


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Kubernetes]:
    """Open the cluster that kubectl would speak with."""
    from crds.api.kubernetes import KubernetesApi

    kubeconfig = str(target.kubeconfig) if target.kubeconfig else None
    async with await KubernetesApi.connect(kubeconfig=kubeconfig, context=target.context) as kubernetes:
        yield kubernetes


opener: Opener = connect
"""How commands reach a cluster; tests put a cluster of their own here."""


def with_session(target: Target, action: Callable[[Session], Awaitable[Answer]]) -> Answer:
    """Run one action against the cluster; an error of the API server ends the command with its exit code."""

    async def run() -> Answer:
        async with opener(target) as kubernetes:
            return await action(
                Session(kubernetes=kubernetes, namespace=target.namespace or kubernetes.default_namespace)
            )

    try:
        return asyncio.run(run())
    except ApiError as error:
        raise for_people(error) from error


def for_people(error: ApiError) -> CliError:
    """Give an error of the API server its exit code, and advice where there is any."""
    return CliError(error.message or str(error), code=_code(error), advice=_advice(error))


def _code(error: ApiError) -> ExitCode:
    match error:
        case ApiNotFound():
            return ExitCode.NOT_FOUND
        case ApiUnconfigured():
            return ExitCode.USAGE
        case ApiUnavailable():
            return ExitCode.UNREACHABLE
        case ApiForbidden():
            return ExitCode.UNREACHABLE if error.status == 401 else ExitCode.FAILED
        case _:
            return ExitCode.FAILED


def _advice(error: ApiError) -> str:
    match error:
        case ApiUnconfigured():
            return "name a kubeconfig with --kubeconfig or KUBECONFIG, and one of its contexts with --context"
        case ApiUnavailable():
            return "does `kubectl cluster-info` work with the same kubeconfig and context?"
        case ApiNotFound():
            return "are the custom resources installed? `pilotage crds | kubectl apply --server-side -f -`"
        case ApiForbidden() if error.status == 401:
            return "log in again: the API server does not accept this credential"
        case _:
            return ""


def name_of(document: Document) -> str:
    """Return an object's name."""
    return str(document["metadata"]["name"])
