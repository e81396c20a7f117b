"""The inbox: a command stays until it is taken or dropped by name, and is taken once."""

import pytest

from activities.models.promotion import Command, Verb
from workflows.runtime.inbox import Accepted, Inbox


def accepted(request_id: str = "1") -> Accepted:
    return Accepted(command=Command(request_id=request_id, actor="ada", target_environment="staging", revision=""))


def test_a_command_is_taken_once_and_stays_under_way_until_its_effect_shows() -> None:
    inbox = Inbox()
    inbox.offer(Verb.RETEST, accepted())
    assert inbox.get(Verb.RETEST) == accepted()
    assert inbox.take(Verb.RETEST) == accepted().command
    assert inbox.take(Verb.RETEST) is None
    assert inbox.under_way == {Verb.RETEST: accepted().command}
    inbox.done(Verb.RETEST)
    assert inbox.under_way == {}


def test_a_second_command_of_a_verb_never_replaces_the_first() -> None:
    inbox = Inbox()
    inbox.offer(Verb.PROMOTE, accepted("1"))
    with pytest.raises(ValueError, match="promote waits already"):
        inbox.offer(Verb.PROMOTE, accepted("2"))
    assert inbox.get(Verb.PROMOTE) == accepted("1")


def test_what_is_dropped_is_returned_so_that_it_can_be_answered() -> None:
    inbox = Inbox()
    inbox.offer(Verb.PROMOTE, accepted("1"))
    inbox.offer(Verb.RETEST, accepted("2"))
    assert inbox.drop(Verb.RETRY) == []
    assert inbox.drop(*Verb) == [(Verb.RETEST, accepted("2").command), (Verb.PROMOTE, accepted("1").command)]
    assert inbox.waiting == {}
