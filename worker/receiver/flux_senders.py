"""Who may send events of Flux: a cluster that signs them with a Secret, or anybody where the operator says so."""

import hashlib
import hmac
from collections.abc import Mapping

from activities.ports import ReferenceMissing
from worker.opening.credentials import Credentials
from worker.receiver.secrets import KEPT_SECONDS
from worker.receiver.shared import KeptReads

SIGNATURE_HEADER = "x-signature"
TOKEN_KEY = "token"  # noqa: S105 -- its name
_ALGORITHMS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
UNPROVEN = "no signature of this address fits: check the Secret's key `token`, its consent, and the Provider of Flux"


class NotProven(Exception):
    """An event is not signed by the Secret of its address; the text says why, for the log of the process only."""


class FluxSenders:
    """Read the Secrets by which clusters sign, each at most every few seconds."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._kept: KeptReads[tuple[str, str], str] = KeptReads(self._read, KEPT_SECONDS)

    async def verify(self, namespace: str, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """Raise NotProven unless the body is signed by a Secret, and ApiError where that cannot be read."""
        algorithm, _, digits = headers.get(SIGNATURE_HEADER, "").strip().partition("=")
        if algorithm not in _ALGORITHMS or not digits.isascii():
            raise NotProven("the event has no X-Signature such as sha256=…")
        try:
            secret = await self._kept.get((namespace, name))
        except ReferenceMissing as error:
            raise NotProven(str(error)) from None
        if not secret:
            raise NotProven(f"Secret `{name}` has no key `{TOKEN_KEY}`")
        made = hmac.new(secret.encode(), body, _ALGORITHMS[algorithm]).hexdigest()
        if not hmac.compare_digest(made, digits.lower()):
            raise NotProven("the signature is another one")

    async def _read(self, key: tuple[str, str]) -> str:
        namespace, name = key
        data, _ = await self._credentials.entries(namespace, name, user=f"/flux/{namespace}/{name}")
        return data.get(TOKEN_KEY, "")
