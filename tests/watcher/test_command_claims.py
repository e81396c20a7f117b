"""Several watchers, held up, killed and cut off at any point, give a command one answer, and it is the true one."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from activities.models.promotion import Command, CommandAnswer
from activities.models.tracking import TrackerRef
from crds.api.ports import ApiResource, ApiUnavailable, Document
from crds.api.reflector import Key, ObjectChange
from tests.watcher.fakes import (
    NOW,
    FakeKubernetes,
    FakePromotions,
    command_document,
    running_status,
    tracker_document,
    until,
)
from worker.temporal.outcomes import WorkflowState, WorkflowsUnavailable
from worker.watcher.claims import CLAIM_LIMIT, Claim, next_claim, read_claim
from worker.watcher.commands import COMMANDS, CommandExecutor
from worker.watcher.entries import CommandEntry, read_command
from worker.watcher.trackers import TRACKERS

RUNNING = TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=1)
WATCHERS = 3


class Chance:
    """Decide which of the calls at hand goes on, which is held up for long, and what befalls it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.waiting: list[asyncio.Future[None]] = []
        self.held_up: list[asyncio.Future[None]] = []

    async def step(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn

    def is_lost(self) -> bool:
        return self.random.random() < 0.1

    def go_on(self) -> None:
        self.waiting = [turn for turn in self.waiting if not turn.done()]
        self.held_up = [turn for turn in self.held_up if not turn.done()]
        if self.held_up and self.random.random() < 0.03:
            self.waiting.append(self.held_up.pop(0))
        if self.waiting:
            turn = self.waiting.pop(self.random.randrange(len(self.waiting)))
            if self.random.random() < 0.25:
                self.held_up.append(turn)
            else:
                turn.set_result(None)


class SlowKubernetes(FakeKubernetes):
    """Each call waits for its turn; replies may be lost."""

    def __init__(self, chance: Chance) -> None:
        super().__init__()
        self.chance = chance
        self.writing = False

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        if self.writing:
            return await super().get(resource, namespace, name)
        await self.chance.step()
        found = await super().get(resource, namespace, name)
        await self.chance.step()
        return found

    async def apply(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        document: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Document:
        await self.chance.step()
        self.writing = True
        try:
            written = await super().apply(
                resource, namespace, name, document, field_manager=field_manager, force=force, subresource=subresource
            )
        finally:
            self.writing = False
        await self.chance.step()
        if self.chance.is_lost():
            raise ApiUnavailable("the reply was lost")
        return written


class Workflow(FakePromotions):
    """A workflow that refuses without keeping it, as a validator does, and whose mind changes with its state."""

    def __init__(self, chance: Chance) -> None:
        super().__init__()
        self.chance = chance
        self.states[RUNNING] = WorkflowState.RUNNING
        self.kept: dict[str, CommandAnswer] = {}
        self.executed: list[str] = []

    async def execute(self, attempt: TrackerRef, verb: str, command: Command) -> CommandAnswer | None:
        await self.chance.step()
        answer = self._answer(command)
        await self.chance.step()
        if self.chance.is_lost():
            raise WorkflowsUnavailable("the reply was lost")
        return answer

    def _answer(self, command: Command) -> CommandAnswer:
        if command.request_id in self.kept:
            return self.kept[command.request_id]
        if self.chance.random.random() < 0.5:
            answer = CommandAnswer(accepted=False, message="it does not fit")
            if command.keep_refusal:
                self.kept[command.request_id] = answer
            return answer
        self.executed.append(command.request_id)
        return self.kept.setdefault(command.request_id, CommandAnswer(accepted=True, message="taken"))


class Story:
    """Three watchers and one command."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed)
        self.kubernetes = SlowKubernetes(self.chance)
        self.workflow = Workflow(self.chance)
        self.kubernetes.put(TRACKERS, tracker_document(status=running_status()))
        document = command_document("promote")
        self.kubernetes.put(COMMANDS, document)
        self.key = Key("shop", document["metadata"]["name"])
        self.entry = read_command(document)
        self.now = NOW
        self.recorded: list[bool] = []
        self.watchers = [self._watcher() for _ in range(WATCHERS)]
        self.tries: list[asyncio.Task[timedelta | None] | None] = [None] * WATCHERS

    def _watcher(self) -> CommandExecutor:
        return CommandExecutor(
            kubernetes=self.kubernetes,
            promotions=self.workflow,
            find=lambda key: self.entry,
            clock=lambda: self.now,
        )

    @property
    def status(self) -> Document:
        status: Document = self.kubernetes.objects[COMMANDS.plural, *self.key].get("status", {})
        return status

    async def play(self) -> None:
        for _ in range(150):
            number = self.chance.random.randrange(WATCHERS)
            task = self.tries[number]
            if task is None or task.done():
                self.tries[number] = asyncio.create_task(self.watchers[number].execute(self.key))
            elif self.chance.random.random() < 0.01:
                task.cancel()
                # A watcher that was killed and started again is another one.
                self.watchers[number] = self._watcher()
            if self.chance.random.random() < 0.1:
                self.now += CLAIM_LIMIT * self.chance.random.random() * 2
            await self._breathe()
            if "accepted" in self.status:
                self.recorded.append(self.status["accepted"])
        # Those that were held up wake at last.
        while any(task is not None and not task.done() for task in self.tries):
            await self._breathe()
        await asyncio.gather(*(task for task in self.tries if task is not None), return_exceptions=True)
        if "accepted" in self.status:
            self.recorded.append(self.status["accepted"])

    async def _breathe(self) -> None:
        self.chance.go_on()
        for _ in range(4):
            await asyncio.sleep(0)


@pytest.mark.parametrize("first", range(0, 400, 40))
async def test_the_record_shows_what_the_workflow_did_whichever_watcher_is_held_up_or_dies(first: int) -> None:
    answered = set()
    for seed in range(first, first + 40):
        story = Story(seed)
        await story.play()
        assert len(story.workflow.executed) <= 1, seed
        if story.recorded:
            # One answer stands from the first time that anybody can read it.
            assert set(story.recorded) == {bool(story.workflow.executed)}, seed
            answered.update(story.recorded)
    assert answered == {True, False}


class Refusing(FakePromotions):
    """Refuse the first, and accept whatever comes after."""

    def __init__(self) -> None:
        super().__init__()
        self.states[RUNNING] = WorkflowState.RUNNING
        self.executed: list[str] = []
        self.sent = 0

    async def execute(self, attempt: TrackerRef, verb: str, command: Command) -> CommandAnswer | None:
        self.sent += 1
        if self.sent == 1:
            return CommandAnswer(accepted=False, message="promote needs ReadyToPromote, but the tracker is Testing")
        self.executed.append(command.request_id)
        return CommandAnswer(accepted=True, message="taken")


async def test_a_watcher_leaves_alone_what_another_one_has_claimed() -> None:
    kubernetes, workflow, now = FakeKubernetes(), Refusing(), NOW
    kubernetes.put(TRACKERS, tracker_document(status=running_status()))
    document = command_document("promote")
    kubernetes.put(COMMANDS, document)
    entry, key = read_command(document), Key("shop", document["metadata"]["name"])

    def watcher() -> CommandExecutor:
        return CommandExecutor(kubernetes=kubernetes, promotions=workflow, find=lambda key: entry, clock=lambda: now)

    await asyncio.gather(watcher().execute(key), watcher().execute(key))
    status = kubernetes.objects[COMMANDS.plural, "shop", key.name]["status"]
    assert (status["accepted"], workflow.sent, workflow.executed) == (False, 1, [])


@pytest.mark.parametrize("claims", [0, 1, 2**63 - 1])
def test_a_claim_that_others_wrote_can_be_taken_over_however_they_counted(claims: int) -> None:
    forged = {"status": {"claimedBy": "mallory", "claimedAt": "0001-01-01T00:00:00Z", "claims": claims}}
    claim = next_claim(read_claim(forged), "us", NOW, 1)
    assert isinstance(claim, Claim)
    assert (claim.by, claim.taken_over, claim.count < 2**31) == ("us", True, True)


async def test_a_claim_is_waited_for_to_its_end_and_then_taken_over() -> None:
    kubernetes, workflow, at = FakeKubernetes(), FakePromotions(), [NOW]
    kubernetes.put(TRACKERS, tracker_document(status=running_status()))
    document = command_document("promote")
    kubernetes.put(COMMANDS, document)
    entry, key = read_command(document), Key("shop", document["metadata"]["name"])
    dying, other = (
        CommandExecutor(kubernetes=kubernetes, promotions=workflow, find=lambda key: entry, clock=lambda: at[0])
        for _ in range(2)
    )
    workflow.away = True
    with pytest.raises(ConnectionError):
        await dying.execute(key)
    workflow.away = False
    workflow.states[RUNNING] = WorkflowState.RUNNING
    assert await other.execute(key) == CLAIM_LIMIT
    assert workflow.commands == []
    at[0] += CLAIM_LIMIT
    assert await other.execute(key) is None
    ((_, _, command),) = workflow.commands
    assert command.keep_refusal is True
    status = kubernetes.objects[COMMANDS.plural, "shop", key.name]["status"]
    assert (status["accepted"], status["claims"]) == (True, 2)


class Cluster:
    """One watcher, its queue at work, and commands as the mirror reports them."""

    def __init__(self, workflow: FakePromotions) -> None:
        self.kubernetes = FakeKubernetes()
        self.workflow = workflow
        self.entries: dict[Key, CommandEntry] = {}
        self.watcher = CommandExecutor(kubernetes=self.kubernetes, promotions=workflow, find=self.entries.get)

    def track(self, number: int) -> TrackerRef:
        document = tracker_document(number=number, uid=f"uid-{number}", status=running_status())
        self.kubernetes.put(TRACKERS, document)
        attempt = TrackerRef(namespace="shop", name=f"web-{number}", uid=f"uid-{number}", attempt=1)
        self.workflow.states[attempt] = WorkflowState.RUNNING
        return attempt

    def command(self, verb: str, number: int, *, uid: str, created: datetime = NOW) -> Key:
        document = command_document(verb, uid=uid, created=created.isoformat())
        document["spec"]["trackerRef"] = {"name": f"web-{number}"}
        self.kubernetes.put(COMMANDS, document)
        key = Key("shop", document["metadata"]["name"])
        self.entries[key] = read_command(document)
        return key

    def follow(self, key: Key) -> None:
        self.watcher.follow(ObjectChange(key=key, old=None, new=self.entries[key]))

    def is_answered(self, key: Key) -> bool:
        return "accepted" in self.kubernetes.objects[COMMANDS.plural, *key].get("status", {})

    async def serve(self, done: Callable[[], bool]) -> None:
        queue = asyncio.create_task(self.watcher.queue.run())
        try:
            await until(done)
        finally:
            queue.cancel()
            await asyncio.gather(queue, return_exceptions=True)


class Mute(FakePromotions):
    """Workflows of some trackers never answer."""

    def __init__(self) -> None:
        super().__init__()
        self.mute: set[str] = set()
        self.asked: list[str] = []

    async def execute(self, attempt: TrackerRef, verb: str, command: Command) -> CommandAnswer | None:
        self.asked.append(attempt.name)
        if attempt.name in self.mute:
            await asyncio.Event().wait()
        return await super().execute(attempt, verb, command)


async def test_no_command_waits_in_line_behind_another_tracker_s() -> None:
    workflow = Mute()
    cluster = Cluster(workflow)
    for number in range(1, 101):
        workflow.mute.add(cluster.track(number).name)
        for count in range(3):
            cluster.follow(cluster.command("retest", number, uid=f"{number}-{count}"))
    cluster.track(412)
    key = cluster.command("hold", 412, uid="mine")
    cluster.follow(key)
    await cluster.serve(lambda: cluster.is_answered(key) and len(workflow.asked) == 101)
    # Behind the first command of a mute workflow its others are not even tried.
    assert sorted(workflow.asked) == sorted([*workflow.mute, "web-412"])


async def test_commands_for_one_tracker_are_carried_out_in_the_order_of_their_creation() -> None:
    cluster = Cluster(FakePromotions())
    cluster.track(412)
    second = timedelta(seconds=1)
    hold = cluster.command("hold", 412, uid="z", created=NOW)
    release = cluster.command("release", 412, uid="a", created=NOW + second)
    # Both within one second: the order in which the API server took them counts.
    again = cluster.command("hold", 412, uid="y", created=NOW + 2 * second)
    last = cluster.command("release", 412, uid="b", created=NOW + 2 * second)
    for key in (last, again, release, hold):
        cluster.follow(key)
    await cluster.serve(lambda: cluster.is_answered(last))
    assert [command.request_id for _, _, command in cluster.workflow.commands] == ["z", "a", "y", "b"]


async def test_a_command_that_is_deleted_lets_the_next_one_go_on() -> None:
    workflow = Mute()
    cluster = Cluster(workflow)
    cluster.track(412)
    workflow.states.clear()
    cluster.kubernetes.put(TRACKERS, tracker_document(number=412, uid="uid-412"))
    first = cluster.command("hold", 412, uid="a")
    second = cluster.command("abort", 412, uid="b", created=NOW + timedelta(seconds=1))
    cluster.follow(first)
    cluster.follow(second)
    await cluster.serve(lambda: workflow.asked == ["web-412"])
    del cluster.kubernetes.objects[COMMANDS.plural, *first]
    gone = cluster.entries.pop(first)
    cluster.watcher.follow(ObjectChange(key=first, old=gone, new=None))
    workflow.states[TrackerRef(namespace="shop", name="web-412", uid="uid-412", attempt=1)] = WorkflowState.RUNNING
    await cluster.serve(lambda: cluster.is_answered(second))
    assert [verb for _, verb, _ in workflow.commands] == ["abort"]
