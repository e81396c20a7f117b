"""Standing in line for a target's lane, and taking it: in one call with a read of the target, whatever grants it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from temporalio import workflow

from activities.models.delivery import Observation, ReadDeploymentsInput
from workflows.promotion.environments import Environments
from workflows.promotion.membership import Membership
from workflows.promotion.state import PromotionState
from workflows.runtime.snapshot import Snapshot

AT_ONCE = timedelta(seconds=2)
"""How old a read may be that a step did not make itself."""


class Run(Protocol):
    """What standing in line needs of the run."""

    story: PromotionState
    membership: Membership
    environments: Environments
    pokes: int

    def look(self, *environments: str) -> Snapshot:
        """Remember the views of places, and how many pokes had come."""


@dataclass(frozen=True, kw_only=True)
class ReadWithLane:
    """Hold what was read of a target as its lane was taken."""

    observations: tuple[Observation, ...]
    at: datetime
    seen: Snapshot
    """Changes with what the read cannot have shown."""


class Standing:
    """Get the lane of the hop's target, and keep what the target ran then, for the step that delivers to it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read: ReadWithLane | None = None

    async def get_in_line(self) -> None:
        """Stand in line; where the lane is free it is taken in the same call, and its target read."""
        run, pokes = self._run, self._run.pokes
        found = await run.membership.stand_in_line(self._reading())
        # What the place signalled after it granted the lane, or a poke, may be news that the read did not see.
        if found is None or run.pokes != pokes or run.membership.view(self._target) != found.answer:
            return
        self._keep(found.observations, run.look(self._target))

    async def take_lane(self) -> None:
        """Take the lane that was granted, and have its target read."""
        seen = self._run.look(self._target)
        self._keep(await self._run.membership.take_lane(self._reading()), seen)

    def observed(self) -> tuple[Observation, ...] | None:
        """Return what the target ran when its lane was taken, to the first who asks, and only at once; else None."""
        found, self._read = self._read, None
        if found is None or found.seen.changed() or workflow.now() - found.at > AT_ONCE:
            return None
        return found.observations

    @property
    def _target(self) -> str:
        hop = self._run.story.hop
        return hop.policy.target if hop is not None else ""

    def _reading(self) -> ReadDeploymentsInput | None:
        environments = self._run.environments
        return environments.reading(self._target) if environments.known(self._target) is not None else None

    def _keep(self, observations: tuple[Observation, ...] | None, seen: Snapshot) -> None:
        if observations is not None:
            self._read = ReadWithLane(observations=observations, at=workflow.now(), seen=seen)
