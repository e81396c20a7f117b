"""Stop an environment whose owner vanished.

Run as `python -m deploy.local.environment.guardian DIRECTORY`, with a pipe as stdin.

The owner holds the pipe's other end. However it ends, SIGKILL included, the pipe closes and this process sweeps.
"""

import signal
import sys
from pathlib import Path

from deploy.local.environment.ledger import sweep

GRACE_SECONDS = 5.0


def main() -> None:
    """Wait for the end of stdin, then stop what the ledger still names."""
    # A Ctrl-C or hang-up meant for the owner must not take its guardian along.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    sweep(Path(sys.argv[1]), grace_seconds=GRACE_SECONDS)


if __name__ == "__main__":
    main()
