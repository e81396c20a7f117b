"""What labels and comments mean, who may give them, and that hostile ones keep no one else from giving theirs."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from activities.coordinator import (
    EDITED,
    LABELLER_UNKNOWN,
    NO_LABELS,
    NO_STEERING,
    NOT_WRITER,
    Coordinator,
    KnownRights,
)
from activities.instructions import by_comments, by_labels
from activities.models.label_sync import LabelsLeft
from activities.models.state_labels import HOLD, RETEST
from activities.models.steering import INSTRUCTIONS_KEPT, STATE, ReadInstructionsInput, ReadInstructionsResult
from activities.models.tracking import RepositoryView
from activities.ports import Repository
from activities.state_labels import LabelNames, WantedLabels
from providers.errors import ProviderUnauthorized
from providers.models import Capabilities, LabelEvent, LabelEvents, Person, Remark, Remarks
from tests.activities.fakes import NOON, WEB, FakeScm

BEGUN = NOON
READ = ReadInstructionsInput(namespace="shop", repository="web", number=412, begun=BEGUN)
WRITERS = ("grace", "ada")


def event(number: int, label: str, by: str = "grace", *, added: bool = True, late: int = 1) -> LabelEvent:
    """Return an event of a label, so many minutes after the attempt began."""
    at = BEGUN + timedelta(minutes=late)
    return LabelEvent(id=str(number), label=label, added=added, by=_person(by), at=at, own=by == "pilotage-bot")


def remark(number: int, body: str, by: str = "grace", *, late: int = 1) -> Remark:
    """Return a comment, so many minutes after the attempt began."""
    at = BEGUN + timedelta(minutes=late)
    return Remark(id=str(number), body=body, by=_person(by), at=at, own=by == "pilotage-bot", edited=False)


def _person(name: str) -> Person:
    return Person(id=f"id-{name}", name=name)


@dataclass
class FakeSteering:
    """A host that knows who wrote what."""

    events: list[LabelEvent] = field(default_factory=list)
    written: list[Remark] = field(default_factory=list)
    edited: list[Remark] = field(default_factory=list)
    names_who_labels: bool = True
    has_teams: bool = True
    asked: list[str] = field(default_factory=list)
    refuses: bool = False
    hides_members: int = 0
    """The status with which it refuses to show who is in a team; 0 where it shows that."""

    async def label_events(self, number: int, cursor: str) -> LabelEvents:
        return LabelEvents(events=tuple(self.events), cursor="1:7")

    async def remarks(self, number: int, since: datetime, cursor: str) -> Remarks:
        found, edited = tuple(self.written), tuple(self.edited)
        return Remarks(remarks=found, edited=edited, cursor="9:x", account="pilotage-bot")

    async def may_write(self, person: Person) -> bool:
        self.asked.append(person.name)
        if self.refuses:
            raise ProviderUnauthorized("only administrators may ask", status=403)
        return person.name in WRITERS

    async def is_member(self, team: str, person: Person) -> bool:
        if self.hides_members:
            raise ProviderUnauthorized("`GET /orgs/acme/teams` answered 403: no member", status=self.hides_members)
        return (team, person.name) == ("release", "grace")

    async def react(self, comment_id: str, *, agreed: bool) -> None:
        raise AssertionError("nothing is answered while instructions are read")


def coordinator(
    steering: FakeSteering | None,
    rights: KnownRights | None = None,
    *,
    has_labels: bool = True,
    view: RepositoryView = WEB,
) -> Coordinator:
    host = FakeScm(steering=steering, label_names=["pilotage/testing"])
    host.capabilities = Capabilities(labels=has_labels)
    repository = Repository(view=view, host=host)
    return Coordinator(repository=repository, namespace="shop", rights=rights or KnownRights())


async def read(steering: FakeSteering | None, request: ReadInstructionsInput = READ) -> ReadInstructionsResult:
    return await coordinator(steering).sync_scm_to_tracker(request)


@pytest.mark.parametrize(
    ("label", "added", "verb"),
    [
        (HOLD, True, "hold"),
        (HOLD, False, "release"),
        (RETEST, True, "retest"),
        (RETEST, False, None),
        ("pilotage/testing", True, "retest"),
        ("pilotage/testing", False, None),
        ("pilotage/completed", True, STATE),
        ("pilotage/env/prod", True, None),
        ("pilotage/whatever", True, None),
        ("bug", True, None),
    ],
)
def test_a_label_means_an_instruction_or_nothing(label: str, added: bool, verb: str | None) -> None:
    given = by_labels(LabelNames(), [event(1, label, added=added)], BEGUN)
    assert [(one.verb, one.id) for one in given] == ([(verb, "label-1")] if verb else [])


def test_labels_are_understood_as_the_host_and_the_repository_name_them() -> None:
    names = LabelNames(prefix="ship/", case=False)
    given = by_labels(names, [event(1, "Ship/HOLD"), event(2, "pilotage/hold")], BEGUN)
    assert [(one.verb, one.label) for one in given] == [("hold", HOLD)]


def test_our_own_labels_instruct_nothing() -> None:
    assert by_labels(LabelNames(), [event(1, "pilotage/testing", "pilotage-bot")], BEGUN) == ()


@pytest.mark.parametrize(
    ("before", "verbs"),
    [
        ([event(1, HOLD, late=-2)], ["hold"]),
        ([event(1, HOLD, late=-2), event(2, HOLD, "mallory", added=False, late=-1)], []),
        ([event(1, HOLD, late=-2), event(2, HOLD, "pilotage-bot", added=False, late=-1)], []),
        ([event(1, HOLD, "pilotage-bot", late=-2)], []),
        ([event(1, RETEST, late=-2), event(2, "pilotage/completed", late=-1)], []),
    ],
)
def test_of_what_was_instructed_before_the_attempt_only_a_hold_that_stands_counts(
    before: list[LabelEvent], verbs: list[str]
) -> None:
    assert [one.verb for one in by_labels(LabelNames(), before, BEGUN)] == verbs


@pytest.mark.parametrize(
    ("body", "verb", "reason"),
    [
        ("/pilotage hold", "hold", ""),
        ("  /pilotage   release  it is fixed \nand more", "release", "it is fixed"),
        ("/pilotage retest flaky: see #4", "retest", "flaky: see #4"),
        ("/pilotage", "", ""),
        ("/pilotage fly", "fly", ""),
    ],
)
def test_a_comment_that_begins_with_the_command_is_an_instruction(body: str, verb: str, reason: str) -> None:
    given = by_comments([remark(7, body)])
    assert [(one.id, one.verb, one.reason) for one in given] == [("comment-7", verb, reason)]


@pytest.mark.parametrize("body", ["I typed /pilotage hold", "> /pilotage hold", "/pilotagehold", "\n\nplease", ""])
def test_other_comments_instruct_nothing(body: str) -> None:
    assert by_comments([remark(7, body)]) == ()


async def test_an_instruction_counts_only_of_people_who_may_write() -> None:
    steering = FakeSteering([event(1, HOLD), event(2, HOLD, "mallory")], [remark(3, "/pilotage hold", "eve")])
    found = await read(steering)
    assert [(one.by, one.allowed, one.why_not) for one in found.instructions] == [
        ("grace", True, ""),
        ("mallory", False, NOT_WRITER),
        ("eve", False, NOT_WRITER),
    ]
    assert (found.label_cursor, found.comment_cursor, found.account) == ("1:7", "9:x", "pilotage-bot")


async def test_a_right_is_looked_up_once_in_a_while() -> None:
    steering, rights = FakeSteering([event(1, HOLD), event(2, RETEST)]), KnownRights()
    await coordinator(steering, rights).sync_scm_to_tracker(READ)
    await coordinator(steering, rights).sync_scm_to_tracker(READ)
    assert steering.asked == ["grace"]


async def test_a_right_at_one_host_is_none_at_another_that_has_a_repository_of_the_same_full_name() -> None:
    here, there, rights = FakeSteering([event(1, HOLD)]), FakeSteering([event(1, HOLD)]), KnownRights()
    await coordinator(here, rights).sync_scm_to_tracker(READ)
    await coordinator(there, rights, view=replace(WEB, name="web-elsewhere")).sync_scm_to_tracker(READ)
    assert (here.asked, there.asked) == (["grace"], ["grace"])


async def test_instructions_come_in_the_order_in_which_they_were_written_each_with_its_time() -> None:
    steering = FakeSteering(
        [event(1, HOLD, added=False, late=9), event(2, HOLD, late=12)],
        [remark(3, "/pilotage hold", late=3), remark(4, "/pilotage release", late=11)],
    )
    found = [(one.verb, one.at) for one in (await read(steering)).instructions]
    assert found == [
        (verb, BEGUN + timedelta(minutes=late))
        for verb, late in (("hold", 3), ("release", 9), ("release", 11), ("hold", 12))
    ]


async def test_an_account_that_is_gone_may_nothing() -> None:
    steering = FakeSteering([replace(event(1, HOLD), by=Person(id="", name=""))])
    assert [one.allowed for one in (await read(steering)).instructions] == [False]
    assert steering.asked == []


async def test_instructions_of_people_who_may_not_steer_keep_no_one_from_steering() -> None:
    spam = [remark(number, "/pilotage hold", "mallory") for number in range(100)]
    found = await read(FakeSteering(written=[*spam, remark(200, "/pilotage hold")]))
    assert (len(found.instructions), found.left_out) == (INSTRUCTIONS_KEPT, 101 - INSTRUCTIONS_KEPT)
    assert [one.by for one in found.instructions if one.allowed] == ["grace"]


@pytest.mark.parametrize(
    ("by", "teams", "has_teams", "allowed"),
    [
        ("grace", {}, True, False),
        ("grace", {"promote": "release"}, True, True),
        ("ada", {"promote": "release"}, True, False),
        ("mallory", {"promote": "release"}, True, False),
        ("grace", {"promote": "release"}, False, False),
    ],
)
async def test_a_comment_promotes_only_for_a_writer_of_the_team_that_the_environment_names(
    by: str, teams: dict[str, str], has_teams: bool, allowed: bool
) -> None:
    steering = FakeSteering(written=[remark(1, "/pilotage promote", by)], has_teams=has_teams)
    [instruction] = (await read(steering, replace(READ, teams=teams))).instructions
    assert instruction.allowed is allowed
    assert bool(instruction.why_not) is not allowed


async def test_a_team_that_pilotage_may_not_ask_for_keeps_no_hold_from_counting() -> None:
    written = [remark(1, "/pilotage promote"), remark(2, "/pilotage hold", "ada")]
    asked = replace(READ, teams={"promote": "release"})
    promote, hold = (await read(FakeSteering(written=written, hides_members=403), asked)).instructions
    assert (promote.allowed, hold.allowed) == (False, True)
    assert "`release`" in promote.why_not
    assert "answered 403: no member" in promote.why_not
    with pytest.raises(ProviderUnauthorized):
        await read(FakeSteering(written=written, hides_members=401), asked)


async def test_a_verb_that_is_none_is_refused_without_asking_the_host() -> None:
    steering = FakeSteering(written=[remark(1, "/pilotage abort")])
    [instruction] = (await read(steering)).instructions
    assert (instruction.allowed, steering.asked) == (False, [])


async def test_a_command_that_was_edited_is_answered_and_does_not_count() -> None:
    remarks = remark(1, "/pilotage promote"), remark(2, "Looks good")
    edited = [replace(one, edited=True) for one in remarks]
    steering = FakeSteering(written=[remark(3, "/pilotage hold", late=2)], edited=edited)
    found = (await read(steering, replace(READ, teams={"promote": "release"}))).instructions
    assert [(one.verb, one.allowed, one.why_not) for one in found] == [("promote", False, EDITED), ("hold", True, "")]


async def test_what_a_host_cannot_answer_is_shown_instead() -> None:
    assert (await read(None)).unsupported == NO_STEERING
    for has_labels, unsupported in ((True, LABELLER_UNKNOWN), (False, NO_LABELS)):
        steered = coordinator(FakeSteering([event(1, HOLD)], names_who_labels=False), has_labels=has_labels)
        found = await steered.sync_scm_to_tracker(READ)
        assert (found.instructions, found.unsupported) == ((), unsupported)


async def test_a_right_that_cannot_be_asked_for_is_no_right_and_no_refusal() -> None:
    with pytest.raises(ProviderUnauthorized):
        await read(FakeSteering([event(1, HOLD)], refuses=True))


async def test_consistency_is_reported_and_made() -> None:
    wanted = WantedLabels(state="pilotage/testing", place="pilotage/env/dev")
    coordinated = coordinator(None)
    assert not await coordinated.ensure_consistency(412, wanted, LabelsLeft())
    assert await coordinated.ensure_consistency(412, wanted, LabelsLeft())
