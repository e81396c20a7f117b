"""Comparisons that a decision needs: what is known answers at once, what is not is noted to be asked. Pure."""

from collections.abc import Callable

from activities.models.revisions import Relation, RevisionPair

Ancestry = Callable[[str, str], Relation | None]
"""How `head` (second) stands to `base` (first); None = not known yet, ask for it."""

CONTAINING = (Relation.AHEAD, Relation.IDENTICAL)
"""Relations in which the head contains the base."""


class Asking:
    """Answer from what is known of ancestry and note every pair that is not."""

    def __init__(self, ancestry: Ancestry) -> None:
        self._ancestry = ancestry
        self.pairs: dict[tuple[str, str], RevisionPair] = {}

    def relation(self, base: str, head: str) -> Relation | None:
        """Return how `head` stands to `base`; None after noting the pair."""
        if base == head:
            return Relation.IDENTICAL
        known = self._ancestry(base, head)
        # A pair is asked for in one direction: the answer says both.
        if known is None and (head, base) not in self.pairs:
            self.pairs[base, head] = RevisionPair(base=base, head=head)
        return known
