"""Who may send events of Flux: a cluster that signs them with a Secret, or anybody where the operator accepts that.

Anybody can write an address, and only the Secret there proves that it was a cluster. So a Secret is looked up only in
namespaces where something awaits events, and names that proved nothing yet share a few lookups a second. A watch of
the Secrets that consent would look nothing up at all, but its right is to read every Secret of the cluster.
"""

import hashlib
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from activities.ports import ReferenceMissing
from worker.opening.credentials import Credentials
from worker.receiver.secrets import KEPT_SECONDS, each_of
from worker.receiver.shared import KeptReads

SIGNATURE_HEADER = "x-signature"
TOKEN_KEY = "token"  # noqa: S105 -- its name
_ALGORITHMS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
LOOKUPS_PER_SECOND = 20
"""Of names that proved nothing yet, in one namespace."""
PROVEN_LIMIT = 10_000
UNPROVEN = "no signature of this address fits: check the Secret's key `token`, its consent, and the Provider of Flux"


class NotProven(Exception):
    """An event is not signed by the Secret of its address; the text states why, for the log of the process only."""


class SendersBusy(Exception):
    """Too many unproven names were looked up within this second."""


class FluxSenders:
    """Read the Secrets by which clusters sign, each at most every few seconds."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        awaited: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what knows whether anything in a namespace awaits events."""
        self._credentials = credentials
        self._awaited = awaited
        self._clock = clock
        self._kept: KeptReads[tuple[str, str], str] = KeptReads(self._read, KEPT_SECONDS)
        self._proven: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._looked_up: dict[str, int] = {}
        """Unproven names that were looked up within this second, by namespace."""
        self._second = -math.inf

    async def verify(self, namespace: str, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """Raise NotProven unless the body is signed by a Secret, and SendersBusy or ApiError where none was read."""
        algorithm, _, digits = headers.get(SIGNATURE_HEADER, "").strip().partition("=")
        if algorithm not in _ALGORITHMS or not digits.isascii():
            raise NotProven("the event has no X-Signature such as sha256=…")
        if not self._awaited(namespace):
            raise NotProven(f"nothing in namespace {namespace} awaits events of Flux")
        if (namespace, name) not in self._proven and not self._may_look_up(namespace):
            raise SendersBusy(f"more than {LOOKUPS_PER_SECOND} names of namespace {namespace} a second prove nothing")
        key = namespace, name
        try:
            secret = await self._kept.get(key)
            if not _signs(secret, algorithm, digits, body):
                # It may be a new one; the names that prove nothing are bounded above.
                secret = await self._kept.refreshed(key)
        except ReferenceMissing as error:
            raise NotProven(str(error)) from None
        if not secret:
            raise NotProven(f"Secret `{name}` has no key `{TOKEN_KEY}`")
        if not _signs(secret, algorithm, digits, body):
            raise NotProven("the signature is another one")
        self._proven[namespace, name] = None
        self._proven.move_to_end((namespace, name))
        if len(self._proven) > PROVEN_LIMIT:
            self._proven.popitem(last=False)

    def _may_look_up(self, namespace: str) -> bool:
        if (now := self._clock()) - self._second >= 1:
            self._second = now
            self._looked_up.clear()
        found = self._looked_up.get(namespace, 0)
        self._looked_up[namespace] = found + 1
        return found < LOOKUPS_PER_SECOND

    async def _read(self, key: tuple[str, str]) -> str:
        namespace, name = key
        data, _ = await self._credentials.entries(namespace, name, user=f"/flux/{namespace}/{name}")
        return data.get(TOKEN_KEY, "")


def _signs(secret: str, algorithm: str, digits: str, body: bytes) -> bool:
    """Return whether a signature is made with a secret, whole as Flux takes it, or with one of its lines."""
    for one in dict.fromkeys((secret, *each_of(secret))):
        made = hmac.new(one.encode(), body, _ALGORITHMS[algorithm]).hexdigest()
        if one and hmac.compare_digest(made, digits.lower()):
            return True
    return False
