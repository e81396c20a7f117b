"""Argo CD's API server: reads, moves and syncs applications."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing

from providers.argocd import wire
from providers.argocd.applications import read_application
from providers.credentials import secret
from providers.endpoint import Endpoint
from providers.errors import ProviderError
from providers.exchange import Request
from providers.http import HttpClients
from providers.metrics import Recorder
from providers.models import ApplicationRef, ApplicationState, Credential


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

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        return await self._application(wire.get(ref, refresh=refresh))

    async def list(self, project: str, *, selector: str = "") -> tuple[ApplicationState, ...]:
        reply = await self._endpoint.call(wire.list_applications(project, selector))
        return wire.read_list(reply.document(), self._server)

    async def patch(self, ref: ApplicationRef, operations: Sequence[Mapping[str, object]]) -> ApplicationState:
        return await self._application(wire.patch(ref, operations))

    async def sync(self, ref: ApplicationRef, *, revisions: Sequence[str], key: str) -> ApplicationState:
        return await self._application(wire.sync(ref, revisions=revisions, key=key))

    async def stream(self, ref: ApplicationRef) -> AsyncIterator[ApplicationState]:
        """Yield until the server ends the stream; close the iterator (aclosing) to give its connection back."""
        async with aclosing(self._endpoint.lines(wire.stream(ref))) as lines:
            async for line in lines:
                try:
                    state = wire.read_event(line, self._server)
                except ProviderError as error:
                    raise type(error)(self._endpoint.shown(str(error)), status=error.status) from None
                yield state

    async def check(self) -> str:
        reply = await self._endpoint.call(wire.version())
        await self._endpoint.call(wire.check())
        return wire.read_version(reply.document())

    async def _application(self, request: Request) -> ApplicationState:
        reply = await self._endpoint.call(request)
        return read_application(reply.document(), self._server)

    async def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {secret(self._credential, 'token')}"}
