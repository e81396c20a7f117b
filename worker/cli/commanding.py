"""Create PromotionCommands and await their answers."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from crds.api.ports import ApiError, ApiUnavailable, Document, resource_of
from crds.group import API_VERSION, GROUP
from crds.v1alpha1.promotion_command import PromotionCommand
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from worker.cli.exits import CliError, ExitCode
from worker.cli.naming import object_name
from worker.cli.session import Session, for_people, parse
from worker.cli.trackers import command_environment, lost
from worker.cli.values import short

POLL_INITIAL_SECONDS = 0.2
POLL_MAXIMUM_SECONDS = 2.0
# Thousands may be lost at once, and the API server serves others too.
CALLS_AT_ONCE = 20
# Room for the suffix that the API server adds to generateName.
GENERATE_NAME_LENGTH = 50

Turn = AbstractAsyncContextManager[None]
NO_LIMIT: Turn = nullcontext()


@dataclass(frozen=True, kw_only=True)
class CommandRequest:
    """What a person asks for."""

    verb: str
    reason: str | None = None
    environment: str | None = None
    revision: str | None = None
    duration: str | None = None
    """How long an environment is held."""
    hold: str | None = None
    """Id of the environment hold that is released."""
    dry_run: bool = False
    """Whether the API server only judges whether it may be given."""


@dataclass(frozen=True, kw_only=True)
class CommandOutcome:
    """A command as it stands, as text and exit code."""

    document: Document
    """The command; a Kubernetes `Status` where there is none to show."""
    code: ExitCode
    text: str
    advice: str = ""


async def send(
    session: Session, name: str, request: CommandRequest, *, timeout_seconds: float | None, turn: Turn = NO_LIMIT
) -> CommandOutcome:
    """Create the command for one tracker and wait for its answer; None waits for nothing."""
    async with turn:
        created = await _create(session, name, request)
    return await _answered(session, created, request, timeout_seconds, turn)


async def _answered(
    session: Session, created: Document, request: CommandRequest, timeout_seconds: float | None, turn: Turn
) -> CommandOutcome:
    if request.dry_run:
        return _judged(created)
    if timeout_seconds is None:
        command = created["metadata"]["name"]
        return CommandOutcome(document=created, code=ExitCode.OK, text=f"promotioncommand/{command} created")
    answer = await _await_answer(session, created, timeout_seconds, turn)
    return _answer_of(answer, timeout_seconds, session)


async def send_to_all(
    session: Session, names: Sequence[str], request: CommandRequest, *, timeout_seconds: float | None
) -> list[CommandOutcome]:
    """Create the same command for several trackers; each has its own answer, an error too, and hides no other's."""
    if len(names) == 1:
        return [await send(session, names[0], request, timeout_seconds=timeout_seconds)]
    # Only calls take turns, not waits: where no answer comes, the last one has waited no longer than the first.
    turn = asyncio.Semaphore(CALLS_AT_ONCE)

    async def send_one(name: str) -> CommandOutcome:
        try:
            return await send(session, name, request, timeout_seconds=timeout_seconds, turn=turn)
        except ApiError as error:
            return _failed(name, request, for_people(error, session.target))
        except CliError as error:
            return _failed(name, request, error)

    return list(await asyncio.gather(*(send_one(name) for name in names)))


async def send_to_place(session: Session, request: CommandRequest, *, timeout_seconds: float | None) -> CommandOutcome:
    """Create the command for an environment itself and wait for its answer; None waits for nothing."""
    environment = object_name(request.environment or "", "penv", "environment", "environments")
    spec = {
        "verb": request.verb,
        "environment": environment,
        "duration": request.duration,
        "hold": request.hold,
        "requestedBy": await session.user_name(),
        "reason": request.reason,
    }
    created = await _post(session, f"{request.verb}-{environment}", spec, request)
    return await _answered(session, created, request, timeout_seconds, NO_LIMIT)


async def lost_trackers(session: Session) -> list[str]:
    """Name the trackers whose workflow is gone."""
    trackers = [parse(PullRequestTracker, document) for document in await session.documents(PullRequestTracker)]
    return [tracker.metadata.name for tracker in trackers if lost(tracker)]


