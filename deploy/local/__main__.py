"""`python -m deploy.local up|down|status|binaries|samples`: the local environment from the command line."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import get_args

from deploy.local.environment.binaries import PROGRAMS, Program, find_all, report_to_stderr
from deploy.local.environment.control import Control
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.processes import ROOT

NOT_RUNNING = 3
MAIN_SET = "main-job"
"""The samples that the demonstration and the first page of the documents use."""


class _Interrupted(BaseException):
    """A signal ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> int:
    """Run one command; 0 done, 1 failed, 3 nothing runs (status), 128 + n after signal n."""
    arguments = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "up": _up,
        "down": _down,
        "status": _status,
        "binaries": _binaries,
        "samples": _samples,
    }
    try:
        return commands[arguments.command](arguments)
    except LocalEnvironmentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except _Interrupted as interruption:
        return 128 + interruption.number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("--directory", type=Path, default=ROOT / ".local", help="state, logs and pid files")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start what is missing and return when all is ready")
    up.add_argument("--workers", type=_count, help="worker processes (default: as before, else 1)")
    up.add_argument("--watchers", type=_count, help="watcher processes (default: as before, else 1)")
    up.add_argument("--receivers", type=_count, help="receiver processes (default: as before, else 1)")
    commands.add_parser("down", help="stop everything")
    commands.add_parser("status", help="show what runs")
    binaries = commands.add_parser("binaries", help="find, download or build the programs, and print where they are")
    binaries.add_argument(
        "programs", nargs="*", type=_program, metavar="PROGRAM", help=f"default: {' '.join(PROGRAMS)}"
    )
    samples = commands.add_parser("samples", help="print the samples with the addresses of $SANDBOX_URL")
    sets = sorted(path.parent.name for path in (ROOT / "docs" / "samples").glob("*/00-*.yaml"))
    samples.add_argument("set", nargs="?", choices=sets, default=MAIN_SET, help=f"default: {MAIN_SET}")
    return parser


def _program(text: str) -> Program:
    known: Sequence[Program] = get_args(Program)
    found = next((one for one in known if one == text), None)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")
    return found


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 64")
    return int(text)


def _up(arguments: argparse.Namespace) -> int:
    control = Control(arguments.directory, report_to_stderr)
    control.up(workers=arguments.workers, watchers=arguments.watchers, receivers=arguments.receivers)
    _print_status(control)
    return 0


def _down(arguments: argparse.Namespace) -> int:
    swept = Control(arguments.directory, report_to_stderr).down()
    report_to_stderr(f"down; no supervisor ran, so this command stopped {', '.join(swept)}" if swept else "down")
    return 0


def _samples(arguments: argparse.Namespace) -> int:
    from deploy.local.demo.world import SAMPLES, SAMPLES_SANDBOX, samples

    print(samples(os.environ.get("SANDBOX_URL") or SAMPLES_SANDBOX, folder=SAMPLES.with_name(arguments.set)))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    control = Control(arguments.directory, report_to_stderr)
    if not control.status():
        print("nothing runs; start with `make up`")
        return NOT_RUNNING
    _print_status(control)
    return 0


def _binaries(arguments: argparse.Namespace) -> int:
    for program, path in find_all(arguments.programs or PROGRAMS).items():
        print(f"{program}\t{path}")
    return 0


def _print_status(control: Control) -> None:
    for name, pid in control.status().items():
        print(f"{name:18} pid {pid}")
    print(f"use it with: . {control.shell_file()}")


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise _Interrupted(number)


if __name__ == "__main__":
    sys.exit(main())
