"""`pilotage setup`: make what Temporal must have, or name what is missing where it may not be made from here."""

from typing import Annotated

import typer

from worker.cli.options import Output, OutputOption

RetentionOption = Annotated[
    int | None,
    typer.Option(
        "--retention-days",
        min=1,
        max=365,
        help="How long Temporal keeps closed histories; else 14 days for a new namespace, and one that is there keeps "
        "what it has.",
    ),
]


def setup(retention_days: RetentionOption = None, output: OutputOption = Output.TABLE) -> None:
    """Make Temporal namespace and search attributes. Where it may not, it prints what an administrator must do.

    TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE name the place. What is there is left as it is. Exits with 1 where something
    is still missing, as in Temporal Cloud, where clients make neither.
    """
    import asyncio
    from datetime import timedelta

    from worker.cli.exits import ExitCode
    from worker.cli.findings import show
    from worker.cli.temporal_setup import set_up

    findings = asyncio.run(set_up(timedelta(days=retention_days) if retention_days else None))
    show(findings, output)
    if any(one.ok is False for one in findings):
        raise typer.Exit(ExitCode.FAILED)
