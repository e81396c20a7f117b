"""`pilotage validate` and `pilotage crds`: what needs no cluster, unless it is asked to look there."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.options import ContextOption, KubeconfigOption, NamespaceOption, Output, OutputOption, choose

FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", help="YAML files, folders of them, or - for standard input.", allow_dash=True),
]
FilenamesOption = Annotated[
    list[Path] | None,
    typer.Option("--filename", "-f", metavar="FILE", help="The same, as kubectl takes it.", allow_dash=True),
]
OnlineOption = Annotated[
    bool,
    typer.Option("--online", help="Also ask the CI systems, and warn of runs that do not show their promotion key."),
]
CheckOption = Annotated[
    bool,
    typer.Option("--check", help="In a source checkout: exit with 1 if a generated file is stale."),
]
WriteOption = Annotated[
    bool, typer.Option("--write", help="In a source checkout: bring the generated files up to date.")
]


def crds(check: CheckOption = False, write: WriteOption = False) -> None:
    """Print definitions and admission policies.

    Use: pilotage crds | kubectl apply --server-side --force-conflicts -f -
    """
    from crds.schema.generate import main as generate
    from crds.schema.generate import render_crds
    from worker.cli.output import document

    if check and write:
        raise typer.BadParameter("--check and --write exclude each other", param_hint="--check")
    if not check and not write:
        document(render_crds().rstrip())
        return
    _require_checkout()
    raise typer.Exit(generate(["--check"] if check else []))


def validate(
    invocation: typer.Context,
    files: FilesArgument = None,
    filenames: FilenamesOption = None,
    online: OnlineOption = False,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Check resource files offline, all errors at once.

    It checks schema, rules, variables, references, and chains of policies that loop or have no end. It exits with 1 if
    it finds an error, and prints the path of each field. --online also reads runners and Secrets from the cluster and
    asks the CI systems; what it finds are warnings, which do not change the exit code.
    """
    from worker.cli.exits import ExitCode
    from worker.cli.output import documents, line, note
    from worker.cli.validating import check_loaded, load_files

    named = [*(files or ()), *(filenames or ())]
    if not named:
        raise typer.BadParameter("name files, folders, or - for standard input", param_hint="FILE")
    loaded = load_files(named)
    report = check_loaded(loaded)
    if online:
        from worker.cli.online import look

        target = choose(invocation, namespace, kubeconfig, context)
        report = replace(report, warnings=look(target, loaded))
    if not output.for_people:
        documents(report.to_document(), output)
    else:
        for finding in report.findings:
            line(finding.to_line())
        for warning in report.warnings:
            line(warning.to_line("warning: "))
        note(report.summary)
    if report.failed:
        raise typer.Exit(ExitCode.FAILED)


def _require_checkout() -> None:
    from worker.cli.exits import CliError, ExitCode

    if not (Path(__file__).resolve().parents[2] / "deploy" / "crds").is_dir():
        raise CliError("--check and --write need the source checkout", code=ExitCode.USAGE)
