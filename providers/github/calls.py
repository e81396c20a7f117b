"""Calls to GitHub about one repository, with one credential."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace

from providers.accounts import OwnName
from providers.documents import Document
from providers.endpoint import Endpoint
from providers.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.github import rights, wire
from providers.github.auth import GitHubAuth
from providers.hindrances import prove_writable
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, TooMuch
from providers.metrics import Recorder
from providers.models import Credential


class GitHubCalls:
    """Send requests of one repository, with a fresh installation token after a 401."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        owner: str,
        repository: str,
        credential: Credential,
        record: Recorder,
        app_id: str = "",
        installation_id: str = "",
        needs: Mapping[str, str],
    ) -> None:
        self._needs = needs
        self.owner = owner
        self.full_name = f"{owner}/{repository}"
        self.repository = wire.repository_path(owner, repository) if owner else ""
        self.auth = GitHubAuth(
            http=http,
            base_url=base_url,
            owner=owner,
            repository=repository,
            credential=credential,
            record=record,
            app_id=app_id,
            installation_id=installation_id,
        )
        self._own = http.memory(OwnName, credential, base_url)
        self._endpoint = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            headers=wire.HEADERS,
            refine=wire.refine,
        )
        self._graphql = Endpoint(
            http=http,
            base_url=wire.graphql_url(base_url),
            credential=credential,
            record=record,
            headers=wire.HEADERS,
        )

    async def call(self, request: Request) -> Reply:
        """Send once; a 401 did nothing at the host, so it is sent again once with a new installation token."""
        return await self._renewing(self._endpoint, request)

    async def query(self, request: Request) -> Reply:
        """Send once in GraphQL, which answers most refusals with status 200."""
        return await self._renewing(self._graphql, request)

    async def _renewing(self, endpoint: Endpoint, request: Request) -> Reply:
        used = await self.auth.headers()
        try:
            return await endpoint.call(_with(request, used))
        except ProviderUnauthorized as error:
            # After a 403 the next call has a new token: what an App was granted meanwhile no older one may do.
            if not self.auth.renew(used) or error.status != 401:
                raise
        return await endpoint.call(_with(request, await self.auth.headers()))

    def error(self, request: Request, reply: Reply) -> ProviderError:
        """Make the error that an accepted answer means after all."""
        return self._endpoint.error(request, reply)

    async def prove_rights(self) -> str:
        """Prove that the repository may be written to as is needed, as far as the host states so; return its name.

        Raises ProviderUnauthorized for a missing right, ProviderRejected for an archived repository, and
        ProviderMisconfigured for one that is called otherwise now.
        """
        reply = await self.call(wire.check_repository(self.repository))
        repository = reply.document()
        name = wire.read_account(repository)
        archived = wire.is_archived(repository)
        prove_writable(called=self.full_name, name=name, archived=archived, host="GitHub", redact=self.redact)
        if missing := rights.missing(reply, self._needs, self.auth.granted if self.auth.is_app else None):
            # The next proof has a token that may do what was granted meanwhile.
            self.auth.renew(await self.auth.headers())
            raise ProviderUnauthorized(self.redact(missing), status=403)
        return name

    async def prove_seen(self) -> None:
        """Raise ProviderNotFound where the credential does not see the repository: that answers as a missing part."""
        await self.call(wire.check_repository(self.repository))

    def redact(self, text: str) -> str:
        """Make a host's text fit to be shown."""
        return self._endpoint.redact(text)

    async def account(self) -> Document:
        """Ask who the credential belongs to."""
        if self.auth.is_app:
            return await self.auth.app()
        return (await self.call(wire.check_account(app=False))).document()

    async def login(self) -> str:
        """Return the account's name as comments and runs show it; empty where the host does not show it."""
        if (known := self._own.get()) is not None:
            return known
        try:
            account = await self.account()
        except (ProviderUnauthorized, ProviderNotFound) as error:
            # The token of an App's installation, such as a workflow run's, cannot ask for its account in REST.
            if error.status == 401:
                raise
            viewer = await self._viewer()
            return "" if viewer is None else self._own.put(viewer)
        return self._own.put(wire.read_own_name(account, app=self.auth.is_app))

    async def _viewer(self) -> str | None:
        """Ask in GraphQL; empty where that is not there, or refused as well, and None where it may answer later."""
        try:
            return wire.read_viewer((await self.query(wire.ask_viewer())).document())
        except (ProviderUnauthorized, ProviderNotFound, ProviderRejected) as error:
            if error.status == 401:
                raise
            return ""
        except ProviderMalformed:
            # Such as a limit or an outage, which GraphQL answers with success.
            return None

    def learn_login(self, login: str) -> None:
        """Take the author of what was just written for the account, where the host does not show it."""
        self._own.learn(login)

    async def pages(self, request: Callable[[int], Request], *path: str) -> AsyncGenerator[Reply, None]:
        """Yield page by page, so that a caller keeps what it reads; `path` leads to the list of items within a page."""
        bound = ListBound()
        for page in range(1, wire.PAGE_LIMIT + 1):
            reply = bound.take(await self.call(request(page)))
            yield reply
            if not wire.goes_on(reply, *path):
                return
        raise TooMuch(f"the host names more than {wire.PAGE_LIMIT} pages")


def _with(request: Request, headers: Mapping[str, str]) -> Request:
    return replace(request, headers={**request.headers, **headers})
