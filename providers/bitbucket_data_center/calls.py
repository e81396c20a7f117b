"""Calls of one repository at Bitbucket Data Center: the credential's header, pages, and whose it is."""

import base64
from collections.abc import AsyncGenerator, Mapping

from providers.accounts import OwnName
from providers.bitbucket_data_center import wire
from providers.credentials import optional_secret, secret
from providers.endpoint import Endpoint
from providers.errors import ProviderError
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, TooMuch
from providers.metrics import Recorder
from providers.models import Credential


class BitbucketDataCenterCalls:
    """Send requests of one repository. Secret: `token`, an HTTP access token; or `username` with `password`."""

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
        self.base_url = base_url
        self.full_name = f"{project}/{repository}" if project else ""
        self.project, self.slug = project, repository
        self.repository = wire.repository_path(project, repository) if project else ""
        self._credential = credential
        self._endpoint = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            authorize=self._headers,
            headers=wire.HEADERS,
            refine=wire.refine,
            secrets=(_basic(credential),),
        )
        self._own = http.memory(OwnName, credential, base_url)

    async def call(self, request: Request) -> Reply:
        """Send once."""
        return await self._endpoint.call(request)

    def error(self, request: Request, reply: Reply) -> ProviderError:
        """Make the error that an accepted answer means after all."""
        return self._endpoint.error(request, reply)

    async def pages(self, request: Request, *, size: int = wire.PAGE_SIZE) -> AsyncGenerator[Reply, None]:
        """Yield page by page, as far as the host names a next one."""
        bound, start = ListBound(), 0
        for _ in range(wire.PAGE_LIMIT):
            reply = bound.take(await self.call(wire.page_of(request, start, size)))
            yield reply
            following = wire.next_start(reply, start)
            if following is None:
                return
            start = following
        raise TooMuch(f"the host names more than {wire.PAGE_LIMIT} pages")

    def redact(self, text: str) -> str:
        """Make a host's text fit to be shown."""
        return self._endpoint.redact(text)

    async def prove_seen(self) -> None:
        """Raise ProviderNotFound where the credential does not see the repository: that answers as a missing part."""
        await self.call(wire.check_repository(self.repository))

    async def account(self) -> str:
        """Return the name under which the credential writes, in lower case; empty where the host does not show it."""
        known = self._own.get()
        return self._own.put(wire.account_of(await self.call(wire.check_account()))) if known is None else known

    def learn_account(self, name: str) -> None:
        """Take the author of what was just written for the account, where the host does not show it."""
        self._own.learn(name.lower())

    async def _headers(self) -> Mapping[str, str]:
        if not optional_secret(self._credential, "username"):
            return {"Authorization": f"Bearer {secret(self._credential, 'token')}"}
        if not optional_secret(self._credential, "token"):
            secret(self._credential, "password")
        return {"Authorization": f"Basic {_basic(self._credential)}"}


def _basic(credential: Credential) -> str:
    data = credential.data
    secret = data.get("token", "").strip() or data.get("password", "").strip()
    return base64.b64encode(f"{data.get('username', '').strip()}:{secret}".encode()).decode("ascii")
