"""Steering by labels and comments at GitHub."""

from datetime import datetime
from functools import partial

from providers import issue_comments
from providers.accounts import known
from providers.cursors import REMARK_PAGES, RemarkLook, look_at_labels
from providers.github import wire, wire_steering
from providers.github.calls import GitHubCalls
from providers.models import LabelEvents, Person, Remarks


class GitHubSteering:
    names_who_labels = True
    has_teams = True

    def __init__(self, calls: GitHubCalls) -> None:
        self._calls = calls

    async def label_events(self, number: int, cursor: str) -> LabelEvents:
        own = await self._own()
        return await look_at_labels(
            cursor,
            ask=lambda page: self._calls.call(wire_steering.list_events(self._calls.repository, number, page)),
            reader=partial(wire_steering.read_label_events, own),
            has_more=wire.goes_on,
        )

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        own = await self._own()
        look = RemarkLook(since, cursor, own)
        for page in range(1, REMARK_PAGES + 1):
            request = wire_steering.list_remarks(self._calls.repository, number, look.at.since, page)
            reply = await self._calls.call(request)
            await look.take(reply, partial(wire_steering.read_remarks, own, reply))
            if look.full or not wire.goes_on(reply):
                break
        return look.remarks()

    async def _own(self) -> str:
        return known(await self._calls.login())

    async def may_write(self, person: Person) -> bool:
        return wire_steering.may_write(
            await self._calls.call(wire_steering.get_permission(self._calls.repository, person.id))
        )

    async def is_member(self, team: str, person: Person) -> bool:
        request = wire_steering.get_membership(self._calls.owner, team, person.id)
        return wire_steering.is_member(await self._calls.call(request))

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        await self._calls.call(issue_comments.react(self._calls.repository, comment_id, agreed=agreed))
