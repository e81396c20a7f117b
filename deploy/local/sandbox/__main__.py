"""Start the sandbox: `python -m deploy.local.sandbox --port 8085`."""

import argparse
import asyncio
import signal
from collections.abc import Sequence

from deploy.local.sandbox.options import Options
from deploy.local.sandbox.server import serve


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.sandbox", description="Stand-ins for SCM hosts, CI systems and Argo CD."
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument(
        "--list-lag", type=float, default=0.0, metavar="SECONDS", help="age from which new runs are listed"
    )
    parser.add_argument("--argocd-sync-seconds", type=float, default=0.3, metavar="SECONDS", help="duration of a sync")
    parser.add_argument("--run-seconds", type=float, default=0.5, metavar="SECONDS", help="duration of a test run")
    given = parser.parse_args(arguments)
    options = Options(
        list_lag_seconds=given.list_lag,
        argocd_sync_seconds=given.argocd_sync_seconds,
        run_seconds=given.run_seconds,
    )
    asyncio.run(_serve(given.port, options))


async def _serve(port: int, options: Options) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for received in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(received, stopped.set)
    await serve(port=port, options=options, stopped=stopped)


if __name__ == "__main__":
    main()
