"""Where Flux's controllers send events: each is durable before it is accepted.

`/` and `/flux/events` are for controllers with `--events-addr`, which sign nothing: they are refused unless the
operator accepts that. `/flux/<namespace>/<name>` is for a Provider of Flux with the type `generic-hmac`; the Secret at
that place proves the sender, and its events reach the subscriptions of its namespace alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus
from typing import Protocol

import structlog
from aiohttp import web

from activities.flux.events import FluxEvent, NotAnEvent, read_event
from activities.flux.matching import NO_OBJECT, ObjectLabels, wants_labels
from activities.flux.metadata import cleaned
from activities.flux.planning import Evaluate, StatusPlan, plan
from activities.flux.signals import signal_of
from activities.models.commit_statuses import CommitVerdict, StatusSlot
from activities.models.reconciliations import FluxReport
from crds.api.ports import ApiError
from providers.documents import parsed
from providers.errors import ProviderMalformed
from providers.reading import in_thread, read
from worker.receiver.bodies import Answer, BodyPlaces, Refused, read_body, respond
from worker.receiver.flux_faults import Faults
from worker.receiver.flux_mirrors import Subscriptions
from worker.receiver.flux_repeats import Repeats
from worker.receiver.flux_senders import UNPROVEN, FluxSenders, NotProven, SendersBusy
from worker.receiver.index import Place
from worker.receiver.metrics import FluxMetrics
from worker.temporal.outcomes import WorkflowsUnavailable

_logger = structlog.get_logger(__name__)

BODY_LIMIT_BYTES = 3 * 1024 * 1024
"""As Flux's own receiver takes them."""
READ_SECONDS = 3.0
ANSWER_SECONDS = 4.5
"""Flux's controllers wait for 5 s, then send the event again."""
BODIES_AT_ONCE, BODIES_OF_SENDER = 64, 48
"""Bodies that are read, so that they take 192 MiB at most."""
EVENTS_AT_ONCE, EVENTS_OF_SENDER = 512, 384
"""Events that wait for Temporal; each takes 300 KiB at most."""
AGAIN = HTTPStatus.SERVICE_UNAVAILABLE
"""Flux's controllers repeat an event after such a code, and drop it after any other, 408 and 429 included."""
LOG_AGAIN_SECONDS = 60.0
ANYBODY = ""

Labels = Callable[[FluxEvent], Awaitable[ObjectLabels]]
Send = Callable[[StatusSlot, CommitVerdict], Awaitable[None]]
Report = Callable[[Place, FluxReport], Awaitable[None]]


class ReportedPlaces(Protocol):
    """Places whose deployments Flux brings."""

    @property
    def has_synced(self) -> bool: ...

    def reports(
        self, namespace: str, cluster: str, event: FluxEvent, *, now: datetime
    ) -> Iterable[tuple[Place, FluxReport]]:
        """Return what each place is to be signalled."""
        ...


