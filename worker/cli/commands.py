"""`pilotage retest|retry|promote|hold|release|abort|restart`: a person's word, given through Kubernetes."""

from typing import TYPE_CHECKING, Annotated

import typer

from crds.texts.plain import plain
from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    TrackerArgument,
    choose,
    complete_tracker,
)

if TYPE_CHECKING:
    from worker.cli.speaking import Answer

REASON_LENGTH = 1024
DEFAULT_TIMEOUT_SECONDS = 60.0

ReasonOption = Annotated[str | None, typer.Option("--reason", "-r", help="Why; kept with the command, for audit.")]
EnvironmentOption = Annotated[
    str | None,
    typer.Option(
        "--environment", "-e", help="Environment that you mean; the hop's target as status shows it if not given."
    ),
]
RevisionOption = Annotated[
    str | None, typer.Option("--revision", help="Revision that you mean; the one that status shows if not given.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long to wait for the answer.")
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the answer and exit 1 if it is no.")]


def add_commands(app: typer.Typer) -> None:
    """Register one command per verb."""
    _add(app, "retest", "Run the tests again, with the policy as it is now.")
    _add(app, "retry", "Go on with a failed promotion where it stopped.")
    _add(
        app,
        "promote",
        "Let a change go on to the next environment.\n\nWith --reason also where the target has diverged.",
    )
    _add(app, "hold", "Stop at the next boundary; newer changes wait behind it.")
    _add(app, "release", "Let a held promotion go on.")
    _add(app, "abort", "End the promotion; what has been promoted stays.")
    app.command("restart")(restart)


def _add(app: typer.Typer, verb: str, description: str) -> None:
    def command(
        invocation: typer.Context,
        name: TrackerArgument,
        reason: ReasonOption = None,
        environment: EnvironmentOption = None,
        revision: RevisionOption = None,
        wait: WaitOption = True,
        timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
        output: OutputOption = Output.TABLE,
        namespace: NamespaceOption = None,
        kubeconfig: KubeconfigOption = None,
        context: ContextOption = None,
    ) -> None:
        from worker.cli.session import Session, with_session
        from worker.cli.speaking import Answer, Word, speak

        word = Word(verb=verb, reason=_checked(reason), environment=environment, revision=revision)

        async def act(session: Session) -> list[Answer]:
            return [await speak(session, name, word, timeout_seconds=timeout if wait else None)]

        _finish(with_session(choose(invocation, namespace, kubeconfig, context), act), output)

    app.command(verb, help=description)(command)


def restart(
    invocation: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Name of the tracker.", autocompletion=complete_tracker),
    ] = None,
    lost: Annotated[
        bool, typer.Option("--lost", help="Every tracker of the namespace whose workflow is gone.")
    ] = False,
    reason: ReasonOption = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Begin a new attempt; with --lost of all lost promotions."""
    from worker.cli.output import note
    from worker.cli.session import Session, with_session
    from worker.cli.speaking import Answer, Word, lost_trackers, speak, speak_to_all

    if (name is None) == (not lost):
        raise typer.BadParameter("give either the name of one tracker or --lost", param_hint="NAME")
    word = Word(verb="restart", reason=_checked(reason))

    async def act(session: Session) -> list[Answer]:
        patience = timeout if wait else None
        if name is not None:
            return [await speak(session, name, word, timeout_seconds=patience)]
        return await speak_to_all(session, await lost_trackers(session), word, timeout_seconds=patience)

    answers = with_session(choose(invocation, namespace, kubeconfig, context), act)
    if not answers:
        note("No tracker has lost its workflow.")
    _finish(answers, output)


def _checked(reason: str | None) -> str | None:
    if reason is not None and not 0 < len(reason.strip()) <= REASON_LENGTH:
        raise typer.BadParameter(f"1 to {REASON_LENGTH} characters are allowed", param_hint="--reason")
    # An argument that is no UTF-8 comes with lone surrogates, which no request can hold.
    return None if reason is None else plain(reason)


def _finish(answers: "list[Answer]", output: Output) -> None:
    from worker.cli.exits import ExitCode
    from worker.cli.output import as_list, documents, line, note

    if output is Output.TABLE:
        for answer in answers:
            line(answer.text)
            if answer.advice:
                note(answer.advice)
    elif len(answers) == 1:
        documents(answers[0].document, output)
    else:
        documents(as_list([answer.document for answer in answers]), output)
    code = max((answer.code for answer in answers), default=ExitCode.OK)
    if code is not ExitCode.OK:
        raise typer.Exit(code)
