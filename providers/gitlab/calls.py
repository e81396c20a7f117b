"""Send requests of one project with one credential."""

from collections.abc import AsyncGenerator, Callable, Mapping

from providers.accounts import Believed
from providers.credentials import optional_secret
from providers.endpoint import Endpoint, Refine
from providers.errors import (
    ProviderError,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderUnauthorized,
)
from providers.gitlab import wire
from providers.gitlab.options import GitLabOptions
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, TooMuch
from providers.metrics import Recorder
from providers.models import Credential

TRIGGER_TOKEN = "triggerToken"  # noqa: S105 - the name of the key, not its value


class OwnUser(Believed[wire.User]):
    """Remember the user of a token."""


class GitLabCalls:
    """Send requests of one project. `refine` may name an error better than what all of GitLab has in common does."""

    def __init__(
        self,
        *,
        http: HttpClients,
        options: GitLabOptions,
        credential: Credential,
        record: Recorder,
        refine: Refine | None = None,
    ) -> None:
        self.base_url = wire.base_url(options.domain)
        self.project = wire.project_path(options.project) if options.project else ""
        self.called = "" if options.project.isdecimal() else options.project.strip().strip("/")
        """The project's path as it was given; empty where it was given by its number, which survives renames."""
        self._credential = credential
        self._more = refine
        self._endpoint = Endpoint(
            http=http,
            base_url=self.base_url,
            credential=credential,
            record=record,
            authorize=self._headers,
            refine=self._refine,
        )
        self._graphql = Endpoint(
            http=http,
            base_url=wire.graphql_url(self.base_url),
            credential=credential,
            record=record,
            authorize=self._headers,
        )
        self._own = http.memory(OwnUser, credential, self.base_url)

    @property
    def trigger_token(self) -> str:
        """The Secret's trigger token, which starts pipelines and does nothing else; empty where there is none."""
        return optional_secret(self._credential, TRIGGER_TOKEN)

    async def call(self, request: Request) -> Reply:
        """Send once and return a success or an accepted status."""
        return await self._endpoint.call(request)

    async def query(self, request: Request) -> Reply:
        """Send one GraphQL request."""
        return await self._graphql.call(request)

    async def pages(self, request: Callable[[int], Request]) -> AsyncGenerator[Reply, None]:
        """Yield page by page, so that a caller keeps what it reads and no more."""
        bound = ListBound()
        for page in range(1, wire.PAGE_LIMIT + 1):
            reply = bound.take(await self.call(request(page)))
            yield reply
            if not wire.has_more(reply):
                return
        raise TooMuch(f"the host names more than {wire.PAGE_LIMIT} pages")

    async def user(self) -> wire.User | None:
        """Return the user as whom the token acts; None where it may not ask."""
        if (known := self._own.get()) is not None:
            return known
        try:
            reply = await self.call(wire.get_account())
        except (ProviderUnauthorized, ProviderNotFound) as error:
            if error.status == 401:
                raise
            # Not remembered: the token's rights may be fixed.
            return None
        return self._own.put(wire.read_user(reply.document()))

    async def user_id(self) -> str | None:
        """Return the id of that user."""
        found = await self.user()
        return found.id if found is not None else None

    async def prove_seen(self) -> None:
        """Raise ProviderNotFound where the credential does not see the project: much is answered as 404 then."""
        await self.call(wire.get_project(self.project))

    def error(self, request: Request, reply: Reply) -> ProviderError:
        """Make the error that an accepted answer means after all."""
        return self._endpoint.error(request, reply)

    def redact(self, text: str) -> str:
        """Make a host's text fit to be shown."""
        return self._endpoint.redact(text)

    def _refine(self, request: Request, reply: Reply, error: ProviderError) -> ProviderError:
        found = wire.refine(request, reply, error)
        return self._more(request, reply, found) if self._more is not None else found

    async def _headers(self) -> Mapping[str, str]:
        """Name the token in the one way that takes every kind of it, OAuth tokens too, in REST and in GraphQL.

        https://docs.gitlab.com/api/rest/authentication/#personalprojectgroup-access-tokens
        """
        token = optional_secret(self._credential, "token")
        if token:
            return {"Authorization": f"Bearer {token}"}
        if self.trigger_token:
            raise ProviderMisconfigured("a `triggerToken` can only start pipelines: add a `token` with scope read_api")
        raise ProviderMisconfigured("the Secret has no key `token`: add it")
