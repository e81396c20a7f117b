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
    at_work: CommitVerdict | None = None
    """What is being posted now; until it ends, what the host shows is not certain."""

    def take(self, arrived: CommitVerdict) -> bool:
        """Take a verdict; False where a newer one is known, or it may not replace what is there."""
        newest = self.wanted or self.posted
        if newest is not None and arrived.is_older(newest):
            return False
        if arrived.over_pending and newest is not None and newest.state != PENDING:
            return False
        self.wanted = arrived
        self._settle()
        return True

    def begin(self) -> CommitVerdict | None:
        """Return what is to be posted now, and note that it runs."""
        self.at_work = self.wanted
        return self.at_work

    def shown(self) -> None:
        """Note that the host shows what was at work."""
        self.posted = self.at_work
        self._end()
        self._settle()

    def dropped(self, *, unknown: bool = False) -> None:
        """Note that what was at work is never posted; one that came meanwhile still is.

        `unknown` is whether the host may show something else by now than what was posted last.
        """
        self._forget(unknown=unknown)
        self._end()
        self._settle()

    def failed(self, *, unknown: bool) -> None:
        """Note that what was at work is to be posted again."""
        self._forget(unknown=unknown)
        self.at_work = None
        self._settle()

    def _forget(self, *, unknown: bool) -> None:
        if unknown:
            self.posted = None

    def _end(self) -> None:
        if self.wanted == self.at_work:
            self.wanted = None
        self.at_work = None

    def _settle(self) -> None:
        """Send nothing for what the host shows already; an event between the two is older all the same."""
        if self.at_work is None and self.wanted is not None and self.wanted.posts_the_same(self.posted):
            self.posted, self.wanted = self.wanted, None
