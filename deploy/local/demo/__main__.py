"""`python -m deploy.local.demo [--keep]`: what `make demo` runs."""

import argparse
import sys

from deploy.local.demo.hosts import GITHUB, HOSTS
from deploy.local.demo.run import run_demo


def main() -> int:
    """Run the demonstration; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.demo",
        description="Promote a pull request on this machine, kill a worker, and report. Ends within three minutes.",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running, and print how to look at it")
    parser.add_argument(
        "--host", choices=(GITHUB, *HOSTS), default=GITHUB, help="SCM host of the pull request (default: %(default)s)"
    )
    given = parser.parse_args()
    return run_demo(keep=given.keep, host=given.host)


if __name__ == "__main__":
    sys.exit(main())
