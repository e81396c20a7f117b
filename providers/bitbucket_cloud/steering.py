"""Steering by comments at Bitbucket Cloud."""

from datetime import datetime
from functools import partial

from providers.bitbucket_cloud import wire, wire_steering
from providers.bitbucket_cloud.calls import BitbucketCloudCalls
from providers.cursors import REMARK_PAGES, RemarkLook
from providers.errors import ProviderUnauthorized
from providers.models import Person, Remarks
from providers.steering_by_comments import SteeringByComments


class BitbucketCloudSteering(SteeringByComments):
    def __init__(self, calls: BitbucketCloudCalls) -> None:
        self._calls = calls

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        # Empty for an access token, which may not ask whose it is: what we write ourselves begins with no command.
        own = await self._calls.account()
        look = RemarkLook(since, cursor, own.lower())
        for page in range(1, REMARK_PAGES + 1):
            reply = await self._calls.call(wire_steering.list_newest(self._calls.repository, number, page))
            older = await look.take(reply, partial(wire_steering.read_remarks, str(number), own, reply))
            if older or not wire.has_more(reply):
                break
        return look.remarks()

    async def may_write(self, person: Person) -> bool:
        try:
            reply = await self._calls.call(wire_steering.get_permission(self._calls.full_name, person.id))
        except ProviderUnauthorized as error:
            if error.status != 403:
                raise
            text = f"{error}; give the credential the scope `repository:admin`, and its account the role `admin`: "
            raise ProviderUnauthorized(f"{text}only an administrator may ask who may write", status=403) from None
        return wire_steering.may_write(reply, person.id)

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        """Do nothing: the host's API has no reactions."""
