"""`pilotage retest|retry|promote|hold|release|abort|restart|refresh`: commands, given through Kubernetes."""

from typing import TYPE_CHECKING, Annotated

import typer

from crds.texts.plain import plain
from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    TrackersArgument,
    choose,
    complete_tracker,
)

if TYPE_CHECKING:
    from worker.cli.commanding import CommandOutcome

REASON_LENGTH = 1024
DEFAULT_TIMEOUT_SECONDS = 60.0

ReasonOption = Annotated[str | None, typer.Option("--reason", "-m", help="Why. The command keeps it for audit.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only ask the API server whether you may give the command.")
]
EnvironmentOption = Annotated[
    str | None,
    typer.Option("--environment", "-e", help="Target of the hop that you mean; the one in the status if not given."),
]
RevisionOption = Annotated[
    str | None, typer.Option("--revision", help="Revision that you mean; the one in the status if not given.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long to wait for the answer.")
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the answer; exit with 1 if it is no.")]

DESCRIPTIONS = {
    "retest": "Run the tests again, with the policy as it is now.",
    "retry": "Continue a failed promotion where it stopped.",
    "promote": "Promote a change to the next environment.\n\nWith --reason also where the target has diverged.",
    "abort": "End the promotion; what was promoted stays.",
    "refresh": "Read hosts, environments and policies again now.",
}
"""What each command does, by its verb."""


def add_commands(app: typer.Typer) -> None:
    """Register one command per verb."""
    for verb, description in DESCRIPTIONS.items():
        _add(app, verb, verb, description)
    app.command("restart")(restart)
    # Its name in other tools.
    _add(app, "approve", "promote", DESCRIPTIONS["promote"], hidden=True)


def _add(app: typer.Typer, command_name: str, verb: str, description: str, *, hidden: bool = False) -> None:
    def command(
        invocation: typer.Context,
        names: TrackersArgument,
        reason: ReasonOption = None,
        environment: EnvironmentOption = None,
        revision: RevisionOption = None,
        dry_run: DryRunOption = False,
        wait: WaitOption = True,
        timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
        output: OutputOption = Output.TABLE,
        namespace: NamespaceOption = None,
        kubeconfig: KubeconfigOption = None,
        context: ContextOption = None,
    ) -> None:
        from worker.cli.commanding import CommandOutcome, CommandRequest, send_to_all
        from worker.cli.session import Session, with_session

        request = CommandRequest(
            verb=verb, reason=checked_reason(reason), environment=environment, revision=revision, dry_run=dry_run
        )

        async def act(session: Session) -> list[CommandOutcome]:
            chosen = await session.trackers(names)
            return await send_to_all(session, chosen, request, timeout_seconds=timeout if wait else None)

        finish(with_session(choose(invocation, namespace, kubeconfig, context), act), output)

    app.command(command_name, help=description, hidden=hidden)(command)


def restart(
    invocation: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Trackers or pull requests: web-412, 412, #412, prt/web-412.",
            autocompletion=complete_tracker,
        ),
    ] = None,
    lost: Annotated[
        bool, typer.Option("--lost", help="Every tracker of the namespace whose workflow is gone.")
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Start a new attempt. With --lost: of every tracker whose workflow is gone."""
    from worker.cli.commanding import CommandOutcome, CommandRequest, lost_trackers, send_to_all
    from worker.cli.output import note
    from worker.cli.session import Session, with_session

    if bool(names) == lost:
        raise typer.BadParameter("give either names of trackers or --lost", param_hint="NAME")
    request = CommandRequest(verb="restart", reason=checked_reason(reason), dry_run=dry_run)

    async def act(session: Session) -> list[CommandOutcome]:
        chosen = await session.trackers(names) if names else await lost_trackers(session)
        return await send_to_all(session, chosen, request, timeout_seconds=timeout if wait else None)

    answers = with_session(choose(invocation, namespace, kubeconfig, context), act)
    if not answers:
        note("No tracker has lost its workflow.")
    finish(answers, output)


def checked_reason(reason: str | None) -> str | None:
    """Return the reason as a request can hold it. Raises BadParameter for one that is empty or too long."""
    if reason is not None and not 0 < len(reason.strip()) <= REASON_LENGTH:
        raise typer.BadParameter(f"1 to {REASON_LENGTH} characters are allowed", param_hint="--reason")
    # An argument that is no UTF-8 comes with lone surrogates, which no request can hold.
    return None if reason is None else plain(reason)


def finish(answers: "list[CommandOutcome]", output: Output) -> None:
    """Print the answers, and exit with the highest of their codes."""
    from worker.cli.exits import ExitCode
    from worker.cli.output import as_list, documents, note, paragraph

    if output.for_people:
        for answer in answers:
            paragraph(answer.text)
            if answer.advice:
                note(answer.advice)
    elif len(answers) == 1:
        documents(answers[0].document, output)
    else:
        documents(as_list([answer.document for answer in answers]), output)
    code = max((answer.code for answer in answers), default=ExitCode.OK)
    if code is not ExitCode.OK:
        raise typer.Exit(code)
