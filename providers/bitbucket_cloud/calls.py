"""Calls of one repository at Bitbucket Cloud: the credential's header, pages, and what is remembered of commits."""

import base64
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping

from providers.accounts import OwnName
from providers.bitbucket_cloud import wire
from providers.credentials import optional_secret, secret
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderNotFound, ProviderUnauthorized
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, TooMuch
from providers.metrics import Recorder
from providers.models import Credential

# About 200 bytes each.
_REMEMBERED = 20_000
_FULL_HASH_DIGITS = 40
# Of a 401 for a credential that is fine but may not ask for its account.
_OTHER_MECHANISM = "not accessible by this authentication mechanism"


class RecentTexts:
    """Remember texts by a key, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        found = self._texts.get(key)
        if found is not None:
            self._texts.move_to_end(key)
        return found

    def put(self, key: str, text: str) -> None:
        self._texts[key] = text
        self._texts.move_to_end(key)
        while len(self._texts) > _REMEMBERED:
            self._texts.popitem(last=False)

    def forget(self, key: str) -> None:
        self._texts.pop(key, None)


class KnownCommits(RecentTexts):
    """Remember full hashes by abbreviated ones."""


class MergesAtWork(RecentTexts):
    """Remember where merges in the background are asked for, so that no attempt begins one a second time."""


class BitbucketCloudCalls:
    """Send requests of one repository. Secret: `token`, an access token; or `username`, an address, with `token`."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        workspace: str,
        repository: str,
        credential: Credential,
        record: Recorder,
    ) -> None:
        self.full_name = f"{workspace}/{repository}" if workspace else ""
        self.repository = wire.repository_path(workspace, repository) if workspace else ""
        self._base_url = base_url
        self._credential = credential
        self._endpoint = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            authorize=self._headers,
            refine=wire.refine,
            secrets=(_basic(credential),),
        )
        self._own = http.memory(OwnName, credential, base_url)
        self._commits = http.memory(KnownCommits, credential, base_url)
        self.merges = http.memory(MergesAtWork, credential, base_url)

    async def call(self, request: Request) -> Reply:
        """Send once."""
        return await self._endpoint.call(request)

    def error(self, request: Request, reply: Reply) -> ProviderError:
        """Make the error that an accepted answer means after all."""
        return self._endpoint.error(request, reply)

    def redact(self, text: str) -> str:
        """Make a host's text fit to be shown."""
        return self._endpoint.redact(text)

    def followed(self, request: Request, address: str) -> Request:
        """Return a request for an address that the host named; ProviderMalformed where it leads elsewhere."""
        return wire.followed(request, address, self._base_url)

    async def prove_seen(self) -> None:
        """Raise ProviderNotFound where the credential does not see the repository: that answers as a missing part."""
        await self.call(wire.check_repository(self.repository))

    async def prove_commit(self, revision: str) -> None:
        """Raise ProviderNotFound where the repository has no such commit: that answers as a missing file."""
        request = wire.get_commit(self.repository, revision)
        reply = await self.call(request)
        if not reply.ok:
            raise ProviderNotFound(str(self.error(request, reply)), status=reply.status)

    async def pages(self, request: Request) -> AsyncGenerator[Reply, None]:
        """Yield page by page, as far as the host names a next one."""
        bound = ListBound()
        asked = request
        for _ in range(wire.PAGE_LIMIT):
            reply = bound.take(await self.call(asked))
            yield reply
            following = wire.next_page(reply, self._base_url, request)
            if following is None:
                return
            asked = following
        raise TooMuch(f"the host names more than {wire.PAGE_LIMIT} pages")

    async def expanded(self, sha: str) -> str | None:
        """Return the full hash of an abbreviated one; None where the repository has no such commit, or several."""
        if len(sha) >= _FULL_HASH_DIGITS:
            return sha
        key = f"{self.repository.lower()} {sha}"
        known = self._commits.get(key)
        if known is None:
            reply = await self.call(wire.get_commit(self.repository, sha))
            if not reply.ok:
                return None
            known = wire.read_commit(reply.document())
            if not wire.is_same_commit(sha, known):
                # That of a branch or tag that is called like the abbreviation: anybody who may push can make one.
                return None
            self._commits.put(key, known)
        return known

    def forget_commit(self, sha: str) -> None:
        """Ask again what the abbreviations of a full hash stand for."""
        for digits in range(wire.SHORTEST_HASH, _FULL_HASH_DIGITS):
            self._commits.forget(f"{self.repository.lower()} {sha[:digits]}")

    async def account(self) -> str:
        """Return the id under which the credential writes; empty where the host does not show it."""
        if (known := self._own.get()) is not None:
            return known
        try:
            return self._own.put(wire.read_account((await self.call(wire.check_account())).document()))
        except ProviderUnauthorized as error:
            if not is_no_account(error):
                raise
            return self._own.put("")

    def learn_account(self, uuid: str) -> None:
        """Take the author of what was just written for the account, where the host does not show it."""
        self._own.learn(uuid)

    async def _headers(self) -> Mapping[str, str]:
        token = secret(self._credential, "token")
        if not optional_secret(self._credential, "username"):
            return {"Authorization": f"Bearer {token}"}
        return {"Authorization": f"Basic {_basic(self._credential)}"}


def is_no_account(error: ProviderUnauthorized) -> bool:
    """Separate a credential that has no account, or may not ask for it, from one that is not accepted."""
    return error.status == 403 or _OTHER_MECHANISM in str(error)


def _basic(credential: Credential) -> str:
    pair = f"{credential.data.get('username', '').strip()}:{credential.data.get('token', '').strip()}"
    return base64.b64encode(pair.encode()).decode("ascii")
