"""Hold environments, and release them: what a PromotionCommand without a tracker asks for.

Holds stand in the status of the Environment, where each write to it looks before it is made, with the lane in hand
(`activities/deployments.py`). Which repositories there are, and which places run, does not matter to them. A write that
has begun when a hold is accepted ends: the answer names whose that may be.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from activities.models.promotion import CommandAnswer
from crds.api.ports import ApiConflict, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.publishing import status_of
from crds.fields import format_time
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.environment_status import MAX_HOLDS, EnvironmentHold
from crds.v1alpha1.promotion_command import CommandVerb, PromotionCommandSpec

ENVIRONMENTS = resource_of(Environment.definition)
HOLDS_MANAGER = "pilotage-holds"
"""Field manager of the holds alone."""

DEFAULT_DURATION = timedelta(hours=24)
LONGEST_DURATION = timedelta(days=30)
NAMES_SHOWN = 10

Ask = Callable[[], Awaitable[bool]]


class PlaceHolds:
    """Write holds by compare-and-set; None as answer means: try again."""

    def __init__(self, kubernetes: Kubernetes, wake: Callable[[str, str], Awaitable[None]]) -> None:
        """`wake` has a tracker, named by namespace and name, try its writes again."""
        self._kubernetes = kubernetes
        self._wake = wake

    async def missing(self, namespace: str, spec: PromotionCommandSpec, now: datetime) -> str:
        """Return why a release has nothing to end; empty where its hold is there, and for every other command.

        Asked before the command is claimed, so that a claim of a release shows that there was something to end.
        """
        if spec.verb is not CommandVerb.RELEASE:
            return ""
        try:
            present = _stated_in(await self._kubernetes.get(ENVIRONMENTS, namespace, spec.environment))
        except ApiNotFound:
            return _absent(spec)
        return "" if any(hold.id == spec.hold for hold in present) else _unheld(spec, _lasting(present, now))

    async def answer(
        self,
        namespace: str,
        command: str,
        spec: PromotionCommandSpec,
        now: datetime,
        *,
        sent: bool,
        may_write: Ask,
    ) -> CommandAnswer | None:
        """Carry out a command for an environment; one that may have been `sent` before may be carried out.

        Nothing is written unless `may_write` allows it after the environment was read: the command may have been
        answered by another watcher meanwhile, and what it asked for undone.
        """
        try:
            document = await self._kubernetes.get(ENVIRONMENTS, namespace, spec.environment)
        except ApiNotFound:
            return _refuse(_absent(spec))
        present = _stated_in(document)
        lasting = _lasting(present, now)
        if spec.verb is CommandVerb.HOLD:
            return await self._hold(document, lasting, command, spec, now, may_write)
        return await self._release(document, present, lasting, spec, may_write, sent=sent)

    async def _hold(
        self,
        document: Document,
        lasting: Sequence[EnvironmentHold],
        command: str,
        spec: PromotionCommandSpec,
        now: datetime,
        may_write: Ask,
    ) -> CommandAnswer | None:
        duration = spec.duration or DEFAULT_DURATION
        if duration > LONGEST_DURATION:
            return _refuse(f"an environment is held for {LONGEST_DURATION.days} days at most")
        mine = next((hold for hold in lasting if hold.id == command), None)
        if mine is not None and mine.by != spec.requested_by:
            # That command is gone, and another one has its name: it would be answered by a hold that it does not own.
            return _refuse(f"{mine.by} holds {spec.environment} by this name: give the command another one")
        if mine is None:
            if len(lasting) >= MAX_HOLDS:
                return _refuse(f"{spec.environment} has {MAX_HOLDS} holds already, and can have no more")
            mine = EnvironmentHold(
                id=command, by=spec.requested_by, since=now, until=now + duration, reason=spec.reason
            )
            written = await self._write(document, [*lasting, mine], may_write)
            if written is None:
                return None
            document = written
        writing, stopped = _lanes(document)
        message = (
            f"{mine.id}: nothing is written to {spec.environment} until {format_time(mine.until)}; "
            f"had written, or was writing: {_listed(writing)}; stopped: {_listed(stopped)}"
        )
        return CommandAnswer(accepted=True, message=message)

    async def _release(
        self,
        document: Document,
        present: Sequence[EnvironmentHold],
        lasting: Sequence[EnvironmentHold],
        spec: PromotionCommandSpec,
        may_write: Ask,
        *,
        sent: bool,
    ) -> CommandAnswer | None:
        named = next((hold for hold in present if hold.id == spec.hold), None)
        if named is None and sent:
            # The try before may have removed it and woken no one; to wake twice does no harm.
            await self._wake_writing(document)
            still = _still_held(lasting)
            return CommandAnswer(accepted=True, message=f"{spec.environment} has no hold {spec.hold} any more{still}")
        if named is None:
            return _refuse(_unheld(spec, lasting))
        if named.by != spec.requested_by:
            return _refuse(
                f"hold {named.id} is {named.by}'s, who alone releases it; it ends {format_time(named.until)}"
            )
        left = [hold for hold in lasting if hold.id != named.id]
        written = await self._write(document, left, may_write)
        if written is None:
            return None
        await self._wake_writing(written)
        still = _still_held(left)
        return CommandAnswer(accepted=True, message=f"hold {named.id} of {spec.environment} is released{still}")

    async def _wake_writing(self, environment: Document) -> None:
        for name in _lanes(environment)[0]:
            await self._wake(environment["metadata"]["namespace"], name)

    async def _write(self, document: Document, holds: Sequence[EnvironmentHold], may_write: Ask) -> Document | None:
        """Write all holds over the very version that was read; None where it changed since, or may not be written."""
        # After that read: whatever another watcher changes from here on is a conflict.
        if not await may_write():
            return None
        metadata = document["metadata"]
        # As they stand there: a watcher of a newer release may have written more of them than is known here.
        stand = {EnvironmentHold.from_wire(one): one for one in status_of(document).get("holds") or ()}
        wire = [stand.get(hold) or hold.to_wire() for hold in holds]
        known = isinstance(document.get("status"), dict)
        operation = {"op": "add", "path": "/status/holds" if known else "/status"}
        value: object = wire if known else {"holds": wire}
        try:
            return await self._kubernetes.patch(
                ENVIRONMENTS,
                metadata["namespace"],
                metadata["name"],
                [{**operation, "value": value}],
                resource_version=metadata["resourceVersion"],
                field_manager=HOLDS_MANAGER,
                subresource="status",
            )
        except (ApiConflict, ApiNotFound):
            return None


def _lanes(environment: Document) -> tuple[list[str], list[str]]:
    """Return who has a lane of the environment, and who waits for one, over all repositories."""
    lanes = [entry.get("lane") or {} for entry in status_of(environment).get("repositories") or ()]
    writing = [str(lane["holder"]) for lane in lanes if lane.get("holder")]
    stopped = [
        str(member["tracker"])
        for lane in lanes
        for member in lane.get("members") or ()
        if member.get("phase") == "Ready" and member.get("tracker") not in writing
    ]
    return writing, stopped


def _stated_in(environment: Document) -> list[EnvironmentHold]:
    return [EnvironmentHold.from_wire(one) for one in status_of(environment).get("holds") or ()]


def _lasting(holds: Sequence[EnvironmentHold], now: datetime) -> list[EnvironmentHold]:
    return [hold for hold in holds if hold.lasts(now)]


def _absent(spec: PromotionCommandSpec) -> str:
    return f"this namespace has no Environment {spec.environment}"


def _unheld(spec: PromotionCommandSpec, lasting: Sequence[EnvironmentHold]) -> str:
    return f"{spec.environment} has no hold {spec.hold}; it has: {_listed([hold.id for hold in lasting])}"


def _still_held(holds: Sequence[EnvironmentHold]) -> str:
    return f"; it is still held by {_listed([hold.by for hold in holds])}" if holds else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown or "none"


def _refuse(message: str) -> CommandAnswer:
    return CommandAnswer(accepted=False, message=message)
