"""The Kubernetes API as Pilotage uses it: named resources, errors by meaning and one port."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from crds.group import GROUP, VERSION

if TYPE_CHECKING:
    from crds.model import Definition

WATCH_TIMEOUT = timedelta(seconds=290)
WATCH_SILENCE = timedelta(seconds=90)
"""How long a watch may be silent: the API server sends a bookmark about once a minute to one that asks for them."""
PAGE_SIZE = 100

Document = dict[str, Any]
"""A JSON object as the API server sends it."""


@dataclass(frozen=True, kw_only=True)
class ApiResource:
    """Name one resource of the API server; `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return the `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def target(self, *, namespace: str, name: str, uid: str) -> "EventTarget":
        """Name one of its objects as what a Kubernetes event is about."""
        return EventTarget(api_version=self.api_version, kind=self.kind, namespace=namespace, name=name, uid=uid)

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of the collection or of one object; no namespace means all of them."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        if not {"", ".", ".."}.isdisjoint(parts):
            raise ApiInvalid("a name is missing, or none that an object can have", status=422)
        return "/" + "/".join(quote(part, safe="") for part in parts)


def resource_of(definition: "Definition") -> ApiResource:
    """Name the API resource of one of Pilotage's kinds."""
    return ApiResource(
        group=GROUP,
        version=VERSION,
        plural=definition.plural,
        kind=definition.kind,
        namespaced=definition.scope == "Namespaced",
    )


SECRETS = ApiResource(group="", version="v1", plural="secrets", kind="Secret")
EVENTS = ApiResource(group="", version="v1", plural="events", kind="Event")
NAMESPACES = ApiResource(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)


class ApiError(Exception):
    """An answer of the API server that is not a success.

    `reason` is the Status reason, such as `AlreadyExists`; `object_name` the object that the Status is about, empty
    where it names none.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "", object_name: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.object_name = object_name


class ApiNotFound(ApiError):
    """The object, or the kind itself, is not there."""

    @property
    def of_kind(self) -> bool:
        """Whether the API server does not serve the kind at all: its answer names no object then."""
        return not self.object_name


class ApiConflict(ApiError):
    """The object changed meanwhile, another field manager owns a field, or the name is taken (`AlreadyExists`)."""


class ApiGone(ApiError):
    """The resourceVersion or continue token is too old: list again."""


class ApiUnauthorized(ApiError):
    """The API server does not know who calls. A credential that is renewed on disk makes it worth another try."""


class ApiForbidden(ApiError):
    """The identity has not the right; the message names both."""


class ApiInvalid(ApiError):
    """The API server refuses the content; the message names every field."""


ABOUT_ONE_OBJECT = (ApiConflict, ApiForbidden, ApiInvalid)
"""Refusals that are no news of the next object: who writes to several goes on to that one."""

REFUSES_EVENT = (ApiForbidden, ApiInvalid, ApiNotFound)
"""Why an event is not kept: its namespace goes, no Role grants it, or a policy or webhook of the cluster denies it.
What it reports stands in a status as well, and nothing else waits for it."""


class ApiUnavailable(ApiError):
    """No usable answer: connection, timeout, overload or a server error. Worth another try."""


class ApiUnconfigured(ApiUnavailable):
    """Nothing names the server to call, or what names it cannot be read: a person must fix it."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a list. `resource_version` is where a watch of the whole list starts."""

    items: tuple[Document, ...]
    resource_version: str
    continue_token: str | None = None


@dataclass(frozen=True, kw_only=True)
class SecretData:
    """A Secret with its decoded entries; it has no repr of them."""

    data: Mapping[str, bytes] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WatchEvent:
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK. An ERROR line is raised, never yielded."""

    type: str
    object: Document


@dataclass(frozen=True, kw_only=True)
class EventTarget:
    """Name the object that a Kubernetes event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class Kubernetes(Protocol):
    """Call one API server. Every method raises ApiError of the fitting kind and nothing else."""

    @property
    def default_namespace(self) -> str:
        """Namespace of the kubeconfig's context, or of the pod."""

    async def list_page(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        limit: int = PAGE_SIZE,
        continue_token: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        """List one page; no namespace means all of them."""

    async def list_all(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        """List all pages as one. A continue token that expired on the way starts the list again."""

    def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = WATCH_TIMEOUT,
        field_selector: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Follow a list from a resourceVersion on; the iterator ends where the server ends the watch.

        Raises ApiGone for an expired resourceVersion, ApiUnavailable for a dropped connection or a line of garbage.
        """

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        """Read one object."""

    async def create(self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any]) -> Document:
        """Create one object; ApiConflict with reason `AlreadyExists` where the name is taken."""

    async def merge(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        changes: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> Document:
        """Apply a JSON merge patch; `metadata.resourceVersion` inside it makes it a compare-and-set."""

    async def patch(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        resource_version: str,
        field_manager: str,
        subresource: str | None = None,
    ) -> Document:
        """Apply the operations of a JSON patch to the object at this very version, else ApiConflict."""

    async def apply(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        document: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Document:
        """Apply server-side the fields that the manager owns; `metadata.resourceVersion` makes it a compare-and-set."""

    async def delete(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete one object; with a uid, or a version, only that very one (else ApiConflict)."""

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        """Read one Secret. The values belong in no log, error or status."""

    async def post_event(
        self, target: EventTarget, *, name: str, reason: str, message: str, warning: bool, component: str
    ) -> bool:
        """Post one Kubernetes event under a name that identifies it; False where it was posted before."""
