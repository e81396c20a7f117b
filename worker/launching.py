"""Start a process of Pilotage; and `pilotage` itself where the packages of the command line are not installed.

Images of worker, watcher and receiver miss typer, rich and what `validate` needs (the extra `cli` of pyproject.toml).
There this module's parser, of the standard library, knows the processes alone, by the same names and options.
"""

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from worker.settings import Settings

COLLECT_AFTER = 100_000
"""Objects after which a short command looks for garbage: it mostly loads modules, of which none becomes garbage."""
PROCESS_THRESHOLDS = gc.get_threshold()
"""Python's own, for what runs for months."""
QUEUES = ("promotions", "config", "checks", "scm", "ci", "delivery", "observation")
QUEUES_HELP = f"Queues to serve, separated by commas: {', '.join(QUEUES)}. All if not given."
NAMESPACES_HELP = "Namespaces to serve, separated by commas (PILOTAGE_NAMESPACES). All if not given."
FLUX_ALERTS_HELP = "Also serve Flux's own Alerts and Providers. Workers need PILOTAGE_FLUX_ALERTS for it."
STOP_HELP = "Deployment of the watchers, as namespace/name. It stops them first: they would add the finalizers again."
FLUX_INSECURE_EVENTS_HELP = "Accept events of Flux without a signature (PILOTAGE_FLUX_INSECURE_EVENTS)."


def main() -> None:
    """Run the command line where it is installed, else the processes alone; the entry point of the package."""
    if find_spec("typer") is None:
        launch(sys.argv[1:])
    gc.set_threshold(COLLECT_AFTER)
    from worker.cli.main import main as command_line

    command_line()


def launch(arguments: Sequence[str]) -> NoReturn:
    """Run the process that the arguments name. Exits with 2 where one of them or a setting is wrong."""
    options = vars(_parser().parse_args(arguments))
    start = options.pop("start")
    from worker.settings import EXIT_CODE, InvalidSettings

    try:
        start(**options)
    except InvalidSettings as error:
        sys.stderr.write("".join(f"error: {line}\n" for line in error.lines))
    sys.exit(EXIT_CODE)


def start_worker(queues: Sequence[str] = QUEUES) -> NoReturn:
    """Run workflows and activities."""
    settings = _settings()
    from worker.serving.process import run_worker

    _run_to_the_end(run_worker(settings, queues))


def start_watcher(**options: Any) -> NoReturn:
    """Turn resources into workflows and write results back."""
    settings = _settings(**options)
    from worker.watcher.process import run_watcher

    _run_to_the_end(run_watcher(settings))


def start_receiver(**options: Any) -> NoReturn:
    """Receive webhooks and events of Flux."""
    settings = _settings(**options)
    from worker.receiver.process import run_receiver

    _run_to_the_end(run_receiver(settings))


def release_finalizers(stop: str | None = None, **options: Any) -> NoReturn:
    """Prepare the uninstallation of Pilotage. It removes the finalizer of every tracker."""
    settings = _settings(**options)
    from crds.api.ports import ApiError
    from worker.cluster import connect_cluster
    from worker.uninstalling import StillRunning, uninstall

    async def release() -> None:
        async with await connect_cluster(settings) as kubernetes:
            await uninstall(kubernetes, namespaces=settings.namespaces, watchers=stop, report=print)

    try:
        asyncio.run(release())
    except (ApiError, StillRunning, ValueError) as error:
        sys.exit(f"error: {error}")
    sys.exit(0)


def read_queues(text: str) -> tuple[str, ...]:
    """Read `a,b` as names of queues. Raises ValueError, which names what is wrong."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in names if name not in QUEUES]:
        raise ValueError(f"`{unknown[0]}` is no queue; queues are {', '.join(QUEUES)}")
    if not names:
        raise ValueError("name at least one queue")
    return names


def _settings(**options: Any) -> "Settings":
    """Read the settings before what they are for is loaded, which takes seconds. Raises InvalidSettings."""
    from worker.settings import load_settings

    return load_settings(**options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotage", description="The processes of Pilotage. Every other command is in the package pilotage[cli]."
    )
    commands = parser.add_subparsers(required=True, metavar="PROCESS")
    worker = commands.add_parser("worker", help=start_worker.__doc__)
    worker.add_argument("--queues", metavar="NAMES", type=_queues, default=QUEUES, help=QUEUES_HELP)
    worker.set_defaults(start=start_worker)
    watcher = commands.add_parser("watcher", help=start_watcher.__doc__)
    watcher.set_defaults(start=start_watcher)
    receiver = commands.add_parser("receiver", help=start_receiver.__doc__)
    receiver.set_defaults(start=start_receiver)
    uninstall = commands.add_parser("release-finalizers", help=release_finalizers.__doc__)
    uninstall.add_argument("--stop", metavar="NAMESPACE/NAME", help=STOP_HELP)
    uninstall.set_defaults(start=release_finalizers)
    for process in (watcher, receiver, uninstall):
        process.add_argument("--namespaces", metavar="NAMES", help=NAMESPACES_HELP)
    for name, meaning in (
        ("--flux-alerts", FLUX_ALERTS_HELP),
        ("--flux-insecure-events", FLUX_INSECURE_EVENTS_HELP),
    ):
        receiver.add_argument(name, action="store_true", default=None, help=meaning)
    return parser


def _queues(text: str) -> tuple[str, ...]:
    try:
        return read_queues(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run_to_the_end(work: Coroutine[object, object, None]) -> NoReturn:
    """Run a process to its end, spans included."""
    from worker.tracing import flush_traces

    gc.set_threshold(*PROCESS_THRESHOLDS)
    # What is loaded by now stays as long as the process: to look through all of it again each time stops everything for
    # a tenth of a second.
    gc.collect()
    gc.freeze()
    code: object = 0
    try:
        asyncio.run(work)
    except SystemExit as leaving:
        code = leaving.code
    flush_traces()
    leave(code)


def leave(code: object) -> NoReturn:
    """End with the code of a SystemExit, without taking the interpreter down.

    Threads of the Temporal SDK may still call into Python then, which aborts the process with SIGABRT
    (temporalio/sdk-python issue 300): what ended well would look crashed.
    """
    for stream in (sys.stdout, sys.stderr):
        # Whatever read a pipe may be gone.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