class FluxRoutes:
    """Take events and signal the workflows of the commits that they are about."""

    def __init__(
        self,
        *,
        senders: FluxSenders,
        subscriptions: Subscriptions,
        labels: Labels,
        evaluate: Evaluate,
        send: Send,
        places: ReportedPlaces,
        report: Report,
        faults: Faults,
        metrics: FluxMetrics,
        insecure: bool,
    ) -> None:
        self._senders = senders
        self._subscriptions = subscriptions
        self._labels = labels
        self._evaluate = evaluate
        self._send = send
        self._reported = places
        self._report = report
        self._faults = faults
        self._metrics = metrics
        self._insecure = insecure
        self._repeats = Repeats()
        self._bodies = BodyPlaces(in_all=BODIES_AT_ONCE, each=BODIES_OF_SENDER, refusal=AGAIN)
        self._events = BodyPlaces(in_all=EVENTS_AT_ONCE, each=EVENTS_OF_SENDER, refusal=AGAIN)
        self._noted = -LOG_AGAIN_SECONDS

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what an application serves."""
        return [
            web.post("/", self.receive),
            web.post("/flux/events", self.receive),
            web.post("/flux/{namespace}/{name}", self.receive),
        ]

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one event."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._accept(request)
        except Refused as refused:
            answer = refused.answer
        except TimeoutError:
            answer = Answer(status=AGAIN, reason="the receiver is busy: send it again")
        self._metrics.answered(int(answer.status), time.monotonic() - began)
        return respond(answer)

    async def _accept(self, request: web.Request) -> Answer:
        namespace, name = request.match_info.get("namespace", ANYBODY), request.match_info.get("name", "")
        if not name and not self._insecure:
            text = "events without a signature are refused: send them to /flux/<namespace>/<Secret> by a Provider of"
            raise Refused(HTTPStatus.UNAUTHORIZED, f"{text} Flux with the type generic-hmac")
        if not (self._subscriptions.has_synced and self._reported.has_synced):
            raise Refused(AGAIN, "the receiver has just been started: send it again")
        sender = namespace or "-"
        with self._bodies.held(sender):
            body = await read_body(request, limit_bytes=BODY_LIMIT_BYTES, seconds=READ_SECONDS, late=AGAIN)
            if name:
                await self._prove(namespace, name, request, body)
            event = await self._event(body)
        with self._events.held(sender):
            return await self._take(namespace, name, event)

    async def _prove(self, namespace: str, name: str, request: web.Request, body: bytes) -> None:
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            await self._senders.verify(namespace, name, headers, body)
        except NotProven as error:
            self._note(f"{namespace}/{name}", str(error))
            raise Refused(HTTPStatus.UNAUTHORIZED, UNPROVEN) from None
        except (ApiError, SendersBusy) as error:
            self._note(f"{namespace}/{name}", str(error))
            text = "the Secret of this address cannot be read now: send it again"
            raise Refused(AGAIN, text) from None

    async def _take(self, namespace: str, cluster: str, event: FluxEvent) -> Answer:
        sender = f"{namespace}/{cluster}"
        if seconds := self._repeats.left(sender, event):
            headers = _rate_headers(datetime.now(UTC) + timedelta(seconds=seconds))
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "this event was accepted before", headers=headers)
        plans = await self._plans(namespace, event)
        reports = tuple(self._reported.reports(namespace, cluster, event, now=datetime.now(UTC)))
        try:
            sent = await self._post(event, plans, reports)
        except WorkflowsUnavailable as error:
            self._note(sender, str(error))
            text = "Temporal cannot be reached, so the event would be lost: send it again"
            raise Refused(AGAIN, text) from None
        self._repeats.add(sender, event)
        self._faults.add(event, plans)
        for made in plans:
            self._metrics.planned(made)
        _logger.info(
            "event of Flux", object=str(event.involved), reason=event.reason, statuses=sent, places=len(reports)
        )
        reported = f", {len(reports)} Environment{'' if len(reports) == 1 else 's'}" if reports else ""
        return Answer(status=HTTPStatus.ACCEPTED, reason=f"{sent} commit status{'' if sent == 1 else 'es'}{reported}")

    async def _event(self, body: bytes) -> FluxEvent:
        try:
            return await read(body, lambda: read_event(parsed(body), now=datetime.now(UTC)))
        except ProviderMalformed:
            raise Refused(HTTPStatus.BAD_REQUEST, "the body is no JSON, or holds too many values") from None
        except NotAnEvent as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None

    async def _plans(self, namespace: str, event: FluxEvent) -> tuple[StatusPlan, ...]:
        subscriptions = tuple(self._subscriptions.of(namespace))
        try:
            labels = await self._labels(event) if wants_labels(subscriptions, cleaned(event)) else NO_OBJECT
        except ApiError as error:
            # To accept it now would be to lose it: whether anyone takes it is not known.
            self._note(str(event.involved), str(error))
            raise Refused(AGAIN, "the labels of the event's object cannot be read now: send it again") from None
        return await in_thread(
            partial(
                plan,
                event,
                subscriptions,
                targets=self._subscriptions.target,
                labels=labels,
                evaluate=self._evaluate,
            )
        )

    async def _post(
        self, event: FluxEvent, plans: Sequence[StatusPlan], reports: Sequence[tuple[Place, FluxReport]]
    ) -> int:
        """Signal every workflow; return how many post statuses. Raises WorkflowsUnavailable where one is not reached.

        What some got by then they get again with the repetition, which changes nothing there.
        """
        now = datetime.now(UTC)
        sends = [self._send(*found) for made in plans if (found := signal_of(event, made, now=now)) is not None]
        reported = [self._report(place, report) for place, report in reports]
        for one in await asyncio.gather(*sends, *reported, return_exceptions=True):
            if isinstance(one, BaseException):
                raise one
        return len(sends)

    def _note(self, sender: str, reason: str) -> None:
        """Log why an event is refused, not each time: anybody can send another one."""
        now = time.monotonic()
        if now - self._noted >= LOG_AGAIN_SECONDS:
            self._noted = now
            _logger.warning("an event of Flux is refused", sender=sender, reason=reason)


def _rate_headers(until: datetime) -> dict[str, str]:
    """Return the headers by which Flux's own receiver shows that an event is a repetition."""
    moment = format_datetime(until, usegmt=True)
    return {
        "X-RateLimit-Limit": "1",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": moment,
        "Retry-After": moment,
    }
