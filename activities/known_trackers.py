"""Which trackers of a repository live, as far as one look at its list needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from activities.discovery import is_shown, tracker_name
from activities.state_labels import LabelNames
from crds.api.live_trackers import TRACKERS, LiveTracker, live_tracker, live_trackers
from crds.api.ports import ApiNotFound, Document, Kubernetes
from providers.pull_request_lists import ListedPullRequest

EVERY = 100_000
"""Trackers of one repository: a bound that none reaches."""
_LISTED_FROM = 20
"""From so much news on trackers are listed instead of being asked for one by one."""
_LISTED_FOR_EACH = 20
"""Trackers that are listed for each piece of news: so many in a page cost as much processor time as one call, 3 ms."""


@dataclass(kw_only=True)
class KnownTrackers:
    """Live trackers that were read, and which of them show their pull request as `listed`."""

    kubernetes: Kubernetes
    namespace: str
    repository: str
    names: LabelNames
    listed: Mapping[int, ListedPullRequest]
    shown: set[int] = field(default_factory=set)
    """Pull requests that their trackers show as they are listed: no news for who promotes them."""
    _live: dict[str, LiveTracker] = field(default_factory=dict)
    _all: bool = False
    """Whether the list came to its end."""

    async def count(self) -> int:
        """Return how many trackers live."""
        await self._list(EVERY)
        return len(self._live)

    async def expect(self, news: int) -> None:
        """Read trackers together where so many are about to be looked for.

        No longer list, however many trackers there are: each of many looks would read them all again.
        """
        if news > _LISTED_FROM:
            await self._list(news * _LISTED_FOR_EACH)

    async def find(self, one: ListedPullRequest) -> LiveTracker | None:
        """Return the live tracker of a pull request, and note where it shows already what is listed."""
        name = tracker_name(self.repository, one.change.number)
        if self._all or name in self._live:
            return self._live.get(name)
        try:
            document = await self.kubernetes.get(TRACKERS, self.namespace, name)
        except ApiNotFound:
            return None
        self._note_shown(document, one)
        return live_tracker(document, self.repository)

    def add(self, created: Document) -> None:
        """Count a tracker that was made."""
        if tracker := live_tracker(created, self.repository):
            self._live[tracker.name] = tracker

    async def _list(self, at_most: int) -> None:
        if self._all:
            return
        page = await live_trackers(self.kubernetes, self.namespace, self.repository, at_most=at_most, see=self._see)
        self._live |= {one.name: one for one in page.trackers}
        self._all = page.then is None

    def _see(self, tracker: Document) -> None:
        one = self.listed.get(tracker["spec"]["number"])
        if one is not None:
            self._note_shown(tracker, one)

    def _note_shown(self, tracker: Document, one: ListedPullRequest) -> None:
        if is_shown(tracker, one, self.names):
            self.shown.add(one.change.number)
