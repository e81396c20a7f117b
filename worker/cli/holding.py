"""`pilotage hold` and `pilotage release`: of trackers, and of whole environments."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.commands import (
    DEFAULT_TIMEOUT_SECONDS,
    DryRunOption,
    ReasonOption,
    RevisionOption,
    TimeoutOption,
    WaitOption,
    checked_reason,
    finish,
)
from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    choose,
    complete_tracker,
)

if TYPE_CHECKING:
    from worker.cli.commanding import CommandOutcome, CommandRequest
    from worker.cli.options import ClusterTarget

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Trackers or pull requests: web-412, 412, #412. None: the environment itself, which --environment names.",
        autocompletion=complete_tracker,
    ),
]
PlaceOption = Annotated[
    str | None,
    typer.Option(
        "--environment", "-e", help="Environment to hold or release; with NAME, the target of the hop that you mean."
    ),
]
DurationOption = Annotated[
    str | None, typer.Option("--for", metavar="DURATION", help="How long, such as 45m or 2h; 24h if not given.")
]
HoldOption = Annotated[str | None, typer.Option("--hold", metavar="ID", help="Id of the hold on the environment.")]


def hold(
    invocation: typer.Context,
    names: NamesArgument = None,
    environment: PlaceOption = None,
    duration: DurationOption = None,
    reason: ReasonOption = None,
    revision: RevisionOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Stop a change at the next boundary. Newer changes wait behind it.

    With --environment and no NAME, Pilotage writes nothing there until --for is over, or until you release the hold.
    The answer has the id of the hold, the trackers that had written, and the trackers that it stops.
    """
    from worker.cli.commanding import CommandRequest

    if names and duration is not None:
        raise typer.BadParameter("is for an environment, without names of trackers", param_hint="--for")
    request = CommandRequest(
        verb="hold",
        reason=checked_reason(reason),
        environment=environment,
        revision=revision,
        duration=_duration(duration),
        dry_run=dry_run,
    )
    target = choose(invocation, namespace, kubeconfig, context)
    finish(_send(target, names, request, timeout if wait else None), output)


def release(
    invocation: typer.Context,
    names: NamesArgument = None,
    environment: PlaceOption = None,
    hold_id: HoldOption = None,
    reason: ReasonOption = None,
    revision: RevisionOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Let a held change continue. With --environment and --hold: end your hold on an environment."""
    from worker.cli.commanding import CommandRequest

    if names and hold_id is not None:
        raise typer.BadParameter("is for an environment, without names of trackers", param_hint="--hold")
    if not names and environment and hold_id is None:
        target = choose(invocation, namespace, kubeconfig, context)
        lists = f"`{target.command('envs', environment)}` lists the holds"
        raise typer.BadParameter(f"name the hold that ends: {lists}", param_hint="--hold")
    request = CommandRequest(
        verb="release",
        reason=checked_reason(reason),
        environment=environment,
        revision=revision,
        hold=hold_id,
        dry_run=dry_run,
    )
    target = choose(invocation, namespace, kubeconfig, context)
    finish(_send(target, names, request, timeout if wait else None), output)


def _send(
    target: "ClusterTarget", names: list[str] | None, request: "CommandRequest", timeout_seconds: float | None
) -> "list[CommandOutcome]":
    from worker.cli.commanding import CommandOutcome, send_to_all, send_to_place
    from worker.cli.session import Session, with_session

    if not names and not request.environment:
        raise typer.BadParameter("name trackers, or an environment with --environment", param_hint="NAME")

    async def act(session: Session) -> list[CommandOutcome]:
        if names:
            chosen = await session.trackers(names)
            return await send_to_all(session, chosen, request, timeout_seconds=timeout_seconds)
        return [await send_to_place(session, request, timeout_seconds=timeout_seconds)]

    return with_session(target, act)


def _duration(text: str | None) -> str | None:
    """Return the duration as it was written. Raises BadParameter for what is none."""
    if text is None:
        return None
    from crds.durations import parse_duration

    try:
        if parse_duration(text).total_seconds() <= 0:
            raise ValueError("must be positive")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    return text
