"""Credentials of Azure DevOps: a personal access token, or an application of Entra whose tokens are minted here."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from providers.credentials import optional_secret, secret
from providers.documents import required_number, text
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderMalformed, ProviderMisconfigured, ProviderUnauthorized
from providers.http import HttpClients
from providers.messages import Reply, Request, segment
from providers.metrics import Recorder
from providers.models import Credential
from providers.tokens import KeptToken

DEFAULT_AUTHORITY = "https://login.microsoftonline.com"
# The id of Azure DevOps itself among Entra's applications:
# https://learn.microsoft.com/en-us/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
_ENTRA_KEYS = ("clientID", "clientSecret", "tenantID")
# A token that names its owner's groups is longer than any other; servers take no longer headers.
_TOKEN_BYTES = 15 * 1024
_LONGEST_LIFE = timedelta(days=1)


class AzureDevOpsAuth:
    """Answer with the Authorization header of one credential."""

    def __init__(self, *, http: HttpClients, base_url: str, credential: Credential, record: Recorder) -> None:
        self._credential = credential
        token = credential.data.get("token", "").strip()
        self._basic = base64.b64encode(f":{token}".encode()).decode("ascii") if token else ""
        # Where the application's secret goes is named with it: who writes a spec cannot lead it elsewhere.
        authority = credential.data.get("authority", "").strip().rstrip("/") or DEFAULT_AUTHORITY
        self._entra = Endpoint(
            http=http, base_url=authority, credential=credential, record=record, refine=refuse_credential
        )
        self._token = http.memory(KeptToken, credential, "entra", base_url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What else is hidden in texts: a token's Base64 is another one behind a colon."""
        return (self._basic,) if self._basic else ()

    @property
    def is_entra(self) -> bool:
        """Whether the Secret names an application rather than a token."""
        return not self._basic and any(self._credential.data.get(key, "").strip() for key in _ENTRA_KEYS)

    async def headers(self) -> Mapping[str, str]:
        """Return the header of a call."""
        if self.is_entra:
            return {"Authorization": f"Bearer {await self._token.token(self._mint)}"}
        if not optional_secret(self._credential, "token"):
            keys = "`clientID`, `clientSecret` and `tenantID`"
            raise ProviderMisconfigured(f"the Secret has neither key `token` nor keys {keys}: add one or the others")
        return {"Authorization": f"Basic {self._basic}"}

    def renew(self, used: Mapping[str, str]) -> bool:
        """Forget the minted token of headers that were not accepted; False where there is nothing to renew."""
        if self.is_entra:
            self._token.forget(used["Authorization"].removeprefix("Bearer "))
        return self.is_entra

    async def _mint(self) -> tuple[str, datetime]:
        values = {key: secret(self._credential, key) for key in _ENTRA_KEYS}
        asked = datetime.now(UTC)
        reply = await self._entra.call(ask_token(**values))
        return read_token(reply, asked)


def ask_token(clientID: str, clientSecret: str, tenantID: str) -> Request:  # noqa: N803 -- the Secret's keys
    """Ask for a token as the application itself.

    https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """
    return Request(
        method="POST",
        path=f"/{segment(tenantID)}/oauth2/v2.0/token",
        api="PullRequest",
        operation="create-token",
        form={
            "grant_type": "client_credentials",
            "client_id": clientID,
            "client_secret": clientSecret,
            "scope": SCOPE,
        },
    )


def read_token(reply: Reply, asked: datetime) -> tuple[str, datetime]:
    """Read a token and when it expires."""
    value = reply.document()
    found = text(value, "access_token", limit_bytes=_TOKEN_BYTES)
    if not found or not (found.isascii() and found.isprintable()):
        raise ProviderMalformed("the answer's `access_token` cannot be sent in a header")
    life = timedelta(seconds=max(0, min(required_number(value, "expires_in"), int(_LONGEST_LIFE.total_seconds()))))
    return found, asked + life


def refuse_credential(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name what Entra refuses of the application's credential, without what differs from one answer to the next.

    https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes
    """
    if reply.status not in (400, 401):
        return error
    try:
        found = text(reply.document(), "error_description").partition("Trace ID:")[0].strip()
    except ProviderMalformed:
        found = ""
    message = found or f"it answered {reply.status}"
    return ProviderUnauthorized(f"Entra gives the application no token: {message}", status=401)
