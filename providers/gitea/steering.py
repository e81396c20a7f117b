"""Steering by labels and comments at Gitea and Forgejo."""

from datetime import datetime
from functools import partial

from providers.accounts import known
from providers.cursors import BEGINNING, LOOK_PAGES, RemarkCursor, RemarkLook, remark_cursor
from providers.errors import ProviderUnauthorized
from providers.gitea import wire, wire_steering
from providers.gitea.calls import GiteaCalls
from providers.models import LabelEvent, LabelEvents, Person, Remarks
from providers.reading import read


class GiteaSteering:
    names_who_labels = True
    has_teams = False

    def __init__(self, calls: GiteaCalls) -> None:
        self._calls = calls

    async def label_events(self, number: int, cursor: str) -> LabelEvents:
        own, at, seen = await self._own(), remark_cursor(cursor, BEGINNING), 0
        found: list[LabelEvent] = []
        for page in range(1, LOOK_PAGES + 1):
            request = wire_steering.list_timeline(self._calls.repository, number, at.since, page)
            reply = await self._calls.call(request)
            found += await read(reply, partial(wire_steering.read_label_events, own, at.newest, reply))
            items = wire.items_on(reply)
            seen += items
            if not wire.has_more(reply, seen, items):
                break
        if found:
            at = RemarkCursor(since=max(at.since, found[-1].at), newest=int(found[-1].id))
        return LabelEvents(events=tuple(found), cursor=str(at))

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
        return False

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        await self._calls.call(wire_steering.react(self._calls.repository, comment_id, agreed=agreed))

    async def _own(self) -> str:
        return known(await self._calls.login())
