"""LabelManager: read what a pull request's labels show, and make them show what the tracker does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from activities.label_looks import look_of
from activities.models.label_sync import LabelsLeft, SyncResult
from activities.models.state_labels import PREFIX
from activities.state_labels import LabelNames, LabelReading, WantedLabels, plan_labels, read_labels
from crds.reasons.vocabulary import State
from providers.models import LabelLook
from providers.ports import ScmHost


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What was done, and what the next look needs of it."""

    result: SyncResult
    left: LabelsLeft
    shown: tuple[str, ...]
    """Labels of ours that stand there now."""
    writes: int


class LabelManager:
    """Keep the labels of one repository's pull requests. Each call may be repeated without harm."""

    def __init__(self, host: ScmHost, *, prefix: str = PREFIX) -> None:
        self._labels = host.labels
        capabilities = host.capabilities
        self.names = LabelNames(prefix=prefix, case=capabilities.label_case, limit=capabilities.label_limit)

    async def get_current_state(self, number: int) -> LabelReading:
        """Return the states that the labels show: none, one, or several of which the earliest holds."""
        return read_labels(self.names, await self._labels.list(number))

    async def sync_to_scm(
        self, number: int, wanted: WantedLabels, *, left: LabelsLeft, remembered: Sequence[str] | None = None
    ) -> Synced:
        """Make the labels show what is wanted, whatever is there.

        With something new to add, as far as `remembered` shows, the host's answer to adding it spares the read: it
        names all labels that are there then.
        """
        names = self.names
        all_wanted = plan_labels(names, wanted, (), left).wanted
        known = {names.key(name) for name in remembered or ()}
        new = [name for name in all_wanted if names.key(name) not in known]
        if remembered is None or not new or names.at_host(wanted.state) == left.state:
            return await self.apply_state(number, wanted, await self._labels.list(number), left=left)
        there = await self._labels.add(number, list(all_wanted), self._looks(all_wanted))
        done = await self.apply_state(number, wanted, there, left=left)
        fresh = {names.key(name) for name in new}
        before = read_labels(names, [name for name in there if names.key(name) not in fresh])
        result = replace(done.result, initial_state=_name_of(before.state), labels_added=tuple(new))
        return replace(done, result=result, writes=done.writes + 1)

    async def apply_state(self, number: int, wanted: WantedLabels, there: Sequence[str], *, left: LabelsLeft) -> Synced:
        """Add, then remove: one that is interrupted leaves a label too many, which the next pass takes off."""
        plan = plan_labels(self.names, wanted, there, left)
        before, added = plan.reading, plan.add
        if added:
            # All of them: the host knows which are there, and what others changed meanwhile is in its answer.
            there = await self._labels.add(number, list(plan.wanted), self._looks(plan.wanted))
            plan = plan_labels(self.names, wanted, there, plan.left)
        for name in plan.remove:
            await self._labels.remove(number, name)
        after = read_labels(self.names, [name for name in there if name not in plan.remove])
        result = SyncResult(
            initial_state=_name_of(before.state),
            final_state=_name_of(after.state),
            labels_added=added,
            labels_removed=plan.remove,
            sync_time=datetime.now(UTC),
            reason=plan.reason,
            ignored=after.ignored,
            too_long=plan.too_long,
        )
        writes = bool(added) + len(plan.remove)
        return Synced(result=result, left=plan.left, shown=plan.wanted, writes=writes)

    async def add(self, number: int, label: str) -> None:
        """Have one label of ours there, next to those that are."""
        name = self.names.at_host(label)
        await self._labels.add(number, [name], self._looks([name]))

    async def remove(self, number: int, label: str) -> None:
        """Take one label of ours off; its absence is fine."""
        await self._labels.remove(number, self.names.at_host(label))

    def _looks(self, names: Sequence[str]) -> dict[str, LabelLook]:
        found = {name: look_of(self.names.ours(name)) for name in names}
        return {name: look for name, look in found.items() if look is not None}


def _name_of(state: State | None) -> str:
    return str(state) if state is not None else ""
