"""The address of webhooks, `/hooks/<namespace>/<kind>/<name>`: each delivery is answered within a second.

Nothing is believed, and little is done, before the sender is proved: a body is read up to a limit, its signature is
compared, and only then is it decoded. Who cannot prove the secret is not answered whether the resource, its secret or
its consent is missing; only of resources that exist a body is read. What a delivery is about is looked up; its
workflows are poked after the answer.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from aiohttp import web

from crds.api.ports import ApiError
from providers.callers import calling_for
from providers.documents import parsed
from providers.errors import ProviderMalformed
from providers.reading import read
from providers.webhooks.events import Event, NotAnEvent, as_document
from providers.webhooks.senders import SENDERS, Sender
from providers.webhooks.signatures import NotProven
from worker.receiver.again import Again
from worker.receiver.bodies import Answer, BodyPlaces, Refused, read_body, refuse_large, respond
from worker.receiver.deliveries import Rates, SeenDeliveries
from worker.receiver.hooks import KINDS, NO_NAMESPACE, Hook, hook_at
from worker.receiver.index import Index, Target
from worker.receiver.metrics import ReceiverMetrics
from worker.receiver.pokes import Pokes
from worker.receiver.secrets import NoSecret, WebhookSecrets, each_of

_logger = structlog.get_logger(__name__)

BODY_LIMIT_BYTES = 1024 * 1024
READ_SECONDS = 0.6
"""How long a body may take, once its head was read: slow senders hold memory."""
ANSWER_SECONDS = 0.9
"""Until an answer is due, whatever servers are away."""
BODIES_AT_ONCE = 64
"""Deliveries at work, so that bodies take 64 MiB at most."""
BODIES_OF_NAMESPACE = 16
LOG_AGAIN_SECONDS = 60.0
JSON = "application/json"
_UNPROVEN = "no webhook secret of this resource fits: check the address, and the key `webhookSecret` of its Secret"


class HookRoutes:
    """Take deliveries and have the workflows that they concern poked."""

    def __init__(
        self,
        *,
        secrets: WebhookSecrets,
        index: Index,
        pokes: Pokes,
        again: Again,
        metrics: ReceiverMetrics,
        ready: Callable[[], bool],
        rates: Rates | None = None,
    ) -> None:
        self._secrets = secrets
        self._index = index
        self._pokes = pokes
        self._again = again
        self._metrics = metrics
        self._ready = ready
        self._rates = rates or Rates()
        self._seen = SeenDeliveries()
        self._places = BodyPlaces(in_all=BODIES_AT_ONCE, each=BODIES_OF_NAMESPACE)
        self._noted: dict[Hook, float] = {}
        """When it was logged last that deliveries to an address are not proved; of resources that exist alone."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what an application serves."""
        return [web.post("/hooks/{namespace}/{kind}/{name}", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one delivery."""
        began = time.monotonic()
        match = request.match_info
        hook = hook_at(match["namespace"], match["kind"], match["name"])
        sender = self._secrets.sender(hook) if hook is not None else None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._accept(request, hook, sender)
        except Refused as refused:
            answer = refused.answer
        except TimeoutError:
            answer = Answer(status=HTTPStatus.SERVICE_UNAVAILABLE, reason="the receiver is busy: send it again")
        self._metrics.delivered(sender or "", int(answer.status), time.monotonic() - began)
        return respond(answer)

    async def _accept(self, request: web.Request, hook: Hook | None, sender: str | None) -> Answer:
        if hook is None:
            names = ", ".join(KINDS)
            place = f"ClusterScmProvider alone has the namespace `{NO_NAMESPACE}`"
            raise Refused(
                HTTPStatus.NOT_FOUND, f"`<kind>` of /hooks/<namespace>/<kind>/<name> is one of {names}; {place}"
            )
        if request.content_type != JSON:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the content type must be {JSON}")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            # No host compresses what it sends, and what is signed is the body as it was sent.
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed")
        refuse_large(request, limit_bytes=BODY_LIMIT_BYTES)
        if not self._ready():
            # An address that is not known yet is not a wrong one.
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the receiver has just been started: send it again")
        if sender is None or sender not in SENDERS:
            raise Refused(HTTPStatus.UNAUTHORIZED, _UNPROVEN)
        with self._places.held(hook.shard):
            return await self._take(request, hook, SENDERS[sender])

    async def _take(self, request: web.Request, hook: Hook, sender: Sender) -> Answer:
        body = await read_body(request, limit_bytes=BODY_LIMIT_BYTES, seconds=READ_SECONDS)
        headers = {name.lower(): value for name, value in request.headers.items()}
        await self._prove(hook, sender, headers, body)
        # Only what is proved counts: others could use up what an address may bring.
        if seconds := self._rates.take(hook):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "this address gets too many deliveries", seconds=seconds)
        delivery = sender.delivery(headers)
        if self._seen.has(hook, delivery, body):
            return Answer(status=HTTPStatus.ACCEPTED, reason="this delivery was accepted before")
        event = await _event(hook, sender, headers, body)
        targets = self._index.targets(hook, event.about)
        self._poke(targets)
        self._again.add(hook, event.about)
        # Only now: one that could not be taken may come again.
        self._seen.add(hook, delivery, body)
        _logger.info("webhook", hook=str(hook), webhook_event=event.name, workflows=len(targets))
        return Answer(status=HTTPStatus.ACCEPTED, reason=_summary(event, len(targets)))

    async def _prove(self, hook: Hook, sender: Sender, headers: Mapping[str, str], body: bytes) -> None:
        try:
            secret = await self._secrets.read(hook)
            try:
                _verify(sender, headers, body, secret, datetime.now(UTC))
            except NotProven:
                if (newer := await self._secrets.refreshed(hook)) == secret:
                    raise
                _verify(sender, headers, body, newer, datetime.now(UTC))
        except (NoSecret, NotProven) as error:
            self._note_unproven(hook, str(error))
            raise Refused(HTTPStatus.UNAUTHORIZED, _UNPROVEN) from None
        except ApiError as error:
            _logger.warning("a webhook's secret cannot be read", hook=str(hook), error=str(error))
            reason = "the secret of this resource cannot be read now: send it again"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, reason) from None

    def _note_unproven(self, hook: Hook, reason: str) -> None:
        """Log why a delivery is refused, not each time: anybody can send another one."""
        now = time.monotonic()
        if now - self._noted.get(hook, -LOG_AGAIN_SECONDS) >= LOG_AGAIN_SECONDS:
            self._noted[hook] = now
            _logger.warning("a webhook is not proved", hook=str(hook), reason=reason)

    def _poke(self, targets: Sequence[Target]) -> None:
        """Poke all that may be: what one namespace has too many of keeps no other's workflow from its look."""
        if [target for target in targets if not self._pokes.add(target)]:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many workflows wait to look", seconds=5)


def _verify(sender: Sender, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    """Raise NotProven unless one of the secrets proves the delivery."""
    *others, last = each_of(secret)
    for one in others:
        with suppress(NotProven):
            sender.verify(headers, body, one, now)
            return
    sender.verify(headers, body, last, now)


async def _event(hook: Hook, sender: Sender, headers: Mapping[str, str], body: bytes) -> Event:
    def reader() -> Event:
        return sender.read(headers, as_document(parsed(body)))

    try:
        with calling_for(hook.shard):
            return await read(body, reader)
    except ProviderMalformed:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is no JSON, or holds too many values") from None
    except NotAnEvent as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None


def _summary(event: Event, count: int) -> str:
    if not event.about:
        return f"nothing waits for an event `{event.name}`"
    return f"{count} workflow{'' if count == 1 else 's'} will look"
