"""`kubectl pilotage`: the plugin of kubectl, and what kubectl runs to complete a line of it."""

import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from typing import NoReturn

from worker.cli.shell import COMPLETE_VARIABLE

# https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/ names both by their files.
PLUGIN = "kubectl-pilotage"
COMPLETE_PLUGIN = "kubectl_complete-pilotage"

# https://pkg.go.dev/github.com/spf13/cobra#ShellCompDirective
NO_FILES, DEFAULT = 4, 0


def complete_plugin(program: Callable[[], object], typed: Sequence[str]) -> NoReturn:
    """Print what may stand for the last argument, one a line, then what the shell does with it; then exit with 0.

    Where nothing is known the shell completes names of files, as `validate` takes them. `program` is the command line,
    which answers the completion of bash.
    """
    line = ["pilotage", *typed]
    os.environ[COMPLETE_VARIABLE] = "complete_bash"
    os.environ["COMP_WORDS"] = " ".join(shlex.quote(one) if one else "" for one in line)
    os.environ["COMP_CWORD"] = str(len(typed))
    found = io.StringIO()
    with redirect_stdout(found), suppress(SystemExit):
        program()
    names = found.getvalue().split()
    sys.stdout.write("".join(f"{one}\n" for one in [*names, f":{NO_FILES if names else DEFAULT}"]))
    sys.exit(0)
