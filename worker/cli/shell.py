"""`pilotage version`, `help`, `completion` and `open`: around the shell and the browser."""

from enum import StrEnum
from typing import Annotated

import typer

from worker.cli.options import ContextOption, KubeconfigOption, NamespaceOption, TrackerArgument, choose

COMPLETE_VARIABLE = "_PILOTAGE_COMPLETE"


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def version() -> None:
    """Print the version."""
    from worker.cli.output import line

    line(version_line())


def version_line() -> str:
    """Return the version that is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return f"pilotage {installed('pilotage')}"
    except PackageNotFoundError:
        return "pilotage, run from a checkout that is not installed"


def completion(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print the completion script of a shell.

    Use: source <(pilotage completion bash), or pilotage completion fish | source
    """
    from typer._completion_shared import get_completion_script

    from worker.cli.output import document

    script = get_completion_script(prog_name="pilotage", complete_var=COMPLETE_VARIABLE, shell=shell.value)
    document(script)


def show_help(
    invocation: typer.Context,
    command: Annotated[list[str] | None, typer.Argument(metavar="COMMAND", help="Command to describe.")] = None,
) -> None:
    """Describe a command, or list them all."""
    from worker.cli.exits import CliError, ExitCode
    from worker.cli.output import document

    at = invocation.find_root()
    for name in command or ():
        found = at.command.get_command(at, name) if isinstance(at.command, typer.core.TyperGroup) else None
        if found is None:
            raise CliError(
                f"there is no command `{name}`", code=ExitCode.USAGE, advice="`pilotage help` lists the commands"
            )
        at = typer.Context(found, info_name=name, parent=at)
    document(at.get_help())


def open_page(
    invocation: typer.Context,
    name: TrackerArgument,
    workflow: Annotated[bool, typer.Option("--workflow", help="The workflow in the Temporal UI instead.")] = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Open the pull request in a browser. In a pipe, print its address."""
    import sys

    from worker.cli.exits import CliError, ExitCode
    from worker.cli.output import line
    from worker.cli.session import TRACKERS, Session, with_session

    async def address(session: Session) -> str:
        tracker = await session.tracker(name)
        status = (await session.one(TRACKERS, tracker)).get("status") or {}
        found = str((status.get("workflow" if workflow else "pullRequest") or {}).get("url") or "")
        # It came from a host: a browser opens other things than pages too.
        if not found.startswith(("https://", "http://")):
            what = "its workflow" if workflow else "its pull request"
            raise CliError(
                f"{tracker}: the status has no address of {what}",
                code=ExitCode.NOT_FOUND,
                advice=f"`{session.command('why', tracker)}` shows what it waits for",
            )
        return found

    url = with_session(choose(invocation, namespace, kubeconfig, context), address)
    line(url)
    if sys.stdout.isatty():
        import webbrowser

        webbrowser.open(url)