async def _create(session: Session, name: str, request: CommandRequest) -> Document:
    tracker = await session.read(PullRequestTracker, name)
    requested_by = await session.user_name()
    # A restart is asked for where the tracker begins, and so is everything for an attempt that no status is of
    # yet: hop and revision of the one before are past. Everything else is for the hop at hand.
    hop_known = request.verb != "restart" and tracker.status.attempt in (None, tracker.spec.attempt)
    hop = tracker.status.hop if hop_known else None
    spec = {
        "trackerRef": {"name": name},
        "verb": request.verb,
        "environment": request.environment or (command_environment(tracker) if hop_known else tracker.spec.environment),
        "revision": request.revision or (tracker.status.revision if hop_known else None),
        "targetRevisions": hop.diverged if hop is not None and request.verb == "promote" else None,
        "requestedBy": requested_by,
        "reason": request.reason,
    }
    return await _post(session, f"{name}-{request.verb}", spec, request)


async def _post(session: Session, prefix: str, spec: Mapping[str, object], request: CommandRequest) -> Document:
    document = {
        "apiVersion": API_VERSION,
        "kind": PromotionCommand.definition.kind,
        "metadata": {
            "generateName": prefix[:GENERATE_NAME_LENGTH].rstrip("-.") + "-",
            "namespace": session.namespace,
        },
        "spec": {field: value for field, value in spec.items() if value},
    }
    resource = resource_of(PromotionCommand.definition)
    return await session.kubernetes.create(resource, session.namespace, document, dry_run=request.dry_run)


async def _await_answer(session: Session, created: Document, timeout_seconds: float, turn: Turn) -> Document:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    pause_seconds = POLL_INITIAL_SECONDS
    document = created
    while parse(PromotionCommand, document).status.accepted is None and loop.time() < deadline:
        await asyncio.sleep(min(pause_seconds, max(deadline - loop.time(), 0)))
        pause_seconds = min(pause_seconds * 1.5, POLL_MAXIMUM_SECONDS)
        # The command stands and is carried out, whether or not it can be read just now.
        with suppress(ApiUnavailable):
            async with turn:
                document = await session.document(PromotionCommand, created["metadata"]["name"])
    return document


def _judged(document: Document) -> CommandOutcome:
    spec = document["spec"]
    revision = f" at {short(spec['revision'])}" if spec.get("revision") else ""
    return CommandOutcome(
        document=document,
        code=ExitCode.OK,
        text=f"{_subject(spec)}{revision} may be given (dry run)",
        advice="nothing was created; only the promotion itself can accept or refuse the command",
    )


def _answer_of(document: Document, timeout_seconds: float, session: Session) -> CommandOutcome:
    command = parse(PromotionCommand, document)
    subject = _subject(document["spec"])
    tracker = command.spec.tracker_ref.name if command.spec.tracker_ref is not None else ""
    message = f": {session.target.pasted(command.status.message)}" if command.status.message else ""
    if command.status.accepted is None:
        return CommandOutcome(
            document=document,
            code=ExitCode.TIMEOUT,
            text=f"{subject}: no answer after {timeout_seconds:g} s",
            advice=f"promotioncommand/{command.metadata.name} stays and is answered as soon as a watcher runs",
        )
    if command.status.accepted:
        replaced = "; ".join(f"{name} holds {held}" for name, held in (command.spec.target_revisions or {}).items())
        return CommandOutcome(
            document=document,
            code=ExitCode.OK,
            text=f"{subject} accepted{message}",
            advice=f"it replaces what diverged: {replaced}" if replaced else "",
        )
    # A refusal may name the command that fits itself.
    advises = tracker and "`pilotage " not in message
    shows = f"`{session.command('why', tracker)}` shows what it waits for now, and the command that fits"
    return CommandOutcome(
        document=document,
        code=ExitCode.FAILED,
        text=f"{subject} refused{message}",
        advice=shows if advises else "",
    )


def _subject(spec: Mapping[str, Any]) -> str:
    """Name what a command is for, and the command."""
    tracker = spec.get("trackerRef")
    if not tracker:
        return f"{spec['environment']}: {spec['verb']}"
    return f"{tracker['name']}: {spec['verb']} ({spec['environment']})"


def _failed(name: str, request: CommandRequest, error: CliError) -> CommandOutcome:
    status = {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "message": error.message,
        "details": {"group": GROUP, "kind": PullRequestTracker.definition.kind, "name": name},
    }
    text = f"{name}: {request.verb} failed: {error.message}"
    return CommandOutcome(document=status, code=error.code, text=text, advice=error.advice)
