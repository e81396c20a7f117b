"""A call that its sender gave up, played in one workflow task with the signal that it sent instead."""

from crds.reasons.vocabulary import Phase
from tests.workflows.environment.puppets import MAIN
from tests.workflows.environment.world import place
from tests.worlds.played import Played
from workflows.identity import MEMBER_SIGNAL, MEMBER_UPDATE


async def test_who_gave_a_call_up_is_granted_by_a_signal_though_the_call_comes_with_that_signal(played: Played) -> None:
    async with place(played) as world:
        one = await world.joined(1, MAIN[1])
        view = await one.becomes(Phase.READY)
        # Both waited for a workflow worker, and come in one workflow task, where signals are first.
        played.deliver(world.place_id, MEMBER_SIGNAL, view)
        unread = played.execution(world.place_id).run.handle(MEMBER_UPDATE, view)
        assert unread.grant is not None
        assert (await one.receives(lambda signal: signal.grant is not None)).grant == unread.grant
