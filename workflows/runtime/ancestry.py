"""Ancestry in the application repository: how two commits relate, what is known of that, and asking for the rest.

Commits are compared in the application repository alone, and only its host can answer. A decision therefore never
awaits a comparison: it reads what is known, notes the pairs that are missing, and is made again once those are
answered. Answers for full hashes never change, except that a commit the host did not know it may know later.

What is known is owned by the workflow that asked, carried over continue-as-new, and bounded: whatever a decision reads
stays, however much that is, and of the rest what was used or learnt last. To evict what a decision reads would have it
asked for again without end. Both directions of a pair are one answer.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from temporalio import workflow

from activities.contracts import ScmActivities
from activities.models.revisions import CompareRevisionsInput, CompareRevisionsResult, Relation, RevisionPair
from activities.models.tracking import Timings
from workflows import policies
from workflows.identity import Queues

Pair = TypeVar("Pair")
Value = TypeVar("Value")

Ancestry = Callable[[str, str], Relation | None]
"""How `head` (second) stands to `base` (first); None = not known yet, ask for it."""

RELATIONS_KEPT = 500

CONTAINING = (Relation.AHEAD, Relation.IDENTICAL)
"""Relations in which the head contains the base."""

_OPPOSITE = {Relation.AHEAD: Relation.BEHIND, Relation.BEHIND: Relation.AHEAD}


@dataclass(frozen=True, kw_only=True)
class KnownRelation:
    """Carry an answer of the host: how `head` stands to `base`."""

    base: str
    head: str
    relation: Relation


def opposite(relation: Relation) -> Relation:
    """Return how the base stands to the head."""
    return _OPPOSITE.get(relation, relation)


def trimmed(known: Mapping[Pair, Value], read: Collection[Pair], *, at_most: int) -> dict[Pair, Value]:
    """Return what to remember: all that was read, however much, and of the rest what was learnt last."""
    others = [pair for pair in known if pair not in read]
    room = max(at_most - len(read), 0)
    kept = others[max(len(others) - room, 0) :]
    return {pair: known[pair] for pair in (*kept, *read) if pair in known}


async def compare_revisions(
    queues: Queues,
    timings: Timings,
    *,
    namespace: str,
    repository: str,
    pairs: Sequence[RevisionPair],
    some: bool = False,
) -> CompareRevisionsResult:
    """Have the host compare at most `PAIRS_PER_CALL` pairs, or with `some` those that it can; raises ActivityError."""
    return await workflow.execute_activity_method(
        ScmActivities.compare_revisions,
        CompareRevisionsInput(namespace=namespace, repository=repository, pairs=tuple(pairs), some=some),
        **policies.scm_read(queues, timings, summary=f"compare revisions: {len(pairs)}"),
    )


class KnownAncestry:
    """Remember relations in both directions: all that a decision reads, and of others those that were read last."""

    def __init__(self, known: Sequence[KnownRelation] = ()) -> None:
        self._relations: dict[tuple[str, str], Relation] = {}
        self._read: dict[tuple[str, str], Relation] = {}
        self._unanswered: set[RevisionPair] = set()
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
        reverse = self._relations.get((head, base))
        if reverse is None:
            return None
        self._read[head, base] = reverse
        return opposite(reverse)

    def in_turn(self, pairs: Sequence[RevisionPair]) -> list[RevisionPair]:
        """Put behind the others what the host did not answer: it must keep none of them from its turn."""
        self._unanswered.intersection_update(pairs)
        return sorted(pairs, key=lambda one: one in self._unanswered)

    def take(self, pairs: Sequence[RevisionPair], answer: CompareRevisionsResult) -> None:
        """Remember what the host answered of these pairs."""
        for place, (pair, relation) in enumerate(zip(pairs, answer.relations, strict=True)):
            if place in answer.unanswered:
                self._unanswered.add(pair)
            else:
                self.learn(pair.base, pair.head, relation)

    def learn(self, base: str, head: str, relation: Relation) -> None:
        """Remember an answer of the host."""
        self._relations[base, head] = relation

    def decided(self) -> None:
        """End a decision: what it did not read is trimmed, least recently read first; what it read never is.

        A decision that misses answers is made again with all that it read before. One that read nothing proves nothing
        of what the next one will read.
        """
        if not self._read:
            return
        self._relations, self._read = trimmed(self._relations, self._read, at_most=RELATIONS_KEPT), {}

    def forget_unknown(self) -> None:
        """Have commits asked for again that the host did not know: it may know them by now."""
        self._relations = {pair: found for pair, found in self._relations.items() if found is not Relation.UNKNOWN}

    def relations(self) -> tuple[KnownRelation, ...]:
        """Return everything as frozen values."""
        return tuple(KnownRelation(base=base, head=head, relation=r) for (base, head), r in self._relations.items())


class Comparing:
    """Answer from what is known of ancestry and note every pair that is not."""

    def __init__(self, ancestry: Ancestry) -> None:
        self._ancestry = ancestry
        self.pairs: dict[tuple[str, str], RevisionPair] = {}

    def relation(self, base: str, head: str) -> Relation | None:
        """Return how `head` stands to `base`; None after noting the pair."""
        if base == head:
            return Relation.IDENTICAL
        known = self._ancestry(base, head)
        # A pair is asked for in one direction: the answer holds for both.
        if known is None and (head, base) not in self.pairs:
            self.pairs[base, head] = RevisionPair(base=base, head=head)
        return known
