"""`make demo`: one promotion on real servers and stand-ins, with a worker killed in the middle.

With `keep` the environment outlives the command: a process of its own, `python -m deploy.local.demo.run DIRECTORY
HOST`, owns it until a signal ends that process or nothing is left of the environment.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.demo.ending import ENDING_SIGNALS, SIGNAL_EXIT_BASE, Ending
from deploy.local.demo.hosts import GITHUB
from deploy.local.demo.report import expectations, print_report
from deploy.local.demo.story import DemoFailed, Story
from deploy.local.demo.world import NAMESPACE, TRACKER
from deploy.local.environment.assembly import PIECES, LocalEnvironment
from deploy.local.environment.binaries import report_to_stderr
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.processes import ROOT
from deploy.local.environment.shell import write_shell_file

WORKERS, WATCHERS, RECEIVERS = 2, 1, 1
LIMIT_SECONDS = 170.0
KEEPER_SECONDS = 0.5
# A person who interrupts a demo does not wait for its activities.
SHUTDOWN_GRACE_SECONDS = 1
LOG_TAIL_LINES = 12
VERDICT_FILE = "verdict"

# Seconds where the defaults are for CI systems that take minutes.
TIMINGS = {
    "poll_initial": 1.0,
    "poll_maximum": 3.0,
    "poll_gap": 1.0,
    # A webhook reports the merge sooner.
    "merge_initial": 60.0,
    "merge_maximum": 60.0,
    "reference_initial": 1.0,
    "reference_maximum": 3.0,
    "observe_initial": 1.0,
    "observe_maximum": 3.0,
    "activity_start_to_close": 10.0,
    "listing_lag": 2.0,
}


def run_demo(*, keep: bool, host: str = GITHUB) -> int:
    """Play the demo at one SCM host; 0 when every promise was kept, 1 when not.

    Nothing is left running unless `keep`.

    Ctrl-C and SIGTERM raise SystemExit, with 130 and 143, when everything is stopped.
    """
    directory = Path(tempfile.mkdtemp(prefix="pilotage-demo-"))
    if keep:
        return _play_and_leave(directory, host)
    code = 1
    environment, ending = _environment(directory)
    try:
        with environment:
            ending.arm()
            code = _play(environment, ending, host)
    finally:
        if code == 0:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            ending.print_end(str(directory / "logs"))
    return code


def _environment(directory: Path) -> tuple[LocalEnvironment, Ending]:
    def report(line: str) -> None:
        ending.check()
        report_to_stderr(line)

    environment = LocalEnvironment(
        directory,
        temporal_ui=True,
        process_environment={
            "PILOTAGE_TIMINGS": json.dumps(TIMINGS),
            "PILOTAGE_SHUTDOWN_GRACE_SECONDS": str(SHUTDOWN_GRACE_SECONDS),
        },
        report=report,
    )
    ending = Ending(environment)
    return environment, ending


def _play(environment: LocalEnvironment, ending: Ending, host: str) -> int:
    try:
        environment.start(*PIECES, workers=WORKERS, watchers=WATCHERS, receivers=RECEIVERS)
        return ending.run(_play_story(environment, ending, host))
    except LocalEnvironmentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


async def _play_story(environment: LocalEnvironment, ending: Ending, host: str) -> int:
    from temporalio.client import Client

    from crds.api.kubernetes import KubernetesApi
    from worker.cli.watching import LineView, LiveView
    from worker.temporal.conversion import DATA_CONVERTER

    client = await Client.connect(environment.temporal_address, data_converter=DATA_CONVERTER)
    async with await KubernetesApi.connect(kubeconfig=str(environment.kubeconfig)) as kubernetes:
        ending.screen_is_taken = sys.stdout.isatty()
        view = LiveView() if ending.screen_is_taken else LineView()
        try:
            story = Story(environment, kubernetes, client, view, host)
            evidence = await asyncio.wait_for(story.play(), LIMIT_SECONDS)
        except (DemoFailed, TimeoutError) as error:
            view.close()
            await _explain(environment, str(error) or f"the demo did not end within {LIMIT_SECONDS:.0f} s")
            return 1
        finally:
            view.close()
            ending.give_screen_back()
    judged = expectations(evidence)
    print_report(evidence, judged)
    broken = sum(not one.kept for one in judged)
    print(f"\nnot kept: {broken} of {len(judged)} promises (✗)" if broken else "\nevery promise was kept", flush=True)
    return 1 if broken else 0


async def _explain(environment: LocalEnvironment, problem: str) -> None:
    """Print what failed, and what a person would look at first: `pilotage why` and the logs' ends."""
    print(f"\nerror: {problem}\n", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "worker", "-n", NAMESPACE, "why", TRACKER]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment.person_environment())
    await process.wait()
    for name in environment.names():
        if name.startswith(("worker-", "watcher-", "receiver-")):
            tail = environment.log(name).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
            print(f"\nlast lines of the log of {name}:", *tail, sep="\n  ", file=sys.stderr, flush=True)


