"""`make bench [N=10000]`: one line of JSON for each figure, then a table of all. A missed target is no error."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from temporalio.service import RPCError

from crds.api.ports import ApiError
from deploy.local.environment.binaries import report_to_stderr
from deploy.local.environment.coroutines import ended_by_sigterm
from deploy.local.environment.failures import LocalEnvironmentError
from tests.bench.acts import ACTS, Plan, play
from tests.bench.rows import Row, table
from tests.chaos.run import roomy_directory

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM, as shells have it."""


def main() -> int:
    """Measure; 0 when everything was measured, 1 when something could not be."""
    arguments = _parser().parse_args()
    plan = Plan(
        trackers=arguments.trackers,
        promotions=arguments.promotions,
        samples=arguments.samples,
        stock=arguments.stock,
    )
    names = [name for name in ACTS if name in (arguments.only or ACTS)]
    directory = Path(tempfile.mkdtemp(prefix="pilotage-bench-", dir=roomy_directory()))
    failure = ""
    try:
        rows = asyncio.run(ended_by_sigterm(play(names, plan, directory, report_to_stderr, _show)))
        print(f"\n{table(rows)}", flush=True)
    except (LocalEnvironmentError, ApiError, RPCError, TimeoutError) as error:
        failure = f"{type(error).__name__}: {error}"
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    finally:
        if not failure:
            shutil.rmtree(directory, ignore_errors=True)
    if failure:
        print(f"error: {failure}\nlogs: {directory}", file=sys.stderr)
    return 1 if failure else 0


def _show(row: Row) -> None:
    print(row.line(), flush=True)


def _parser() -> argparse.ArgumentParser:
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--trackers", type=_count, default=default.trackers, help="waiting for a merge (%(default)s)")
    parser.add_argument("--promotions", type=_count, default=default.promotions, help="on each side (%(default)s)")
    parser.add_argument("--samples", type=_samples, default=default.samples, help="of each latency (%(default)s)")
    parser.add_argument("--only", action="append", choices=list(ACTS), help="play this act; may be repeated")
    parser.add_argument("--stock", action="store_true", help="leave the development server's settings as they come")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 50_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 50000")
    return int(text)


def _samples(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 90:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 90")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
