"""Steering by labels and comments at Gitea and Forgejo."""

from datetime import datetime
from functools import partial

from providers import issue_comments
from providers.accounts import known
from providers.cursors import BEGINNING, LOOK_PAGES, RemarkCursor, RemarkLook, remark_cursor
from providers.errors import ProviderUnauthorized
from providers.gitea import wire, wire_steering
from providers.gitea.calls import GiteaCalls
from providers.messages import TooMuch
from providers.models import LabelEvent, LabelEvents, Person, Remarks
from providers.reading import read

_MOST_PAGES = 20
"""Of one look, where so many rows have one time that the next look would be given the same pages."""
_MOST_BLANK = 30
"""Pages without a row that one look goes behind, within its time at a host that is slow."""


class GiteaSteering:
    names_who_labels = True
    has_teams = True

    def __init__(self, calls: GiteaCalls) -> None:
        self._calls = calls

    async def label_events(self, number: int, cursor: str) -> LabelEvents:
        own, begun = await self._own(), remark_cursor(cursor, BEGINNING)
        # Before the rows: one that is made while they are read may be newer, and is then left to the next look.
        changed = wire_steering.read_changed(await self._calls.call(wire.get_pull(self._calls.repository, number)))
        at, page, blank, ending, found = begun, 1, 0, 1, list[LabelEvent]()
        for asked in range(1, _MOST_PAGES + _MOST_BLANK + 1):
            request = wire_steering.list_timeline(self._calls.repository, number, at.since, page)
            reply = await self._calls.call(request)
            listed = await read(reply, partial(wire_steering.read_timeline, own, at, reply))
            found += listed.events
            # Behind a moment that has moved on the pages begin again: a comment that is deleted meanwhile shifts none.
            page, blank = (1, 0) if listed.behind.since > at.since else (page + 1, blank + (not listed.rows))
            at = listed.behind
            if listed.rows:
                if asked >= _MOST_PAGES or (asked >= LOOK_PAGES and at.since > begun.since):
                    break
            elif at.since >= changed:
                break
            else:
                ending = ending if ending > 1 else await self._ending(number)
                if blank >= ending:
                    # What is made within that second is still to be read.
                    at = RemarkCursor(since=changed)
                    break
        return LabelEvents(events=tuple(found), cursor=str(at))

    async def _ending(self, number: int) -> int:
        """Return how many pages without a row make the end of a timeline of which something newer is not seen.

        Comments on lines of code have places on its pages, and are not shown there.
        """
        hidden = 0
        try:
            async for reply in self._calls.pages(partial(wire_steering.list_reviews, self._calls.repository, number)):
                hidden += await read(reply, partial(wire_steering.read_code_comments, reply))
        except TooMuch:
            return _MOST_BLANK
        # One more for what no one counts: reviews that are not submitted yet, and mentions from where we may not read.
        return min(hidden // wire.PAGE_SIZE + 2, _MOST_BLANK)

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        own = await self._own()
        look = RemarkLook(since, cursor, own)
        reply = await self._calls.call(wire_steering.list_remarks(self._calls.repository, number, look.at.since))
        await look.take(reply, partial(wire_steering.read_remarks, own, reply))
        return look.remarks()

    async def may_write(self, person: Person) -> bool:
        try:
            reply = await self._calls.call(wire_steering.get_permission(self._calls.repository, person.id))
        except ProviderUnauthorized as error:
            if error.status == 401 or wire.misses_scope(str(error)):
                raise
            text = f"{error}; make the account an administrator of the repository: only one may ask who may write"
            raise ProviderUnauthorized(text, status=error.status) from None
        return wire_steering.may_write(reply)

    async def is_member(self, team: str, person: Person) -> bool:
        try:
            number = await self._team(team)
            if number is None:
                return False
            reply = await self._calls.call(wire_steering.get_team_member(number, person.id))
        except ProviderUnauthorized as error:
            if error.status == 401 or wire.misses_scope(str(error)):
                raise
            text = f"{error}; make the account an owner of the organization, or a member of team `{team}`"
            raise ProviderUnauthorized(f"{text}: only they may ask who is in it", status=error.status) from None
        return wire_steering.is_member(reply, person.id)

    async def _team(self, name: str) -> int | None:
        """Return the number of a team of the repository's owner; None where the owner has none, or is a person."""
        async for reply in self._calls.pages(partial(wire_steering.list_teams, self._calls.owner)):
            if not reply.ok:
                return None
            if (found := await read(reply, partial(wire_steering.read_team, reply, name))) is not None:
                return found
        return None

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        await self._calls.call(issue_comments.react(self._calls.repository, comment_id, agreed=agreed))

    async def _own(self) -> str:
        return known(await self._calls.login())
