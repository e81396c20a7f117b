"""Steering by labels and comments at GitLab."""

from datetime import datetime
from functools import partial

from providers.accounts import unknown
from providers.cursors import REMARK_PAGES, RemarkLook, look_at_labels
from providers.errors import ProviderMalformed, ProviderMisconfigured, ProviderRejected
from providers.gitlab import wire, wire_steering
from providers.gitlab.calls import GitLabCalls
from providers.models import LabelEvents, Person, Remarks
from providers.reading import read
from providers.webhooks.events import is_command


class GitLabSteering:
    names_who_labels = True
    has_teams = True

    def __init__(self, calls: GitLabCalls) -> None:
        self._calls = calls

    async def label_events(self, number: int, cursor: str) -> LabelEvents:
        own = await self._own()
        return await look_at_labels(
            cursor,
            ask=lambda page: self._calls.call(wire_steering.list_label_events(self._calls.project, number, page)),
            reader=partial(wire_steering.read_label_events, own.id),
            has_more=wire.has_more,
        )

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        own = await self._own()
        look = RemarkLook(since, cursor, own.username.lower())
        for page in range(1, REMARK_PAGES + 1):
            reply = await self._calls.call(wire_steering.list_newest_notes(self._calls.project, number, page))
            older = await look.take(reply, partial(wire_steering.read_remarks, number, own.id, reply))
            if older or not wire.has_more(reply):
                break
        await self._judge_edits(look)
        return look.remarks()

    async def _judge_edits(self, look: RemarkLook) -> None:
        """Take commands for what their authors wrote that others only reacted to, or resolved."""
        remarks = {one.id.partition(":")[2]: one.id for one in look.edited if is_command(one.body)}
        notes = [note for note in remarks if note.isascii() and note.isdigit()]
        for begin in range(0, len(notes), wire_steering.EDITS_ASKED):
            asked = notes[begin : begin + wire_steering.EDITS_ASKED]
            try:
                reply = await self._calls.query(wire_steering.ask_edits(asked))
                unedited = await read(reply, partial(wire_steering.read_unedited, reply, asked))
            except (ProviderMalformed, ProviderMisconfigured, ProviderRejected):
                # GraphQL is not there, such as behind a proxy that lets the REST API through alone.
                return
            look.believe({remarks[note] for note in unedited})

    async def may_write(self, person: Person) -> bool:
        reply = await self._calls.call(wire_steering.get_member(self._calls.project, person.id))
        return wire_steering.access_level(reply) >= wire_steering.DEVELOPER

    async def is_member(self, team: str, person: Person) -> bool:
        reply = await self._calls.call(wire_steering.get_group_member(team, person.id))
        return wire_steering.access_level(reply) > 0

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        await self._calls.call(wire_steering.award(self._calls.project, comment_id, agreed=agreed))

    async def _own(self) -> wire.User:
        found = await self._calls.user()
        if found is None:
            raise unknown()
        return found