def _play_and_leave(directory: Path, host: str) -> int:
    """Have a process of its own play the demo and stay; return when it has played, or has ended on a signal."""
    received: list[int] = []
    # Before the keeper starts: it has a session of its own, so a Ctrl-C that came in between would not reach it.
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: received.append(number))
    keeper = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.demo.run", str(directory), host], cwd=ROOT, start_new_session=True
    )
    verdict = directory / VERDICT_FILE
    while keeper.poll() is None and not verdict.exists():
        if received:
            # SIGTERM also for Ctrl-C: before the keeper handles it, SIGINT would print a traceback.
            keeper.terminate()
        time.sleep(KEEPER_SECONDS)
    if keeper.poll() is not None:
        return SIGNAL_EXIT_BASE + received[0] if received else max(keeper.returncode, 1)
    # The keeper outlives this process; a set return code keeps the interpreter from warning about it.
    keeper.returncode = 0
    return int(verdict.read_text())


def _keep(directory: Path, host: str) -> int:
    """Play and own the environment; after a success its directory is removed."""
    environment, ending = _environment(directory)
    try:
        with environment:
            ending.arm()
            return _play_and_own(directory, environment, ending, host)
    finally:
        # A signal raises SystemExit, also after a success; only a failure leaves its logs.
        if (directory / VERDICT_FILE).exists() and (directory / VERDICT_FILE).read_text() == "0":
            shutil.rmtree(directory, ignore_errors=True)
        else:
            ending.print_end(str(directory / "logs"))


def _play_and_own(directory: Path, environment: LocalEnvironment, ending: Ending, host: str) -> int:
    """Play, then own the environment until a signal, or until nothing of it is left."""
    code = _play(environment, ending, host)
    if not environment.names():
        return code
    write_shell_file(directory / "env", environment)
    _print_how_to_look(directory)
    # A program that reads the demo's output through a pipe must see its end.
    with Path(os.devnull).open("r+") as nothing:
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            os.dup2(nothing.fileno(), stream.fileno())
    partial = directory / f"{VERDICT_FILE}.part"
    partial.write_text(str(code))
    partial.replace(directory / VERDICT_FILE)
    while environment.names():
        environment.reap()
        time.sleep(KEEPER_SECONDS)
    return code


def _print_how_to_look(directory: Path) -> None:
    lines = (
        "",
        "The environment is still running.",
        f"  look:  . {directory}/env",
        f"         pilotage -n {NAMESPACE} show {TRACKER}; kubectl -n {NAMESPACE} get prt; temporal workflow list",
        "         echo $TEMPORAL_UI_URL; curl -s $SANDBOX_URL/_journal",
        f"  logs:  {directory}/logs",
        f"  stop:  kill {os.getpid()}",
    )
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(_keep(Path(sys.argv[1]), sys.argv[2]))
