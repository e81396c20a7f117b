"""What stands for a Temporal server: real workflows and a world's coroutines, in this process and in virtual time.

For stories whose claim is what a workflow decides. What only a server can show (histories and replays, how long a
history may grow, workers that come and go) is shown with one. Each value crosses the data converter as it would on its
way to a server, activities are retried as their policies set it, and whatever waits costs nothing: the clock jumps.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeAlias, cast, get_type_hints

from temporalio import workflow
from temporalio.api.failure.v1 import Failure as WireFailure
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
)
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError, FailureError, TimeoutType
from temporalio.exceptions import TimeoutError as TimedOut
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.workflow import ActivityCancellationType

from tests.worlds.serving import Activity, serving
from tests.worlds.stage import ContinuedAsNew, Run, Stage, VirtualTime, failed_activity, playing
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner

LATENCY_SECONDS = 0.002
"""What each hand-over takes: something happens between any two steps."""
CONVERTER = DATA_CONVERTER.payload_converter
EVENTS_OF_AN_ACTIVITY = 6
"""With the workflow task that it ends in. Only how long a history seems is counted, not what would stand in it."""
DEFAULT_RETRIES = RetryPolicy()


Server: TypeAlias = "str | Played"
"""The address of a server, or what stands for one."""


async def connected(server: Server) -> Client:
    """Return a client of a server."""
    return await Client.connect(server, data_converter=DATA_CONVERTER) if isinstance(server, str) else server.client


@asynccontextmanager
async def served(
    server: Server, client: Client, installation: str, workflows: list[type], activities: Mapping[str, list[Activity]]
) -> AsyncIterator[None]:
    """Serve workflows and activities, by workers where there is a server."""
    if isinstance(server, str):
        async with serving(client, installation, workflows, activities, workflow_runner()):
            yield
    else:
        with server.serving(workflows, activities):
            yield


@dataclass
class Execution:
    """All runs of one workflow id, from its start to its end."""

    run: Run
    result: "asyncio.Future[Any]"
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.RUNNING
    updates: "dict[str, asyncio.Future[Any]]" = field(default_factory=dict)


class Played(Stage):
    """Plays the activities that it is given, on the event loop of the test."""

    def __init__(self, loop: VirtualTime) -> None:
        super().__init__(world=_NoOne(), loop=loop)
        self.executions: dict[str, Execution] = {}
        self._activities: dict[str, Activity] = {}
        self._kinds: dict[str, type[Any]] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    @property
    def client(self) -> Client:
        """What stands for a client of the server."""
        return cast(Client, _PlayedClient(self))

    @contextmanager
    def serving(self, workflows: list[type], activities: Mapping[str, list[Activity]]) -> Iterator[None]:
        """Serve workflows and the activities of all queues; what is left running ends with it."""
        self._kinds |= {_definition(kind).name or "": kind for kind in workflows}
        self._activities |= {_name(one): one for some in activities.values() for one in some}
        with self.substituted():
            try:
                yield
            finally:
                # Whatever a test misses then, this is why.
                if self.errors:
                    raise self.errors[0]

    def begin(self, workflow_id: str, kind: type[Any], start: Any) -> Execution:
        """Start a workflow, or find the one that runs under its id."""
        known = self.executions.get(workflow_id)
        if known is None or known.result.done():
            run = self.start(workflow_id, kind, start and converted(start, *_definition(kind).arg_types))
            known = self.executions[workflow_id] = Execution(run=run, result=self.loop.create_future())
        return known

    def start(self, workflow_id: str, kind: type[Any], start: Any) -> Run:
        """Begin a run, which may follow another one."""
        run = super().start(workflow_id, kind, start)
        if (known := self.executions.get(workflow_id)) is not None and not known.result.done():
            known.run = run
        run.task.add_done_callback(lambda task: self._ended(workflow_id, run, task))
        return run

    def summaries(self, workflow_id: str) -> list[str]:
        """Return what the run that goes on has waited for so far, timers and activities."""
        return self.execution(workflow_id).run.summaries

    def terminate(self, workflow_id: str) -> None:
        """End a workflow where it stands."""
        execution = self.execution(workflow_id)
        execution.run.end()
        execution.status = WorkflowExecutionStatus.TERMINATED
        execution.result.cancel()

    def kind(self, named: Any) -> type[Any]:
        """Return the workflow that a name, a class or its run method stands for."""
        if isinstance(named, str):
            return self._kinds[named]
        return workflow._Definition.must_from_run_fn(named).cls

    def known(self, workflow_id: str) -> Execution:
        """Return what runs or ran under an id. Raises the server's error where nothing did."""
        if workflow_id not in self.executions:
            raise RPCError("workflow not found", RPCStatusCode.NOT_FOUND, b"")
        return self.executions[workflow_id]

    def execution(self, workflow_id: str) -> Execution:
        """Return what runs under an id. Raises the server's error where nothing does."""
        known = self.known(workflow_id)
        if known.result.done():
            raise RPCError("workflow execution already completed", RPCStatusCode.NOT_FOUND, b"")
        return known

    def deliver(self, workflow_id: str, name: str, *arguments: Any) -> None:
        """Hand a signal to a workflow. Raises the server's error where there is none."""
        run = self.execution(workflow_id).run
        run.events += 1
        signal = _definition(run.kind).signals[name]
        values = [converted(one, hint) for one, hint in zip(arguments, signal.arg_types or (), strict=True)]
        run.handle(signal.fn.__name__, *values)

    def _ended(self, workflow_id: str, run: Run, task: "asyncio.Task[None]") -> None:
        execution = self.executions.get(workflow_id)
        if execution is None or execution.run is not run or execution.result.done():
            return
        if not task.cancelled() and task.exception() is None:
            execution.status = WorkflowExecutionStatus.COMPLETED
            execution.result.set_result(converted(run.result, _definition(run.kind).ret_type))

    def _continue_as_new(self, start: Any, **_config: Any) -> Any:
        raise ContinuedAsNew(converted(start, type(start)))

    async def _execute_activity(self, method: Callable[..., Any], request: Any, **config: Any) -> Any:
        name = method.__name__
        answered = self.loop.create_future()
        run, activity = playing(), ActivityEnvironment()
        run.events += EVENTS_OF_AN_ACTIVITY
        run.summaries.append(config.get("summary") or "")
        attempts = _Attempts(self, run, self._activities[name], converted(request, type(request)), config, activity)
        # A context of its own: what an activity calls is no workflow's code.
        task = self.loop.create_task(attempts.settle(answered), context=Context())
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        try:
            answer = await answered
        except asyncio.CancelledError:
            self.stirred.add(run)
            if config.get("heartbeat_timeout") is not None:
                activity.cancel()
            if config.get("cancellation_type") is ActivityCancellationType.WAIT_CANCELLATION_COMPLETED:
                while not task.done():
                    # To cancel what is being cancelled already changes nothing.
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([task])
                self.stirred.add(run)
            cancelled = CancelledError("Cancelled")
            raise failed_activity(name, cancelled) from cancelled
        if isinstance(answer, BaseException):
            raise failed_activity(name, answer)
        return answer


