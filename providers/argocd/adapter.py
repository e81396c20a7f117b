"""Argo CD's API server: reads, moves and syncs applications."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from providers.application_models import (
    ApplicationPlace,
    ApplicationRef,
    ApplicationState,
    ApplicationTarget,
    SyncWindow,
)
from providers.argocd import targets, windows, wire
from providers.argocd.applications import read_application
from providers.argocd.projects import ProjectSizes
from providers.argocd.rights import Rights
from providers.credentials import secret
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderMalformed, ProviderNotFound, ProviderUnauthorized
from providers.http import HttpClients
from providers.messages import Request
from providers.metrics import Recorder
from providers.models import Credential
from providers.reading import read

# Asked for first where several namespaces are listed, so that one call mostly suffices.
_USUAL_NAMESPACE = "argocd"


class ControlPlane:
    """Remember the namespace that a server takes where none is named."""

    def __init__(self) -> None:
        self.namespace = ""
        self.others: set[str] = set()
        """Namespaces that proved to be others; asked no more."""


class ArgoCDDeployments:
    """Secret: `token`, of an account or a project role that may get and sync, and update where it writes."""

    def __init__(self, *, http: HttpClients, base_url: str, credential: Credential, record: Recorder) -> None:
        self._server = base_url
        self._credential = credential
        self._endpoint = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            authorize=self._headers,
            refine=wire.refine,
        )
        self._control_plane = http.memory(ControlPlane, credential, base_url)
        self._sizes = http.memory(ProjectSizes, credential, base_url)
        self._rights = http.memory(Rights, credential, base_url)

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        return await self._application(wire.get(ref, refresh=refresh), ref)

    async def names(self, project: str, *, selector: str = "") -> tuple[str, ...]:
        reply = await self._endpoint.call(wire.list_names(project, selector))
        listed = await read(reply, partial(wire.read_names, reply.document()))
        if not self._control_plane.namespace:
            await self._find_control_plane(project, listed)
        return tuple(sorted(wire.referred(one, self._control_plane.namespace) for one in listed))

    async def fingerprints(self, project: str) -> Mapping[str, str]:
        reply = await self._endpoint.call(wire.list_fingerprints(project))
        found = await read(reply, partial(wire.read_fingerprints, reply.document()))
        if not self._control_plane.namespace:
            await self._find_control_plane(project, tuple(listed for listed, _ in found))
        return {wire.referred(listed, self._control_plane.namespace): digest for listed, digest in found}

    async def list(self, project: str) -> tuple[ApplicationState, ...]:
        try:
            reply = await self._endpoint.call(wire.list_applications(project))
            states = await read(reply, partial(wire.read_list, reply.document(), self._server))
        except ProviderMalformed:
            # Too large, or one application of somebody else's hides all others: no list for a while.
            self._sizes.note(project, None)
            raise
        self._sizes.note(project, len(states))
        if not self._control_plane.namespace:
            await self._find_control_plane(project, tuple(map(wire.listed, states)))
        found = (replace(one, name=wire.referred(wire.listed(one), self._control_plane.namespace)) for one in states)
        return tuple(sorted(found, key=lambda state: state.name))

    async def favours_list(self, project: str, wanted: int) -> bool:
        if not self._sizes.is_known(project):
            try:
                self._sizes.note(project, len(await self.names(project)))
            except ProviderMalformed:
                self._sizes.note(project, None)
        return self._sizes.favour_list(project, wanted)

    def locate(self, target: ApplicationTarget, state: ApplicationState) -> ApplicationPlace:
        return targets.locate(target, state)

    async def write(
        self, ref: ApplicationRef, target: ApplicationTarget, state: ApplicationState, value: str
    ) -> ApplicationState:
        operations = targets.patch_operations(target, state, value)
        return await self._application(wire.patch(ref, operations), ref)

    async def sync(
        self, ref: ApplicationRef, *, revisions: Sequence[str], key: str, prune: bool = False
    ) -> ApplicationState:
        return await self._application(wire.sync(ref, revisions=revisions, key=key, prune=prune), ref)

    async def sync_windows(self, ref: ApplicationRef) -> tuple[SyncWindow, ...]:
        reply = await self._endpoint.call(wire.sync_windows(ref))
        return await read(reply, partial(windows.in_the_way, reply.document(), datetime.now(UTC)))

    async def may(self, ref: ApplicationRef, verb: str) -> bool | None:
        async def ask(object_: str) -> bool:
            return wire.read_can_i((await self._endpoint.call(wire.can_i(verb, object_))).document())

        # Most tokens may do it to all of a project: one question then answers for each of its applications.
        whole = f"{ref.project}/*"
        if await self._rights.may(verb, whole, lambda: ask(whole)):
            return True
        try:
            await self._place(ref)
        except ProviderError:
            return None
        own = wire.rbac_object(ref, self._control_plane.namespace)
        return await self._rights.may(verb, own, lambda: ask(own))

    async def stream(self, ref: ApplicationRef) -> AsyncIterator[ApplicationState]:
        """Yield until the server ends the stream; close the iterator (aclosing) to give its connection back."""
        async with aclosing(self._endpoint.lines(wire.stream(ref))) as lines:
            async for line in lines:
                try:
                    state = await read(line, partial(wire.read_event, line, self._server))
                except ProviderError as error:
                    raise type(error)(self._endpoint.redact(str(error)), status=error.status) from None
                yield replace(state, name=ref.name)

    async def check(self) -> str:
        reply = await self._endpoint.call(wire.version())
        await self._endpoint.call(wire.check())
        return wire.read_version(reply.document())

    async def _application(self, request: Request, ref: ApplicationRef) -> ApplicationState:
        reply = await self._endpoint.call(request)
        state = await read(reply, partial(read_application, reply.document(), self._server))
        if not wire.names(ref)[0]:
            self._control_plane.namespace = state.namespace
        return replace(state, name=ref.name)

    async def _place(self, ref: ApplicationRef) -> None:
        """Learn whether the namespace that a reference names is the control plane's, which RBAC never names."""
        namespace, name = wire.names(ref)
        if not namespace or self._control_plane.namespace or namespace in self._control_plane.others:
            return
        try:
            await self.get(ref)
        except (ProviderNotFound, ProviderUnauthorized):
            # What is not to be seen there proves nothing by being absent elsewhere.
            return
        await self._find_control_plane(ref.project, (wire.Listed(namespace=namespace, name=name),))

    async def _find_control_plane(self, project: str, listed: Sequence[wire.Listed]) -> None:
        """Read listed applications by their bare names until one is found: that one shows the namespace.

        One that is not found, or not to be seen, is listed in other namespaces only: what the control plane's own
        shows in a list it shows to the same token when read.
        """
        elsewhere = self._control_plane.others
        for candidate in sorted(listed, key=lambda one: one.namespace != _USUAL_NAMESPACE):
            if not candidate.namespace or candidate.namespace in elsewhere:
                continue
            try:
                await self.get(ApplicationRef(project=project, name=candidate.name))
            except (ProviderNotFound, ProviderUnauthorized) as error:
                if error.status not in (403, 404):
                    raise
                elsewhere.update(one.namespace for one in listed if one.name == candidate.name)
            else:
                return

    async def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {secret(self._credential, 'token')}"}
