"""The `pilotage` command. Subcommands import what they need when they run, so that `--help` is instant."""

import errno
import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from worker.cli.codec_server import codec_server
from worker.cli.commands import add_commands
from worker.cli.doctor.command import doctor
from worker.cli.drifting import drift
from worker.cli.exits import CliError, ExitCode
from worker.cli.explaining import why
from worker.cli.flux import app as flux
from worker.cli.holding import hold, release
from worker.cli.inspection import get, show
from worker.cli.offline import crds, validate
from worker.cli.options import ClusterTarget, ContextOption, KubeconfigOption, NamespaceOption
from worker.cli.output import line, note
from worker.cli.places import envs, where
from worker.cli.plugin import COMPLETE_PLUGIN, PLUGIN, complete_plugin
from worker.cli.processes import receiver, release_finalizers, watcher, worker
from worker.cli.recounting import export, history
from worker.cli.repositories import init, track
from worker.cli.setting_up import setup
from worker.cli.shell import COMPLETE_VARIABLE, completion, open_page, show_help, version_line
from worker.cli.shell import version as print_version
from worker.cli.syncing import add_sync
from worker.cli.upgrading import upgrade_waiting
from worker.cli.watching import watch
from worker.launching import leave

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What ends a redirected answer, other than a reader that has gone."""


class Commands(TyperGroup):
    """End a command with the exit code of the error that stopped it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; CliError becomes a message on stderr."""
        try:
            return super().invoke(ctx)
        except CliError as error:
            note(f"error: {error.message}")
            if error.advice:
                note(error.advice)
            raise typer.Exit(error.code) from error
        except OSError as error:
            if error.errno not in _FULL:
                raise
            note(f"error: the answer cannot be written: {error.strerror}")
            raise typer.Exit(ExitCode.FAILED) from error
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.INTERRUPTED) from None


# Tracebacks with local variables would print credentials.
app = typer.Typer(
    name="pilotage",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        line(version_line())
        raise typer.Exit


@app.callback()
def _root(
    invocation: typer.Context,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Promote pull requests from environment to environment.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage or setting, 3 not found, 4 no answer in time, 5 cluster not
    reachable.
    """
    invocation.obj = ClusterTarget(namespace=namespace, kubeconfig=kubeconfig, context=context)


for look in (get, show, why, watch, envs, where, drift):
    app.command()(look)
app.command("open")(open_page)
add_commands(app)
for command in (hold, release):
    app.command()(command)
for begin in (init, track):
    app.command()(begin)
add_sync(app)
for operate in (history, export, doctor, setup, upgrade_waiting, codec_server):
    app.command()(operate)
for run in (worker, watcher, receiver, release_finalizers, validate, crds):
    app.command()(run)
app.add_typer(flux)
app.command()(completion)
app.command("version")(print_version)
app.command("help")(show_help)
# Their names in other tools.
for name, same in (("list", get), ("status", show), ("describe", show)):
    app.command(name, hidden=True)(same)


def main() -> None:
    """Run the command line; the entry point of the installed package, and of the plugin of kubectl."""
    program = Path(sys.argv[0]).name
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A locale without UTF-8 has no mark of a check, and not all that titles hold.
            stream.reconfigure(errors="backslashreplace")
    try:
        if program == COMPLETE_PLUGIN:
            complete_plugin(lambda: app(prog_name="pilotage", complete_var=COMPLETE_VARIABLE), sys.argv[1:])
        app(prog_name="kubectl pilotage" if program == PLUGIN else "pilotage", complete_var=COMPLETE_VARIABLE)
    except SystemExit as leaving:
        leave(leaving.code)
