"""`pilotage validate` and `pilotage crds`: what needs no cluster."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.options import Output, OutputOption

FilesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="YAML files, folders of them, or - for standard input.", allow_dash=True),
]
CheckOption = Annotated[
    bool,
    typer.Option("--check", help="In a source checkout: exit 1 when a generated file is stale; print nothing else."),
]
WriteOption = Annotated[
    bool, typer.Option("--write", help="In a source checkout: bring the generated files up to date.")
]


def crds(check: CheckOption = False, write: WriteOption = False) -> None:
    """Print all definitions and the admission policy, for kubectl.

    Use: pilotage crds | kubectl apply --server-side -f -
    """
    from crds.generate import main as generate
    from crds.generate import render_crds, to_yaml
    from worker.cli.admission import admission_documents

    if check and write:
        raise typer.BadParameter("--check and --write exclude each other", param_hint="--check")
    if not check and not write:
        typer.echo(render_crds() + to_yaml(admission_documents()), nl=False)
        return
    _require_checkout()
    raise typer.Exit(generate(["--check"] if check else []))


def validate(files: FilesArgument, output: OutputOption = Output.TABLE) -> None:
    """Check resource files offline, all errors at once.

    Schema, rules, unknown variables, and chains of policies that loop or dead-end. Exits 1 with each field path.
    """
    from worker.cli.exits import ExitCode
    from worker.cli.output import documents, line, note
    from worker.cli.validating import check_files

    report = check_files(files)
    if output is not Output.TABLE:
        documents(report.to_document(), output)
    else:
        for finding in report.findings:
            line(finding.text)
        note(report.summary)
    if report.failed:
        raise typer.Exit(ExitCode.FAILED)


def _require_checkout() -> None:
    from worker.cli.exits import CliError, ExitCode

    if not (Path(__file__).resolve().parents[2] / "deploy" / "crds").is_dir():
        raise CliError("--check and --write need the source checkout", code=ExitCode.USAGE)
