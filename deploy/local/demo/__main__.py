"""`python -m deploy.local.demo [--keep]`: what `make demo` runs."""

import argparse
import sys

from deploy.local.demo.run import run_demo


def main() -> int:
    """Run the demonstration; 0 when everything promised happened."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.demo",
        description="Promote a pull request on this machine, kill a worker, and report. Ends within three minutes.",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running, and show how to look at it")
    return run_demo(keep=parser.parse_args().keep)


if __name__ == "__main__":
    sys.exit(main())
