"""Coordinator: bring a pull request and its tracker to agree, the host first."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from activities.failures import describe
from activities.instructions import BY_COMMENT, UnjudgedInstruction, by_comments, by_labels
from activities.labelling import LabelManager
from activities.models.label_sync import LabelsLeft
from activities.models.promotion import Verb
from activities.models.revisions import PresentInput, Shown
from activities.models.steering import (
    INSTRUCTIONS_KEPT,
    PROMOTE,
    STATE,
    Instruction,
    ReadInstructionsInput,
    ReadInstructionsResult,
)
from activities.ports import Repository
from activities.presentation import Presented, present
from activities.state_labels import WantedLabels
from crds.v1alpha1.git_repository import RepositoryMode
from providers.errors import ProviderUnauthorized
from providers.models import Person
from providers.ports import Steering

BELIEVED = timedelta(minutes=1)
"""How long a right that was looked up is believed."""
_REMEMBERED = 10_000
NO_STEERING = "people cannot steer by labels or comments at this host: use `pilotage hold`, `release`, `retest`"
OBSERVED = "the repository has `mode: Observe`: Pilotage carries out no label and no comment on its pull requests"
LABELLER_UNKNOWN = "the host does not show who sets a label: steer by comments, such as `/pilotage hold`"
NO_LABELS = "the host's pull requests have no labels: steer by comments, such as `/pilotage hold`"
NOT_WRITER = "only people with the right to write to the repository steer its changes"
EDITED = "the comment was edited, so that no one is known to have given the command: write a new comment"


class KnownRights:
    """Remember for a moment who may write where, so that a person who steers much costs few calls."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, ...], tuple[bool, float]] = OrderedDict()

    def get(self, *key: str) -> bool | None:
        """Return what was looked up lately; None where nothing was."""
        found = self._known.get(key)
        if found is None or time.monotonic() - found[1] > BELIEVED.total_seconds():
            return None
        return found[0]

    def put(self, right: bool, *key: str) -> bool:
        """Remember a right and return it."""
        self._known[key] = (right, time.monotonic())
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return right


@dataclass(frozen=True, kw_only=True)
class Coordinator:
    """Coordinate one repository's pull requests with their trackers."""

    repository: Repository
    namespace: str
    rights: KnownRights

    @property
    def labels(self) -> LabelManager:
        """The repository's labels."""
        return LabelManager(self.repository.host, prefix=self.repository.label_prefix)

    async def sync_scm_to_tracker(self, request: ReadInstructionsInput) -> ReadInstructionsResult:
        """Return what people asked for on the pull request since the last look, each with whether they may."""
        steering = self.repository.host.steering
        if self.repository.mode is RepositoryMode.OBSERVE:
            return ReadInstructionsResult(unsupported=OBSERVED)
        if steering is None:
            return ReadInstructionsResult(unsupported=NO_STEERING)
        instructions, label_cursor = list[UnjudgedInstruction](), request.label_cursor
        if steering.names_who_labels:
            happened = await steering.label_events(request.number, request.label_cursor)
            instructions += by_labels(self.labels.names, happened.events, request.begun)
            label_cursor = happened.cursor
        written = await steering.remarks(request.number, request.begun, request.comment_cursor)
        instructions += by_comments((*written.remarks, *written.edited))
        # Labels and comments come from two lists: a release that was written after a hold must not come before it.
        instructions.sort(key=lambda instruction: instruction.at)
        judged = [await self._judge(steering, instruction, request.teams) for instruction in instructions]
        # Who may not steer must not keep out who may.
        kept = sorted(range(len(judged)), key=lambda place: (not judged[place].allowed, place))[:INSTRUCTIONS_KEPT]
        return ReadInstructionsResult(
            instructions=tuple(judged[place] for place in sorted(kept)),
            label_cursor=label_cursor,
            comment_cursor=written.cursor,
            left_out=len(judged) - len(kept),
            account=written.account,
            unsupported=self._by_comments_only(steering),
        )

    async def sync_tracker_to_scm(self, request: PresentInput, trusted: Shown | None) -> Presented:
        """Make the pull request show the tracker's state."""
        repository = self.repository
        return await present(repository.host, request, trusted, repository.show, prefix=repository.label_prefix)

    async def ensure_consistency(self, number: int, wanted: WantedLabels, left: LabelsLeft) -> bool:
        """Return whether the labels agreed with the tracker; where they did not, they do now."""
        return (await self.labels.sync_to_scm(number, wanted, left=left)).result.consistent

    def _by_comments_only(self, steering: Steering) -> str:
        """Return why labels steer nothing here; empty where they do."""
        if steering.names_who_labels:
            return ""
        return LABELLER_UNKNOWN if self.repository.host.capabilities.labels else NO_LABELS

    async def _judge(
        self, steering: Steering, instruction: UnjudgedInstruction, teams: Mapping[str, str]
    ) -> Instruction:
        why_not = await self._why_not(steering, instruction, teams)
        return Instruction(
            id=instruction.id,
            verb=instruction.verb,
            by=instruction.by.name,
            allowed=not why_not,
            why_not=why_not,
            label=instruction.label,
            comment=instruction.comment,
            reason=instruction.reason,
            at=instruction.at,
        )

    async def _why_not(self, steering: Steering, instruction: UnjudgedInstruction, teams: Mapping[str, str]) -> str:
        """Return why a person may not ask for that; empty where they may."""
        if instruction.verb != STATE and instruction.verb not in tuple(map(str, BY_COMMENT)):
            known = ", ".join(verb for verb in map(str, BY_COMMENT) if verb != PROMOTE)
            return f"`{instruction.verb}` is no command: {known}"
        if instruction.edited:
            return EDITED
        if not await self._may_write(steering, instruction.by):
            return NOT_WRITER
        return await self._no_member(steering, instruction.by, teams) if instruction.verb == Verb.PROMOTE else ""

    async def _may_write(self, steering: Steering, person: Person) -> bool:
        # Two GitRepositories of a namespace may have one full name: each names its own host.
        key = (self.namespace, self.repository.view.name, self.repository.view.full_name, person.id)
        known = self.rights.get(*key)
        if known is None:
            known = self.rights.put(bool(person.id) and await steering.may_write(person), *key)
        return known

    async def _no_member(self, steering: Steering, person: Person, teams: Mapping[str, str]) -> str:
        """Return why somebody may not promote by a comment; that needs a team which the Environment names."""
        team = teams.get(PROMOTE, "")
        if not team:
            return "a comment promotes nothing here: use `pilotage promote`, or name a team in Environment `commands`"
        if not steering.has_teams:
            return "the host cannot be asked for a team's members: use `pilotage promote`"
        try:
            member = await steering.is_member(team, person)
        except ProviderUnauthorized as error:
            # Of this instruction alone nothing is known: those of others, such as a hold, count.
            if error.status == 401:
                raise
            return f"Pilotage may not ask who is in `{team}`, use `pilotage promote`: {describe(error)}"
        return "" if member else f"only members of `{team}` promote by a comment"
