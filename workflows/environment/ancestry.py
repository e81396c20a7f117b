"""What is known of ancestry in the application repository, and asking for the rest in batches."""

from collections.abc import Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import ScmActivities
from activities.models.places import EnvironmentInput
from activities.models.revisions import CompareRevisionsInput, Relation, RevisionPair
from workflows import policies
from workflows.environment.background import Background
from workflows.environment.state import KnownRelation
from workflows.failures import failure_of, worth_showing
from workflows.identity import Queues
from workflows.runtime.backoff import Backoff

RELATIONS_KEPT = 500
PAIRS_PER_CALL = 20
"""The host answers one pair per call, so that larger batches would outlast the activity's timeout."""

OPPOSITE = {Relation.AHEAD: Relation.BEHIND, Relation.BEHIND: Relation.AHEAD}


class KnownAncestry:
    """Remember relations in both directions: all that a decision reads, and of others those that were read last."""

    def __init__(self, known: Sequence[KnownRelation] = ()) -> None:
        self._relations: dict[tuple[str, str], Relation] = {}
        self._read: dict[tuple[str, str], Relation] = {}
        for one in known:
            self.learn(one.base, one.head, one.relation)

    def __call__(self, base: str, head: str) -> Relation | None:
        """Return how `head` stands to `base`; None when it must be asked."""
        if base == head:
            return Relation.IDENTICAL
        known = self._relations.get((base, head))
        if known is not None:
            self._read[base, head] = known
            return known
        opposite = self._relations.get((head, base))
        if opposite is None:
            return None
        self._read[head, base] = opposite
        return OPPOSITE.get(opposite, opposite)

    def learn(self, base: str, head: str, relation: Relation) -> None:
        """Remember an answer of the host."""
        self._relations[base, head] = relation

    def decided(self) -> None:
        """End a decision: what it did not read is trimmed, least recently read first; what it read never is.

        A decision that lacks answers is made again with all that it read before. One that read nothing says nothing
        of what the next one will read.
        """
        if not self._read:
            return
        others = [pair for pair in self._relations if pair not in self._read]
        room = max(RELATIONS_KEPT - len(self._read), 0)
        kept = {pair: self._relations[pair] for pair in others[max(len(others) - room, 0) :]}
        self._relations, self._read = kept | self._read, {}

    def forget_unknown(self) -> None:
        """Have commits asked for again that the host did not know: it may know them by now."""
        self._relations = {pair: found for pair, found in self._relations.items() if found is not Relation.UNKNOWN}

    def relations(self) -> tuple[KnownRelation, ...]:
        """Return everything as frozen values."""
        return tuple(KnownRelation(base=base, head=head, relation=r) for (base, head), r in self._relations.items())


class Comparer:
    """Ask the SCM host for pairs that a decision lacks: one call at a time, with a pause after a failure."""

    def __init__(self, start: EnvironmentInput, background: Background, known: Sequence[KnownRelation]) -> None:
        self.ancestry = KnownAncestry(known)
        self.problem = ""
        self._failing_since: datetime | None = None
        self._start = start
        self._background = background
        self._asking = False
        self._again_at: datetime | None = None
        self._pauses = Backoff(initial=start.timings.observe_initial, maximum=start.timings.observe_maximum)

    def pursue(self, pairs: Sequence[RevisionPair], now: datetime) -> None:
        """Start a call for what a decision lacked unless one runs or has just failed."""
        self.ancestry.decided()
        if pairs and not self._asking and (self._again_at is None or now >= self._again_at):
            self._asking = True
            self._background.start(self._ask(tuple(pairs[:PAIRS_PER_CALL])))

    def hurry(self) -> None:
        """Ask again for what the host did not know or did not answer: somebody said that something changed."""
        self.ancestry.forget_unknown()
        self._again_at = None

    def next_deadline(self) -> datetime | None:
        """Return when a failed call is repeated."""
        return None if self._asking else self._again_at

    async def _ask(self, pairs: tuple[RevisionPair, ...]) -> None:
        start = self._start
        config = policies.scm_read(
            Queues(installation=start.installation), start.timings, summary=f"compare {len(pairs)} pairs"
        )
        request = CompareRevisionsInput(namespace=start.namespace, repository=start.repository, pairs=pairs)
        try:
            answer = await workflow.execute_activity_method(ScmActivities.compare_revisions, request, **config)
        except ActivityError as error:
            failure, now = failure_of(error), workflow.now()
            self._failing_since = self._failing_since or now
            if worth_showing(failure, self._failing_since, now, passing=start.timings.passing):
                self.problem = f"revisions cannot be compared: {failure.text}"
            self._again_at = now + max(self._pauses.next(), failure.wait)
        else:
            for pair, relation in zip(pairs, answer.relations, strict=True):
                self.ancestry.learn(pair.base, pair.head, relation)
            self.problem, self._again_at, self._failing_since = "", None, None
            self._pauses.reset()
        finally:
            self._asking = False