@dataclass
class _Attempts:
    """The attempts of one activity, until one ends it."""

    played: Played
    run: Run
    function: Activity
    request: Any
    config: dict[str, Any]
    activity: ActivityEnvironment

    async def settle(self, answered: "asyncio.Future[Any]") -> None:
        """Answer with a result, or with what the last attempt failed of."""
        try:
            answer = await self._last()
        except asyncio.CancelledError:
            return
        await asyncio.sleep(LATENCY_SECONDS)
        self.run.settle(answered, answer=answer)

    async def _last(self) -> Any:
        loop = self.played.loop
        policy = self.config.get("retry_policy") or DEFAULT_RETRIES
        limit = self.config.get("schedule_to_close_timeout")
        until = loop.time() + limit.total_seconds() if limit is not None else float("inf")
        pause, attempt, failure = policy.initial_interval, 0, None
        while True:
            attempt += 1
            self.activity.info = replace(
                self.activity.info,
                attempt=attempt,
                workflow_id=self.run.workflow_id,
                workflow_run_id=self.run.info.run_id,
                activity_type=_name(self.function),
                retry_policy=policy,
                start_to_close_timeout=self.config.get("start_to_close_timeout"),
                schedule_to_close_timeout=limit,
                heartbeat_timeout=self.config.get("heartbeat_timeout"),
            )
            await asyncio.sleep(LATENCY_SECONDS)
            outcome = await self._attempt(until, failure)
            if not isinstance(outcome, FailureError):
                return outcome
            failure = outcome
            if isinstance(failure, ApplicationError):
                if failure.non_retryable or failure.type in (policy.non_retryable_error_types or ()):
                    return failure
            elif isinstance(failure, TimedOut) and failure.type is TimeoutType.SCHEDULE_TO_CLOSE:
                return failure
            delay = getattr(failure, "next_retry_delay", None) or pause
            if attempt == policy.maximum_attempts or loop.time() + delay.total_seconds() >= until:
                return failure
            pause = min(pause * policy.backoff_coefficient, policy.maximum_interval or pause * 100)
            await asyncio.sleep(delay.total_seconds())
            if not self.run.alive:
                raise asyncio.CancelledError

    async def _attempt(self, until: float, before: FailureError | None) -> Any:
        lasts: timedelta | None = self.config.get("start_to_close_timeout")
        left = until - self.played.loop.time()
        seconds = min(left, lasts.total_seconds() if lasts is not None else left)
        timer = asyncio.timeout(seconds if seconds < float("inf") else None)
        try:
            async with timer:
                result = await self.activity.run(self.function, self.request)
        except TimeoutError as error:
            if not timer.expired():
                return _crossed(error)
            kind = TimeoutType.START_TO_CLOSE if seconds < left else TimeoutType.SCHEDULE_TO_CLOSE
            timed_out = TimedOut(f"activity {kind.name} timeout", type=kind, last_heartbeat_details=[])
            timed_out.__cause__ = before
            return timed_out
        except Exception as error:  # noqa: BLE001 - whatever an activity raises is its failure
            return _crossed(error)
        return converted(result, _hints(self.function).get("return"))


