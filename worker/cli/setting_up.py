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
        help="How long Temporal keeps closed histories; 14 days for a new namespace if not given.",
    ),
]


def setup(retention_days: RetentionOption = None, output: OutputOption = Output.TABLE) -> None:
    """Create Temporal's namespace and search attributes.

    It leaves what exists as it is, but for --retention-days. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE name the
    namespace. Where clients may not create them, as in Temporal Cloud,
    it prints the commands for an administrator, and exits with 1.
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
