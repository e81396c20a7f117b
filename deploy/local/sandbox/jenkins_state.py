"""Jobs, queue and builds as the Jenkins stand-in keeps them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from deploy.local.sandbox.clock import Clock
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.outcomes import choose_outcome
from deploy.local.sandbox.replies import Json


@dataclass(kw_only=True)
class Parameter:
    """A parameter that a job declares; anything undeclared is dropped silently."""

    name: str
    default: str = ""
    choices: tuple[str, ...] = ()
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why something is built: a class of Jenkins, its short description, and the user where there is one."""

    kind: str
    description: str
    user: str = ""


def asked_by(user: str) -> Cause:
    """Return the cause of what a user has asked for."""
    return Cause(kind="hudson.model.Cause$UserIdCause", description=f"Started by user {user}", user=user)


@dataclass(kw_only=True)
class Build:
    """One build; running until `ends_at` unless stopped before."""

    number: int
    queue_id: int
    parameters: dict[str, str]
    started_at: float
    ends_at: float
    wanted_result: str
    causes: tuple[Cause, ...] = ()
    stopped_at: float | None = None

    def building(self, now: float) -> bool:
        return self.stopped_at is None and now < self.ends_at

    def ended_at(self, now: float) -> float | None:
        """Return when it ended; None while running."""
        if self.building(now):
            return None
        return self.ends_at if self.stopped_at is None else self.stopped_at

    def result(self, now: float) -> str | None:
        if self.building(now):
            return None
        return "ABORTED" if self.stopped_at is not None else self.wanted_result

    def duration_seconds(self, now: float) -> float:
        """Return how long it took; 0 while running, as Jenkins reports."""
        ended = self.ended_at(now)
        return 0.0 if ended is None else ended - self.started_at


@dataclass(kw_only=True)
class Job:
    """One buildable job; `result` is an outcome choice."""

    path: str
    parameters: dict[str, Parameter]
    result: Any = "SUCCESS"
    duration_seconds: float | None = None
    queue_seconds: float | None = None
    disabled: bool = False
    test_report: Json | None = None
    builds: dict[int, Build] = field(default_factory=dict)
    next_build: int = 1


@dataclass(kw_only=True)
class QueueItem:
    """One request to build, until five minutes after it left the queue."""

    number: int
    job: Job
    parameters: dict[str, str]
    since: float
    leaves_at: float
    causes: tuple[Cause, ...] = ()
    build: Build | None = None
    cancelled: bool = False
    left_at: float | None = None

    @property
    def waiting(self) -> bool:
        return self.build is None and not self.cancelled


@dataclass(kw_only=True)
class User:
    """A Jenkins user; a token needs no crumb, the password does."""

    name: str
    token: str
    password: str | None = None
    permissions: frozenset[str] = frozenset({"discover", "read", "build", "cancel"})


class JenkinsState:
    """All that the Jenkins stand-in remembers."""

    def __init__(self, clock: Clock, options: Options) -> None:
        self.clock = clock
        self.options = options
        self.jobs: dict[str, Job] = {}
        self.users: dict[str, User] = {}
        self.queue: dict[int, QueueItem] = {}
        self.waiting: dict[int, QueueItem] = {}
        self._left: deque[QueueItem] = deque()
        self._next_item = 1

    def load(self, seed: Mapping[str, Any]) -> None:
        """Merge a seed's `jenkins` part. Raises ValueError naming what is wrong."""
        for name, wanted in (seed.get("users") or {}).items():
            fields = {**wanted, "permissions": frozenset(wanted["permissions"])} if "permissions" in wanted else wanted
            self.users[name] = User(name=name, **fields)
        for path, wanted in (seed.get("jobs") or {}).items():
            fields = {**wanted, "parameters": _parameters(wanted.get("parameters") or [])}
            if path in self.jobs:
                for name, value in fields.items():
                    if name not in Job.__dataclass_fields__:
                        raise ValueError(f"jenkins job {path!r}: unknown field {name!r}")
                    if name in wanted:
                        setattr(self.jobs[path], name, value)
            else:
                self.jobs[path] = Job(path=path, **fields)

    def secrets(self) -> list[str]:
        return [secret for user in self.users.values() for secret in (user.token, user.password) if secret]

    def trigger(self, job: Job, parameters: dict[str, str], causes: tuple[Cause, ...]) -> tuple[QueueItem, bool]:
        """Queue a build, or return the equal item that still waits. The second value: whether it is new.

        An item that is returned again has the causes of all who asked.
        """
        self.settle()
        for item in self.waiting.values():
            if item.job is job and item.parameters == parameters:
                item.causes += causes
                return item, False
        now = self.clock.now()
        wait = self.options.jenkins_queue_seconds if job.queue_seconds is None else job.queue_seconds
        item = QueueItem(
            number=self._next_item, job=job, parameters=parameters, since=now, leaves_at=now + wait, causes=causes
        )
        self._next_item += 1
        self.queue[item.number] = self.waiting[item.number] = item
        return item, True

    def settle(self) -> None:
        """Bring the queue up to the present: start what is due, forget what left long ago."""
        now = self.clock.now()
        for item in sorted(self.waiting.values(), key=lambda item: item.leaves_at):
            if item.leaves_at <= now:
                self._start(item)
        while self._left and (self._left[0].left_at or now) + self.options.jenkins_forget_seconds <= now:
            self.queue.pop(self._left.popleft().number, None)

    def cancel(self, item: QueueItem) -> None:
        item.cancelled = True
        self._leave(item, self.clock.now())

    def listed(self, job: Job, *, limit: int | None) -> list[Build]:
        """Return builds old enough for list calls, newest first."""
        horizon = self.clock.now() - self.options.list_lag_seconds
        return list(islice((build for build in reversed(job.builds.values()) if build.started_at <= horizon), limit))

    def summary(self) -> Json:
        """Show queue and builds in brief; times are the sandbox's own, in seconds, as in the journal."""
        self.settle()
        now = self.clock.now()
        return {
            "queue": list(self.waiting),
            "jobs": {
                path: [
                    {
                        "number": build.number,
                        "queue_id": build.queue_id,
                        "parameters": build.parameters,
                        "building": build.building(now),
                        "result": build.result(now),
                        "started_at": build.started_at,
                        "ended_at": build.ended_at(now),
                    }
                    for build in job.builds.values()
                ]
                for path, job in self.jobs.items()
            },
        }

    def _start(self, item: QueueItem) -> None:
        job, started = item.job, item.leaves_at
        duration = self.options.run_seconds if job.duration_seconds is None else job.duration_seconds
        build = Build(
            number=job.next_build,
            queue_id=item.number,
            parameters=item.parameters,
            started_at=started,
            ends_at=started + duration,
            wanted_result=choose_outcome(job.result, item.parameters, "SUCCESS"),
            causes=item.causes,
        )
        job.next_build += 1
        job.builds[build.number] = build
        item.build = build
        self._leave(item, started)

    def _leave(self, item: QueueItem, moment: float) -> None:
        item.left_at = moment
        self._left.append(item)
        del self.waiting[item.number]


def _parameters(wanted: Any) -> dict[str, Parameter]:
    """Read names, or mappings `{name, default, choices, hidden}`."""
    found = [
        Parameter(name=entry)
        if isinstance(entry, str)
        else Parameter(**{**entry, "choices": tuple(entry.get("choices") or ())})
        for entry in wanted
    ]
    return {parameter.name: parameter for parameter in found}
