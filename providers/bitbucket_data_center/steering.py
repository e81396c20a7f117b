"""Steering by comments at Bitbucket Data Center."""

from datetime import datetime
from functools import partial

from providers.bitbucket_data_center import wire, wire_steering
from providers.bitbucket_data_center.calls import BitbucketDataCenterCalls
from providers.cursors import RemarkLook
from providers.models import Person, Remarks
from providers.reading import read
from providers.steering_by_comments import SteeringByComments


class BitbucketDataCenterSteering(SteeringByComments):
    has_teams = True

    def __init__(self, calls: BitbucketDataCenterCalls) -> None:
        self._calls = calls

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        # Empty where a proxy took the header that shows whose the credential is: what we write begins with no command.
        own = await self._calls.account()
        look = RemarkLook(since, cursor, own)
        request = wire.list_activities(self._calls.repository, number, "list-comments")
        async for reply in self._calls.pages(request, size=wire.ACTIVITIES_PAGE):
            await look.take(reply, partial(wire_steering.read_remarks, str(number), own, reply))
        return look.remarks()

    async def may_write(self, person: Person) -> bool:
        request = wire_steering.list_writers(self._calls.project, self._calls.slug, person.name)
        async for reply in self._calls.pages(request):
            if await read(reply, partial(wire_steering.is_among, reply, person.id)):
                return True
        return False

    async def is_member(self, team: str, person: Person) -> bool:
        async for reply in self._calls.pages(wire_steering.list_members(team, person.name)):
            if not reply.ok:
                return False
            if await read(reply, partial(wire_steering.is_among, reply, person.id)):
                return True
        return False

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        await self._calls.call(wire_steering.react(self._calls.repository, comment_id, agreed=agreed))
