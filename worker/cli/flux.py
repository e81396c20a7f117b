"""`pilotage flux explain`: what would become of an event, with nothing sent."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.options import Output, OutputOption

app = typer.Typer(name="flux", no_args_is_help=True, help="Commit statuses of Flux events.")

FilesOption = Annotated[
    list[Path],
    typer.Option(
        "-f",
        "--filename",
        help="Files, folders or -: one event as JSON, with CommitStatus and Provider, or Flux's Alert and Provider.",
        allow_dash=True,
    ),
]
CompatOption = Annotated[
    bool, typer.Option("--compat", help="Use the rules of Flux's notification-controller, to compare.")
]


@app.command()
def explain(files: FilesOption, compat: CompatOption = False, output: OutputOption = Output.TABLE) -> None:
    """Show the commit status that each subscription makes of an event, or why it makes none. It sends nothing."""
    import asyncio

    from worker.cli.output import documents, line, note
    from worker.flux.explanation import explain_files

    explained = asyncio.run(explain_files(files, compat=compat))
    if not output.for_people:
        documents(list(explained), output)
        return
    if not explained:
        note("The files hold no CommitStatus and no Alert, so that nothing is made of the event.")
    for one in explained:
        verdict = f"{one['state']}  {one['context']}" if one["url"] else one["error"] or one["reason"]
        line(f"{one['subscription']}: {verdict}")
        if one["url"]:
            line(f"  {one['repository']}@{one['commit']}")
            line(f"  {one['description']}")
            line(f"  {one['method']} {one['url']}")
            if one["reason"]:
                line(f"  {one['reason']}")