class _PlayedClient:
    """The calls of a client that stories use."""

    def __init__(self, played: Played) -> None:
        self._played = played

    async def start_workflow(self, kind: Any, start: Any = None, *, id: str, **options: Any) -> "_PlayedHandle":  # noqa: A002 - the SDK's name
        self._played.begin(id, self._played.kind(kind), start)
        if (signal := options.get("start_signal")) is not None:
            self._played.deliver(id, signal, *options.get("start_signal_args", ()))
        await asyncio.sleep(LATENCY_SECONDS)
        return _PlayedHandle(self._played, id)

    async def execute_update_with_start_workflow(
        self,
        name: str,
        argument: Any,
        *,
        start_workflow_operation: WithStartWorkflowOperation[Any, Any],
        **_options: Any,
    ) -> Any:
        start = start_workflow_operation._start_workflow_input
        handle = await self.start_workflow(start.workflow, *start.args, id=start.id)
        return await handle.execute_update(name, argument, id=f"update-{self._played.count()}")

    def get_workflow_handle(self, workflow_id: str) -> "_PlayedHandle":
        return _PlayedHandle(self._played, workflow_id)

    def get_workflow_handle_for(self, _kind: Any, workflow_id: str) -> "_PlayedHandle":
        return _PlayedHandle(self._played, workflow_id)


@dataclass(frozen=True)
class _PlayedHandle:
    """One workflow, as a client sees it."""

    played: Played
    id: str

    async def signal(self, named: Any, argument: Any = None, *, args: Any = (), **_options: Any) -> None:
        name = workflow._SignalDefinition.must_name_from_fn_or_str(named)
        self.played.deliver(self.id, name, *(args or ([] if argument is None else [argument])))
        await asyncio.sleep(LATENCY_SECONDS)

    async def execute_update(self, name: str, argument: Any, *, id: str, **_options: Any) -> Any:  # noqa: A002 - the SDK's name
        execution = self.played.execution(self.id)
        await asyncio.sleep(LATENCY_SECONDS)
        if id not in execution.updates:
            run, update = execution.run, _definition(execution.run.kind).updates[name]
            value = converted(argument, *(update.arg_types or ()))
            try:
                if update.validator is not None:
                    run.call(update.validator.__name__, value)
                answer = run.handle(update.fn.__name__, value)
            except FailureError as refusal:
                raise WorkflowUpdateFailedError(_crossed(refusal)) from refusal
            execution.updates[id] = asyncio.ensure_future(_completed(answer, update.ret_type))
        return await asyncio.shield(execution.updates[id])

    async def query(self, named: Any, *, result_type: Any = None, **_options: Any) -> Any:
        run = self.played.known(self.id).run
        queries = _definition(run.kind).queries
        query = next(one for one in queries.values() if named in (one.name, one.fn))
        return converted(run.call(query.fn.__name__), result_type or query.ret_type)

    async def describe(self) -> SimpleNamespace:
        execution = self.played.known(self.id)
        run = execution.run
        return SimpleNamespace(run_id=run.info.run_id, status=execution.status, history_length=run.events)

    async def result(self) -> Any:
        return await asyncio.shield(self.played.known(self.id).result)

    async def terminate(self, _reason: str = "") -> None:
        self.played.terminate(self.id)


class _NoOne:
    """Activities and signals are the stage's own here."""

    def begins(self, _run: Run, _name: str, _request: Any) -> tuple[float, float]:
        return LATENCY_SECONDS, LATENCY_SECONDS

    def loses_answer(self, _run: Run, _name: str, _request: Any) -> bool:
        return False

    def act(self, _run: Run, name: str, _request: Any) -> Any:
        raise AssertionError(f"{name} is played as a coroutine")

    def signal(self, workflow_id: str, name: str, argument: Any) -> bool:
        try:
            playing().stage.deliver(workflow_id, name, argument)  # type: ignore[attr-defined]
        except RPCError:
            return False
        return True


def converted(value: Any, *hints: Any) -> Any:
    """Return what the receiver reads of a value that was sent."""
    [payload] = CONVERTER.to_payloads([value])
    return CONVERTER.from_payloads([payload], list(hints) if hints and hints[0] is not None else None)[0]


def _crossed(error: Exception) -> FailureError:
    """Return a failure as the workflow reads it."""
    wire = WireFailure()
    DATA_CONVERTER.failure_converter.to_failure(error, CONVERTER, wire)
    return cast(FailureError, DATA_CONVERTER.failure_converter.from_failure(wire, CONVERTER))


async def _completed(answer: Any, hint: Any) -> Any:
    return converted(await answer if asyncio.iscoroutine(answer) or asyncio.isfuture(answer) else answer, hint)


def _definition(kind: type[Any]) -> Any:
    return workflow._Definition.must_from_class(kind)


def _name(function: Activity) -> str:
    return str(getattr(function, "__temporal_activity_definition").name)


@cache
def _hints_of(function: Activity) -> dict[str, Any]:
    return get_type_hints(function)


def _hints(function: Activity) -> dict[str, Any]:
    return _hints_of(getattr(function, "__func__", function))
