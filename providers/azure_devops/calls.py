"""Calls about one repository of Azure DevOps, and the pages of its lists."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from functools import partial

from providers.azure_devops import wire
from providers.azure_devops.auth import AzureDevOpsAuth
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderUnauthorized
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, TooMuch, items_on
from providers.metrics import Recorder
from providers.models import Credential

# A credential that is not accepted leads a read to another host, which must be seen here rather than be followed.
_SEEN = frozenset({302})


class OwnAccount:
    """Remember by which id the host knows a credential's owner; empty = not asked yet."""

    def __init__(self) -> None:
        self.id = ""


class AzureDevOpsCalls:
    """Send requests of one repository, with a fresh token of Entra where the last one is not accepted."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        project: str,
        repository: str,
        credential: Credential,
        record: Recorder,
    ) -> None:
        self.project = project
        self.repository = wire.repository_path(project, repository) if project else ""
        self.web = wire.repository_page(base_url, project, repository) if project else ""
        self._auth = AzureDevOpsAuth(http=http, base_url=base_url, credential=credential, record=record)
        self.settled_within = http.options.settled_within
        self._own = http.memory(OwnAccount, credential, base_url)
        endpoint = partial(
            Endpoint,
            http=http,
            credential=credential,
            record=record,
            headers=wire.HEADERS,
            refine=wire.refine,
            secrets=self._auth.secrets,
            slow=True,
        )
        self._endpoint = endpoint(base_url=base_url)
        self._identities = endpoint(base_url=wire.identities_url(base_url))

    async def call(self, request: Request) -> Reply:
        """Send once; what is answered by a request to sign in did nothing, so it is sent again with a new token."""
        return await self._call(self._endpoint, request)

    async def call_identities(self, request: Request) -> Reply:
        """Send as `call` does, to where the organization's accounts are."""
        return await self._call(self._identities, request)

    async def _call(self, endpoint: Endpoint, request: Request) -> Reply:
        used = await self._auth.headers()
        try:
            return await _send(endpoint, request, used)
        except ProviderUnauthorized as error:
            if error.status != 401 or not self._auth.renew(used):
                raise
        return await _send(endpoint, request, await self._auth.headers())

    async def account(self) -> str:
        """Return the id of the credential's owner, as comments show it."""
        if not self._own.id:
            self._own.id = wire.read_account_id((await self.call(wire.get_account())).document())
        return self._own.id

    def error(self, request: Request, reply: Reply) -> ProviderError:
        """Make the error that an answer means which a call accepted."""
        return self._endpoint.error(request, reply)

    def redacted(self, error: ProviderError) -> ProviderError:
        """Make an error fit to be shown whose text holds a host's answer."""
        text = self._endpoint.redact(str(error))
        return type(error)(text, status=error.status, retry_after=error.retry_after)

    async def prove_seen(self) -> None:
        """Raise ProviderNotFound where the credential does not see the repository: that answers as a missing commit."""
        await self.call(wire.get_repository(self.repository))

    async def pages(
        self, request: Callable[[int], Request], following: Callable[[int, Reply], int]
    ) -> AsyncGenerator[Reply, None]:
        """Yield page by page, so that a caller keeps what it reads.

        `request` takes how many items to skip. `following` returns how many are to be skipped for the next page, from
        how many were skipped for this one; 0 after the last one.
        """
        bound, skip = ListBound(), 0
        for _ in range(wire.PAGE_LIMIT):
            reply = bound.take(await self.call(request(skip)))
            yield reply
            skip = following(skip, reply)
            if not skip:
                return
        raise TooMuch(f"the host names more than {wire.PAGE_LIMIT} pages")


async def _send(endpoint: Endpoint, request: Request, headers: Mapping[str, str]) -> Reply:
    asked = replace(request, headers={**request.headers, **headers}, accepts=request.accepts | _SEEN)
    reply = await endpoint.call(asked)
    if reply.status in _SEEN or wire.is_sign_in(reply):
        raise endpoint.error(asked, reply)
    return reply


def after_full_page(skip: int, reply: Reply, *, size: int = wire.PAGE_SIZE) -> int:
    """Go on after a full page, in lists that do not show whether there are others."""
    count = items_on(reply, "value")
    return skip + count if count >= size else 0
