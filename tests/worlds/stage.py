"""A stage on which the real workflows play: time that passes only when nothing is left to do, and a Temporal of
plain function calls. What activities do, how long they take and what gets lost is the world's affair."""

import asyncio
import copy
import logging
import random
import selectors
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import Context as Variables
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Protocol
from unittest.mock import patch

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from worker.temporal.conversion import DATA_CONVERTER

START = datetime(2026, 1, 1, tzinfo=UTC)
NOT_FOUND = "ExternalWorkflowExecutionNotFound"

_playing: ContextVar["Run"] = ContextVar("run")
_quiet = logging.getLogger("journeys")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


def now() -> datetime:
    """Return the time of who calls: where time is virtual, what has passed of it."""
    loop = asyncio.get_running_loop()
    return loop.now() if isinstance(loop, VirtualTime) else datetime.now(UTC)


def playing() -> "Run":
    """Return the run whose code calls."""
    return _playing.get()


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer as soon as everything that is ready has run."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.wakes: Callable[[], bool] = bool
        """Called before the clock jumps; True = somebody has become ready."""
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self.clock

    def now(self) -> datetime:
        """Return the date and time that the clock stands for."""
        return START + timedelta(seconds=self.clock)


class _Jump(selectors.SelectSelector):
    """Wait for nothing: there is no outside."""

    def __init__(self, loop: VirtualTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            if self._loop.wakes():
                return []
            assert timeout is not None, "everybody waits and no timer is set"
            self._loop.clock += timeout
        return []


class ContinuedAsNew(BaseException):
    """Leave a run for its successor."""

    def __init__(self, start: Any) -> None:
        super().__init__()
        self.start = start


@dataclass(frozen=True)
class Info:
    """What `workflow.info()` answers."""

    run: "Run"
    workflow_id: str
    run_id: str
    start_time: datetime

    def is_continue_as_new_suggested(self) -> bool:
        return self.run.suggested

    def is_target_worker_deployment_version_changed(self) -> bool:
        return False

    def get_current_history_length(self) -> int:
        return self.run.events


class World(Protocol):
    """What surrounds the workflows."""

    def begins(self, run: "Run", name: str, request: Any) -> tuple[float, float]:
        """Return after how many seconds an activity acts, and how long its answer takes."""

    def loses_answer(self, run: "Run", name: str, request: Any) -> bool:
        """Return whether an activity, which has acted, is tried again because its answer was lost."""

    def act(self, run: "Run", name: str, request: Any) -> Any:
        """Do what an activity does; None = not done yet, look again in a moment. Raises ApplicationError."""

    def signal(self, workflow_id: str, name: str, argument: Any) -> bool:
        """Carry a signal between workflows; False when there is no such workflow."""


NOTHING = object()
"""What an activity answers that is done and returns nothing."""


class Run:
    """One run of one workflow."""

    def __init__(self, stage: "Stage", workflow_id: str, kind: type[Any], start: Any) -> None:
        self.stage, self.workflow_id, self.kind = stage, workflow_id, kind
        self.alive = True
        self.suggested = False
        self.events = 0
        self.summaries: list[str] = []
        """What it has waited for, timers and activities."""
        self.result: Any = None
        self.conditions: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.handlers: set[asyncio.Task[Any]] = set()
        self.details = ""
        now = stage.now()
        self.info = Info(self, workflow_id, f"{workflow_id}/{stage.count()}", now)
        self.random = random.Random(self.info.run_id)
        self._variables: Variables = copy_context()
        self._variables.run(_playing.set, self)
        arguments = () if start is None else (start,)
        self.workflow: Any = self._variables.run(kind, *arguments)
        self.task = stage.loop.create_task(self._play(*arguments), context=self._variables)
        stage.stirred.add(self)

    async def _play(self, *arguments: Any) -> None:
        try:
            self.result = await self.workflow.run(*arguments)
        except ContinuedAsNew as successor:
            self.end()
            self.stage.start(self.workflow_id, self.kind, copy.deepcopy(successor.start))
        except Exception as error:
            self.end()
            self.stage.errors.append(error)
            raise
        else:
            self.end()

    def end(self) -> None:
        """Have nothing that arrives later reach the workflow."""
        self.alive = False
        self.conditions.clear()
        if self.stage.runs.get(self.workflow_id) is self:
            del self.stage.runs[self.workflow_id]

    def call(self, handler: str, *arguments: Any) -> Any:
        """Call a handler as a signal, update or query would."""
        self.stage.stirred.add(self)
        return self._variables.copy().run(getattr(self.workflow, handler), *arguments)

    def handle(self, handler: str, *arguments: Any) -> Any:
        """Call a handler, which may go on next to the workflow; return what it answers or its task."""
        answer = self.call(handler, *arguments)
        if not asyncio.iscoroutine(answer):
            return answer
        task = self.stage.loop.create_task(answer, context=self._variables.copy())
        self.handlers.add(task)
        task.add_done_callback(self._handled)
        return task

    def _handled(self, task: "asyncio.Task[Any]") -> None:
        self.handlers.discard(task)
        self.stage.stirred.add(self)

    def fulfil(self) -> bool:
        """Resume what waits for a condition that holds; one that raises ends the run, whose task would fail forever."""
        try:
            met = [future for holds, future in self.conditions if not future.done() and self._variables.run(holds)]
        except Exception as error:  # noqa: BLE001 - whatever a condition raises is a workflow task's failure
            self.stage.errors.append(error)
            self.end()
            self.task.cancel()
            return False
        for future in met:
            future.set_result(None)
        return bool(met)

    def settle(self, future: "asyncio.Future[Any]", *, answer: Any = None, error: BaseException | None = None) -> None:
        """Answer something that the workflow awaits, if it still does."""
        if self.alive and not future.done():
            self.stage.stirred.add(self)
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(answer)


class Stage:
    """Hold all runs, and stand for `temporalio.workflow` while they play."""

    def __init__(self, world: World, loop: VirtualTime | None = None) -> None:
        self.world = world
        self.loop = loop or VirtualTime()
        self.loop.wakes = self._wake
        self.loop.set_exception_handler(self._note)
        self.runs: dict[str, Run] = {}
        self.stirred: set[Run] = set()
        self.errors: list[BaseException] = []
        self._count = 0

    def now(self) -> datetime:
        """Return the time; it never stands still between two runs."""
        return self.loop.now()

    def count(self) -> int:
        """Return a number that was never returned before."""
        self._count += 1
        return self._count

    def start(self, workflow_id: str, kind: type[Any], start: Any) -> Run:
        """Begin a run."""
        run = self.runs[workflow_id] = Run(self, workflow_id, kind, start)
        return run

    def _wake(self) -> bool:
        woken = False
        for run in sorted(self.stirred, key=lambda one: one.info.run_id):
            if run.fulfil():
                woken = True
            else:
                self.stirred.discard(run)
        return woken

    def _note(self, _loop: asyncio.AbstractEventLoop, problem: dict[str, Any]) -> None:
        if (error := problem.get("exception")) is not None:
            self.errors.append(error)

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Play alone on a loop of the stage's own, and leave nothing behind."""
        with self.substituted():
            try:
                yield
            finally:
                self._clear()

    @contextmanager
    def substituted(self) -> Iterator[None]:
        """Be what workflow code finds under the name of `temporalio.workflow`; end what runs when that is over."""
        names: dict[str, Any] = {
            "now": self.now,
            "info": lambda: _playing.get().info,
            "random": lambda: _playing.get().random,
            "logger": _quiet,
            "sleep": self._sleep,
            "wait_condition": self._wait_condition,
            "execute_activity_method": self._execute_activity,
            "get_external_workflow_handle": lambda workflow_id: _Handle(self, workflow_id),
            "continue_as_new": self._continue_as_new,
            "all_handlers_finished": lambda: not _playing.get().handlers,
            "payload_converter": lambda: DATA_CONVERTER.payload_converter,
            "set_current_details": lambda text: setattr(_playing.get(), "details", text),
            "upsert_search_attributes": lambda _attributes: None,
            "upsert_memo": lambda _memo: None,
        }
        with ExitStack() as stack:
            for name, substitute in names.items():
                stack.enter_context(patch.object(workflow, name, substitute))
            try:
                yield
            finally:
                self.loop.wakes = bool
                for run in tuple(self.runs.values()):
                    run.end()

    def _clear(self) -> None:
        self.loop.set_exception_handler(lambda _loop, _problem: None)
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        self.loop.close()

    async def _sleep(self, duration: timedelta | float, *, summary: str = "") -> None:
        assert summary, "a timer states what it is for"
        run, future = _playing.get(), self.loop.create_future()
        run.summaries.append(summary)
        self.loop.call_later(_seconds(duration), run.settle, future)
        await future

    async def _wait_condition(
        self,
        holds: Callable[[], bool],
        *,
        timeout: timedelta | float | None = None,  # noqa: ASYNC109 - the signature is the SDK's
        timeout_summary: str | None = None,
    ) -> None:
        run, future = _playing.get(), self.loop.create_future()
        entry = (holds, future)
        run.conditions.append(entry)
        self.stirred.add(run)
        timer = None
        if timeout is not None:
            assert timeout_summary, "a timer states what it is for"
            run.summaries.append(timeout_summary)
            timer = self.loop.call_later(_seconds(timeout), lambda: run.settle(future, error=TimeoutError()))
        try:
            await future
        finally:
            if entry in run.conditions:
                run.conditions.remove(entry)
            if timer is not None:
                timer.cancel()

    async def _execute_activity(self, method: Callable[..., Any], request: Any, **_config: Any) -> Any:
        run, name, future = _playing.get(), method.__name__, self.loop.create_future()
        if run.alive:
            before, after = self.world.begins(run, name, request)
            self.loop.call_later(before, self._act, run, name, request, future, after)
        try:
            answer = await future
        except asyncio.CancelledError:
            raise failed_activity(name, CancelledError("Cancelled")) from None
        return None if answer is NOTHING else answer

    def _act(self, run: Run, name: str, request: Any, future: "asyncio.Future[Any]", after: float) -> None:
        if future.done():
            return
        answer, error = None, None
        try:
            answer = self.world.act(run, name, request)
        except ApplicationError as refusal:
            error = failed_activity(name, refusal)
        if error is None and (answer is None or self.world.loses_answer(run, name, request)):
            # An activity of a workflow that is gone is not tried again.
            if run.alive:
                self.loop.call_later(1.0, self._act, run, name, request, future, after)
            return
        self.loop.call_later(after, lambda: run.settle(future, answer=answer, error=error))

    def _continue_as_new(self, start: Any, **_config: Any) -> NoReturn:
        raise ContinuedAsNew(start)


class _Handle:
    """Another workflow, as a workflow signals it."""

    def __init__(self, stage: Stage, workflow_id: str) -> None:
        self._stage, self._workflow_id = stage, workflow_id

    async def signal(self, name: str, argument: Any) -> None:
        run, future = _playing.get(), self._stage.loop.create_future()
        before, after = self._stage.world.begins(run, "signal", argument)

        def deliver() -> None:
            found = self._stage.world.signal(self._workflow_id, name, argument)
            error = None if found else ApplicationError("no such workflow", type=NOT_FOUND)
            self._stage.loop.call_later(after, lambda: run.settle(future, error=error))

        self._stage.loop.call_later(before, deliver)
        await future


def failed_activity(name: str, cause: BaseException) -> ActivityError:
    """Return what a workflow sees of an activity that failed."""
    failure = ActivityError(
        "activity failed",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=name,
        activity_id="",
        retry_state=None,
    )
    failure.__cause__ = cause
    return failure


def _seconds(duration: timedelta | float) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration
