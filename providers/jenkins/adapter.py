"""Jenkins as a CI system: finds, starts, reads and cancels builds by their promotion key."""

import base64
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from providers.credentials import optional_secret, secret
from providers.documents import Document, is_sendable, sendable_text
from providers.endpoint import Endpoint
from providers.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.host_clock import clock_of, seconds_ahead
from providers.http import HttpClients
from providers.jenkins import wire
from providers.messages import Reply, Request
from providers.metrics import Recorder
from providers.models import Credential, Origin, Run, RunPhase, RunReading
from providers.origins import Ours, foreign_note, own
from providers.reading import read

_ACTIVE = (RunPhase.QUEUED, RunPhase.RUNNING)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")


class Crumbs:
    """Keep the headers that password logins need on writes: the crumb and the session it belongs to."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}


class JenkinsTestRuns:
    """Secret: `username` with `token` (an API token), or with `password`, which needs crumbs."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        credential: Credential,
        record: Recorder,
        results: Mapping[str, RunPhase],
    ) -> None:
        self._credential = credential
        self._results = results
        self._endpoint = Endpoint(
            http=http,
            base_url=base_url,
            credential=credential,
            record=record,
            authorize=self._headers,
            refine=_refine,
        )
        self._crumbs = http.memory(Crumbs, credential, base_url)

    async def find(self, job: str, key: str, origin: Origin | None = None) -> tuple[Run, ...]:
        # The queue first: an item that leaves it meanwhile is then seen as a build, never missed.
        queue = await self._endpoint.call(wire.list_queue())
        newest = await self._endpoint.call(wire.list_builds(job))
        if not await read(newest, partial(wire.declares_key, newest.document())):
            raise ProviderRejected(f"job `{job}` does not declare the parameter {wire.KEY_PARAMETER}")
        defaults = await read(newest, partial(wire.defaults, newest.document()))
        # Which branch it runs is the job's own matter.
        account = optional_secret(self._credential, "username") or None
        ours = Ours(account=account, origin=origin, defaults=defaults)
        started = await self._started(newest, newest.document(), key, ours)
        if not own(started) and await self._is_busy(newest, origin):
            older = await self._endpoint.call(wire.list_older_builds(job))
            started = await self._started(older, wire.as_builds(older.document()), key, ours) + started
        now = clock_of(queue.headers)
        waiting = await read(queue, lambda: self._shown(wire.read_queue(queue.document(), key, now=now, ours=ours)))
        left = {wire.read_place(run.id).queue for run in started}
        return started + tuple(run for run in waiting if wire.read_place(run.id).queue not in left)

    async def create(self, job: str, key: str, parameters: Mapping[str, str]) -> Run:
        reply = await self._write(wire.trigger(job, key, parameters))
        queue = wire.read_queue_item(reply)
        if queue is not None:
            return Run(id=wire.BuildLocator(queue=queue).id, key=key)
        if reply.ok:
            raise ProviderMalformed(f"Jenkins accepted job `{job}` without naming its queue item", status=reply.status)
        raise ProviderRejected(f"Jenkins did not queue job `{job}`: a plugin may have refused it", status=reply.status)

    async def read(self, job: str, run: Run) -> RunReading:
        place = wire.read_place(run.id)
        if place.queue and not place.build:
            waiting = await self._read_item(job, place.queue, run.key)
            if isinstance(waiting, RunReading):
                return waiting
            place = waiting
        if place.build:
            try:
                return await self._read_build(job, place, run)
            except ProviderNotFound:
                place = replace(place, build=0)
        found = await self._found(job, run, place)
        here = wire.read_place(found.id)
        if here.build:
            return await self._read_build(job, here, found)
        return RunReading(run=found, phase=RunPhase.QUEUED)

    async def cancel(self, job: str, run: Run) -> None:
        try:
            reading = await self.read(job, run)
        except ProviderNotFound:
            return
        if reading.phase not in _ACTIVE:
            return
        place = wire.read_place(reading.run.id)
        if not place.build:
            reply = await self._write(wire.cancel_queue_item(place.queue))
            if reply.status not in (404, 422):
                return
            # It left the queue between the two calls.
            try:
                place = wire.read_place((await self._found(job, run, place)).id)
            except ProviderNotFound:
                return
            if not place.build:
                return
        await self._write(wire.stop_build(job, place.build))

    async def check(self) -> str:
        return wire.read_version(await self._endpoint.call(wire.check()))

    async def traceable(self, job: str) -> bool:
        """Return whether the job declares the key's parameter, so that its runs can be found by the key."""
        reply = await self._endpoint.call(wire.list_builds(job))
        return await read(reply, partial(wire.declares_key, reply.document()))

    async def _found(self, job: str, run: Run, place: wire.BuildLocator) -> Run:
        """Find our run by its queue item, else by its key, which others may use as well."""
        if place.queue and (build := await self._build_of(job, run, place.queue)) is not None:
            return build
        shown = await self.find(job, run.key, run.origin)
        if ours := own(shown):
            return ours[0]
        text = f"job `{job}` has neither a build nor a queue item of this run any more{foreign_note(shown)}"
        raise ProviderNotFound(text, status=404)

    async def _build_of(self, job: str, run: Run, queue: int) -> Run | None:
        """Find what a queue item became, also where a busy job has pushed it behind its newest builds."""
        newest = await self._endpoint.call(wire.list_builds(job))
        build = await read(newest, partial(wire.find_build, newest.document(), key=run.key, queue=queue))
        if build is None and await self._is_busy(newest, run.origin):
            older = await self._endpoint.call(wire.list_older_builds(job))
            listed = wire.as_builds(older.document())
            build = await read(older, partial(wire.find_build, listed, key=run.key, queue=queue))
        return build

    async def _started(self, reply: Reply, builds: Document, key: str, ours: Ours) -> tuple[Run, ...]:
        now = clock_of(reply.headers)
        return await read(reply, lambda: self._shown(wire.read_builds(builds, key, now=now, ours=ours)))

    async def _is_busy(self, newest: Reply, origin: Origin | None) -> bool:
        """Return whether our run may be older than the newest builds, as the host's clock dates them."""
        began = origin.began if origin is not None else None
        age_seconds = 0.0 if began is None else time.monotonic() - began
        now_seconds = time.time() - seconds_ahead(newest.headers)
        return await read(newest, partial(wire.is_busy, newest.document(), now_seconds, age_seconds))

    def _shown(self, runs: Sequence[Run]) -> tuple[Run, ...]:
        return tuple(replace(run, foreign=self._endpoint.redact(run.foreign)) for run in runs)

    async def _read_item(self, job: str, queue: int, key: str) -> RunReading | wire.BuildLocator:
        try:
            reply = await self._endpoint.call(wire.get_queue_item(queue))
        except ProviderNotFound:
            # Items are forgotten five minutes after they left the queue.
            return wire.BuildLocator(queue=queue)
        item = reply.document()
        if not await read(reply, partial(wire.may_wait, item, job, key)):
            return wire.BuildLocator(queue=queue)
        return wire.read_item(item, queue=queue, key=key)

    async def _read_build(self, job: str, place: wire.BuildLocator, run: Run) -> RunReading:
        build = place.build
        reply = await self._endpoint.call(wire.get_build(job, build))
        found = reply.document()
        if not await read(reply, partial(wire.may_carry, found, run.key, queue=place.queue)):
            raise ProviderNotFound(f"build {build} of job `{job}` is another run", status=404)
        reading = await read(reply, partial(wire.read_build, found, run=run, results=self._results))
        reading = replace(reading, message=self._endpoint.redact(reading.message))
        if reading.phase in _ACTIVE:
            return reading
        return replace(reading, summary=await self._summary(job, build))

    async def _summary(self, job: str, build: int) -> str:
        """Read test counts; a verdict must not be lost because its counts cannot be read."""
        try:
            reply = await self._endpoint.call(wire.get_test_report(job, build))
            return wire.read_test_report(reply.document()) if reply.ok else ""
        except ProviderError:
            return ""

    async def _write(self, request: Request) -> Reply:
        """Send a POST; password logins add a crumb, renewed once when its session is over."""
        if optional_secret(self._credential, "token"):
            return await self._endpoint.call(request)
        if not self._crumbs.headers:
            await self._renew_crumb()
        try:
            return await self._endpoint.call(replace(request, headers=self._crumbs.headers))
        except ProviderUnauthorized as error:
            if "crumb" not in str(error).lower():
                raise
        await self._renew_crumb()
        return await self._endpoint.call(replace(request, headers=self._crumbs.headers))

    async def _renew_crumb(self) -> None:
        self._crumbs.headers = {}
        reply = await self._endpoint.call(wire.get_crumb())
        if reply.status == 404:
            return
        crumb = reply.document()
        field, value = sendable_text(crumb, "crumbRequestField"), sendable_text(crumb, "crumb")
        if not _HEADER_NAME.fullmatch(field):
            raise ProviderMalformed("the answer's `crumbRequestField` is no name of a header")
        cookies = "; ".join(cookie for cookie in reply.cookies if is_sendable(cookie))
        self._crumbs.headers = {field: value, **({"Cookie": cookies} if is_sendable(cookies) and cookies else {})}

    async def _headers(self) -> Mapping[str, str]:
        password = optional_secret(self._credential, "token") or optional_secret(self._credential, "password")
        if not password:
            raise ProviderMisconfigured("the Secret has neither key `token` nor key `password`: add one")
        pair = f"{secret(self._credential, 'username')}:{password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def _refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name what a refusal means; Jenkins itself only answers with a page."""
    if request.operation not in ("trigger", "list-builds"):
        return error
    job = request.path.rpartition("/buildWithParameters")[0] or request.path.rpartition("/api/json")[0]
    job = job.replace("/job/", "/").strip("/")
    if reply.status == 400 and request.operation == "trigger":
        return ProviderRejected(
            f"job `{job}` is not parameterized: declare {wire.KEY_PARAMETER}; a Pipeline must have run once ({error})",
            status=400,
        )
    if reply.status == 409:
        return ProviderRejected(f"job `{job}` is disabled or cannot be built ({error})", status=409)
    if reply.status == 404:
        return ProviderNotFound(f"job `{job}` does not exist, or this account may not see it ({error})", status=404)
    return error
