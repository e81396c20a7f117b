"""`make chaos N= KILLS= SEED=`: many promotions under many SIGKILLs, judged from journal and resources alone."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.local.environment.assembly import POSTGRES, runs_on_postgres
from deploy.local.environment.binaries import report_to_stderr
from deploy.local.environment.coroutines import ended_by_sigterm
from deploy.local.environment.failures import LocalEnvironmentError
from tests.chaos.judgement import judge
from tests.chaos.report import lines, require_place, write_section
from tests.chaos.run import Plan, roomy_directory, run_chaos

SEEDS = 1_000_000
INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM, as shells have it."""


def main() -> int:
    """Run it; 0 when every promise was kept, 1 when not, 130 when it was interrupted."""
    arguments = _parser().parse_args()
    try:
        if arguments.report:
            require_place(arguments.report)
    except LocalEnvironmentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    seed = random.SystemRandom().randrange(SEEDS) if arguments.seed is None else arguments.seed
    plan = Plan(promotions=arguments.promotions, kills=arguments.kills, seed=seed)
    directory = Path(tempfile.mkdtemp(prefix="pilotage-chaos-", dir=roomy_directory()))
    report_to_stderr(f"seed {seed}")
    code = 1
    try:
        outcome = asyncio.run(ended_by_sigterm(run_chaos(plan, directory, report_to_stderr)))
        verdicts = judge(outcome.evidence)
        for line in lines(outcome, verdicts):
            print(line, flush=True)
        if arguments.report:
            command = f"make chaos N={plan.promotions} KILLS={plan.kills} SEED={plan.seed}{_temporal()}"
            write_section(arguments.report, outcome, verdicts, command=command)
        # A run that was cut short, killed less than it should or missed a moment has proved less than it claims.
        complete = not outcome.stopped_because and outcome.toll.total >= plan.kills and not outcome.toll.missed
        code = 0 if complete and all(verdict.kept for verdict in verdicts) else 1
    except LocalEnvironmentError as error:
        print(f"error: {error}", file=sys.stderr)
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = INTERRUPTED
    finally:
        if code == 0:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"logs: {directory / 'logs'}", file=sys.stderr)
    return code


def _temporal() -> str:
    return f" TEMPORAL={POSTGRES}" if runs_on_postgres() else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--promotions", type=_count, default=60, help="how many promotions (60)")
    parser.add_argument("--kills", type=_count, default=40, help="how many SIGKILLs (40)")
    parser.add_argument("--seed", type=int, help="decides everything random; printed when it is chosen here")
    parser.add_argument("--report", type=Path, help="file whose report section is replaced, or that is made")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
