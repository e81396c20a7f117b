"""Which verdict counts: the newest by the time of its event, then by arrival. Pure."""

from dataclasses import dataclass

from activities.models.commit_statuses import PENDING, CommitVerdict


@dataclass
class Slot:
    """What is shown in one context of one commit, and what is to be shown."""

    posted: CommitVerdict | None = None
    """What the host shows for certain."""
    wanted: CommitVerdict | None = None
    """What is to be posted; a burst is one post of its newest."""

    def take(self, arrived: CommitVerdict) -> bool:
        """Take a verdict; False where a newer one is known, or it may not replace what is there."""
        newest = self.wanted or self.posted
        if newest is not None and arrived.at < newest.at:
            return False
        if arrived.over_pending and newest is not None and newest.state != PENDING:
            return False
        if self.wanted is None and arrived.says_the_same(self.posted):
            # Nothing to send; an event between the two is older than this one all the same.
            self.posted = arrived
        else:
            self.wanted = arrived
        return True

    def shown(self, verdict: CommitVerdict) -> None:
        """Note that the host shows a verdict."""
        self.posted = verdict
        self.dropped(verdict)

    def dropped(self, verdict: CommitVerdict) -> None:
        """Note that a verdict is never posted; one that came meanwhile still is."""
        if self.wanted == verdict:
            self.wanted = None

    def overtaken(self, verdict: CommitVerdict) -> None:
        """Note that the host shows something that is newer than a verdict, which no event of ours describes."""
        self.posted = None
        self.dropped(verdict)
