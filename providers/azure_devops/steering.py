"""Steering by comments at Azure DevOps, which does not show who labels a pull request."""

from datetime import datetime
from functools import partial

from providers.azure_devops import wire, wire_comments, wire_steering
from providers.azure_devops.calls import AzureDevOpsCalls, after_full_page
from providers.cursors import RemarkLook
from providers.models import Person, Remarks
from providers.reading import read
from providers.steering_by_comments import SteeringByComments

_GROUPS_LOOKED_INTO = 190
"""Of one team, in ten questions."""


class AzureDevOpsSteering(SteeringByComments):
    has_teams = True

    def __init__(self, calls: AzureDevOpsCalls) -> None:
        self._calls = calls

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        own = (await self._calls.account()).lower()
        look = RemarkLook(since, cursor, own)
        reply = await self._calls.call(wire_comments.list_threads(self._calls.repository, number))
        await look.take(reply, partial(wire_steering.read_remarks, number, own, reply))
        return look.remarks()

    async def may_write(self, person: Person) -> bool:
        found = await self._calls.call_identities(wire_steering.get_identity(person.id))
        descriptor = wire_steering.read_descriptor(found, person.id)
        if not descriptor:
            return False
        repository = (await self._calls.call(wire.get_repository(self._calls.repository))).document()
        reply = await self._calls.call(wire_steering.get_permissions(repository, descriptor))
        return wire_steering.may_write(reply, descriptor)

    async def is_member(self, team: str, person: Person) -> bool:
        request = partial(wire_steering.list_members, self._calls.project, team)
        following, groups = partial(after_full_page, size=wire_steering.MEMBERS_PAGE), list[str]()
        async for reply in self._calls.pages(request, following):
            if not reply.ok:
                return False
            if await read(reply, partial(wire_steering.is_among, reply, person.id)):
                return True
            groups += await read(reply, partial(wire_steering.groups_among, reply))
        for begin in range(0, min(len(groups), _GROUPS_LOOKED_INTO), wire_steering.GROUPS_ASKED):
            asked = groups[begin : begin + wire_steering.GROUPS_ASKED]
            found = await self._calls.call_identities(wire_steering.get_memberships(person.id, asked))
            if await read(found, partial(wire_steering.is_within, found, person.id, asked)):
                return True
        return False

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        # A like is all that the host has; who is refused reads why in the summary comment.
        if agreed:
            await self._calls.call(wire_steering.like(self._calls.repository, comment_id))
