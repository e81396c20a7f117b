"""`pilotage upgrade-waiting`: have runs of older worker versions look at once, so that those that wait move."""

from typing import Annotated

import typer

DeploymentOption = Annotated[
    str,
    typer.Option(
        "--deployment",
        envvar="TEMPORAL_DEPLOYMENT_NAME",
        help="Worker deployment; also TEMPORAL_DEPLOYMENT_NAME.",
    ),
]
RateOption = Annotated[
    int, typer.Option("--rate", min=1, max=1000, help="Pokes per second: each is a task for the workers.")
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Count the runs and poke none.")]


def upgrade_waiting(
    deployment: DeploymentOption = "pilotage", rate: RateOption = 20, dry_run: DryOption = False
) -> None:
    """Move waiting runs to the current worker version.

    It pokes every run of another version. A delivery ends on its own version, and moves after its hop. Repeat the
    command until no run is left, then stop the old workers. PILOTAGE_INSTALLATION and TEMPORAL_ADDRESS name the
    installation.
    """
    import asyncio

    from worker.cli.exits import CliError, ExitCode
    from worker.cli.output import line
    from worker.cli.versions import Moved, move
    from worker.settings import InvalidSettings, load_settings

    try:
        installation = load_settings().installation
    except InvalidSettings as error:
        raise CliError("\n".join(error.lines), code=ExitCode.USAGE) from error
    moved: Moved = asyncio.run(move(installation, deployment, rate=rate, dry=dry_run))
    line(f"current version of {deployment}: {moved.current}")
    for (version, kind), count in sorted(moved.left.items()):
        line(f"{count} {kind} on {version}{'' if dry_run else ' poked'}")
    if not moved.left:
        line("no run is left on another version: stop the old workers once Temporal reports them as drained")
