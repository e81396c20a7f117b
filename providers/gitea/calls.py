"""Requests of one repository at a Gitea or Forgejo, with its credential: a token, or user and password."""

import base64
from collections.abc import AsyncGenerator, Callable, Mapping

from providers.accounts import OwnName
from providers.credentials import optional_secret, secret
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderMisconfigured, ProviderUnauthorized
from providers.gitea import wire
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, TooMuch, has_next_page, items_on
from providers.metrics import Recorder
from providers.models import Credential


class GiteaCalls:
    """Send requests; with an empty owner there is no repository."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        owner: str,
        repository: str,
        credential: Credential,
        record: Recorder,
        program: str = "Gitea",
    ) -> None:
        self.program = program
        self.owner = owner
        self.full_name = f"{owner}/{repository}"
        self.repository = wire.repository_path(owner, repository) if owner else ""
        self._credential = credential
        self._own = http.memory(OwnName, credential, base_url)
        self._endpoint = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            authorize=self._headers,
            refine=wire.refine,
            secrets=(_basic(credential.data.get("username", "").strip(), credential.data.get("password", "").strip()),),
        )

    async def call(self, request: Request) -> Reply:
        return await self._endpoint.call(request)

    def error(self, request: Request, reply: Reply) -> ProviderError:
        """Make the error that an accepted answer means after all."""
        return self._endpoint.error(request, reply)

    def redact(self, text: str) -> str:
        """Make a host's text fit to be shown."""
        return self._endpoint.redact(text)

    async def prove_seen(self) -> None:
        """Raise ProviderNotFound where the credential does not see the repository: that answers as a missing part."""
        await self.call(wire.check_repository(self.repository))

    async def account(self) -> str:
        """Ask whose the credential is; empty where it is accepted, but may not ask that."""
        try:
            reply = await self.call(wire.check_account())
        except ProviderUnauthorized as error:
            if not wire.misses_scope(str(error)):
                raise
            return ""
        return wire.read_login(reply.document())

    async def login(self) -> str:
        """Return the account's name as comments show it; empty where the host does not show it."""
        known = self._own.get()
        return self._own.put(await self.account()) if known is None else known

    def learn_login(self, login: str) -> None:
        """Take the author of what was just written for the account, where the host does not show it."""
        self._own.learn(login)

    async def pages(self, request: Callable[[int], Request], *path: str) -> AsyncGenerator[Reply, None]:
        """Yield page by page, so that a caller keeps what it reads; `path` leads to the list of items within a page."""
        bound, seen = ListBound(), 0
        for page in range(1, wire.PAGE_LIMIT + 1):
            reply = bound.take(await self.call(request(page)))
            yield reply
            found = items_on(reply, *path)
            seen += found
            if not (has_next_page(reply) or wire.has_more(reply, seen, found)):
                return
        raise TooMuch(f"the host names more than {wire.PAGE_LIMIT} pages")

    async def _headers(self) -> Mapping[str, str]:
        """Make the header of the credential.

        https://docs.gitea.com/development/api-usage#authentication
        """
        if token := optional_secret(self._credential, "token"):
            return {"Authorization": f"token {token}"}
        if not optional_secret(self._credential, "username"):
            raise ProviderMisconfigured("the Secret has no key `token`: add it, or `username` and `password`")
        user, password = secret(self._credential, "username"), secret(self._credential, "password")
        return {"Authorization": f"Basic {_basic(user, password)}"}


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
