"""What a credential may do to applications, asked of Argo CD and believed for a while."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from providers.errors import ProviderBusy, ProviderError, ProviderRateLimited

_BELIEVED_SECONDS = 600.0
# A right that is missing is looked for again soon: somebody may just have been asked to grant it.
_DENIED_SECONDS = 30.0
_REMEMBERED = 10_000


@dataclass
class Rights:
    """Answers by (verb, object) of one server and credential."""

    _known: dict[tuple[str, str], tuple[float, bool | None]] = field(default_factory=dict)

    async def may(self, verb: str, object_: str, ask: Callable[[], Awaitable[bool]]) -> bool | None:
        """Return the answer; None where the server gives none, as one that does not know the question."""
        now = time.monotonic()
        until, answer = self._known.get((verb, object_), (0.0, None))
        if now < until:
            return answer
        try:
            answer = await ask()
        except (ProviderBusy, ProviderRateLimited):
            return answer
        except ProviderError:
            answer = None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[verb, object_] = (now + (_DENIED_SECONDS if answer is False else _BELIEVED_SECONDS), answer)
        return answer
