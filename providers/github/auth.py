"""Credentials of GitHub: a token, or an App whose installation tokens are minted, kept and renewed here."""

import time
from collections.abc import Mapping
from datetime import datetime

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from providers.credentials import optional_secret
from providers.documents import Document, required_moment, required_text, sendable_text
from providers.endpoint import Endpoint
from providers.errors import (
    ProviderError,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderUnauthorized,
)
from providers.github import rights, wire
from providers.host_clock import seconds_ahead
from providers.http import HttpClients
from providers.messages import Reply, Request, segment
from providers.metrics import Recorder
from providers.models import Credential
from providers.tokens import KeptToken

# GitHub refuses an `iat` in its future and an `exp` more than 600 s ahead; both clocks may be off.
_ISSUED_AGO_SECONDS = 60
_EXPIRES_IN_SECONDS = 540
# Of 2048 bits, which is what GitHub makes, a key has 1,700; the check of a Secret's worth of key takes hours.
# https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/managing-private-keys-for-github-apps
_LONGEST_KEY_BYTES = 2400


class FoundInstallation:
    """Remember an installation's id, once found out."""

    def __init__(self) -> None:
        self.id = ""


class GrantedPermissions:
    """Remember what the newest token of an installation may do; None where that is not known."""

    def __init__(self) -> None:
        self.granted: Mapping[str, str] | None = None


class AppKey:
    """Keep a credential's private key, read once: its check takes 40 ms in which nothing else runs."""

    def __init__(self) -> None:
        self._key: RSAPrivateKey | None = None

    def read(self, credential: Credential) -> RSAPrivateKey:
        """Return the key. Raises ProviderMisconfigured where there is none, or one that GitHub does not make."""
        if self._key is None:
            pem = credential.data["privateKey"].strip().encode()
            if len(pem) > _LONGEST_KEY_BYTES:
                text = f"the App's private key in the Secret is longer than {_LONGEST_KEY_BYTES} bytes"
                raise ProviderMisconfigured(f"{text}, and GitHub makes keys of 2048 bits: fix it")
            try:
                found = load_pem_private_key(pem, None)
            except (ValueError, TypeError, UnsupportedAlgorithm):
                found = None
            if not isinstance(found, RSAPrivateKey):
                raise ProviderMisconfigured("the App's private key in the Secret is no RSA private key in PEM: fix it")
            self._key = found
        return self._key


def _refine(_request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name a clock that is wrong: GitHub refuses what is signed in its future, or too far in its past."""
    ahead = seconds_ahead(reply.headers)
    if error.status != 401 or abs(ahead) <= _ISSUED_AGO_SECONDS:
        return error
    text = f"this worker's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the host's: set it"
    return ProviderUnauthorized(f"{error}; {text}", status=error.status)


class GitHubAuth:
    """Answer with the Authorization header of one credential for one repository."""

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
    ) -> None:
        self._credential = credential
        self._owner = owner
        self._repository = repository
        self._app_id = app_id or credential.data.get("appID", "").strip()
        self._installation_id = installation_id or credential.data.get("installationID", "").strip()
        self._app = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            authorize=self.app_headers,
            headers=wire.HEADERS,
            refine=_refine,
        )
        scope = self._installation_id or f"{owner}/{repository}"
        key = (base_url, self._app_id, scope)
        self._tokens = http.memory(KeptToken, credential, *key)
        self._found = http.memory(FoundInstallation, credential, *key)
        self._key = http.memory(AppKey, credential)
        self._permissions = http.memory(GrantedPermissions, credential, *key)

    @property
    def is_app(self) -> bool:
        """Whether the Secret holds an App's key rather than a token."""
        data = self._credential.data
        return bool(data.get("privateKey", "").strip()) and not data.get("token", "").strip()

    @property
    def granted(self) -> Mapping[str, str] | None:
        """What an App's newest token may do, which is what it might when it was minted; None where not known."""
        return self._permissions.granted

    async def headers(self) -> Mapping[str, str]:
        """Return the header for calls about the repository."""
        if not self.is_app:
            token = optional_secret(self._credential, "token")
            if not token:
                raise ProviderMisconfigured("the Secret has neither key `token` nor key `privateKey`: add one")
            return {"Authorization": f"Bearer {token}"}
        return {"Authorization": f"Bearer {await self._tokens.token(self._mint)}"}

    async def app_headers(self) -> Mapping[str, str]:
        """Return the header for calls as the App itself: a short-lived JWT."""
        if not self._app_id:
            raise ProviderMisconfigured("a `privateKey` needs the App's id: set `appID` in the Secret or the provider")
        now = int(time.time())
        claims = {"iss": self._app_id, "iat": now - _ISSUED_AGO_SECONDS, "exp": now + _EXPIRES_IN_SECONDS}
        return {"Authorization": f"Bearer {jwt.encode(claims, self._key.read(self._credential), algorithm='RS256')}"}

    def renew(self, used: Mapping[str, str]) -> bool:
        """Forget the minted token of headers that were answered with 401; False where there is nothing to renew."""
        if self.is_app:
            self._tokens.forget(used["Authorization"].removeprefix("Bearer "))
        return self.is_app

    async def app(self) -> Document:
        """Read the App itself, which proves its key without any repository."""
        return (await self._app.call(wire.check_account(app=True))).document()

    async def _mint(self) -> tuple[str, datetime]:
        """Ask for an installation token, finding the installation of the repository first where none is named."""
        if self._installation_id:
            return await self._mint_for(self._installation_id)
        if self._found.id:
            try:
                return await self._mint_for(self._found.id)
            except ProviderNotFound:
                # An App that was installed again has another id.
                self._found.id = ""
        return await self._mint_for(await self._find_installation())

    async def _mint_for(self, installation: str) -> tuple[str, datetime]:
        reply = await self._app.call(
            Request(
                method="POST",
                path=f"/app/installations/{segment(installation)}/access_tokens",
                api="PullRequest",
                operation="create-token",
            )
        )
        value = reply.document()
        expires_at = required_moment(value, "expires_at")
        self._permissions.granted = rights.read_granted(value)
        return sendable_text(value, "token"), expires_at

    async def _find_installation(self) -> str:
        if not self._owner:
            raise ProviderMisconfigured("an App needs an installation: set `installationID`")
        path = f"{wire.repository_path(self._owner, self._repository)}/installation"
        reply = await self._app.call(Request(method="GET", path=path, api="PullRequest", operation="get-installation"))
        self._found.id = required_text(reply.document(), "id")
        return self._found.id
