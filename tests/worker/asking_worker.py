"""A worker of its own process, to be killed."""

import asyncio
import sys
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from tests.worker.asking_workflow import AskingWorkflow, act, answer
from worker.temporal.sandbox import workflow_runner


def asking_worker(client: Client, queue: str) -> Worker:
    """Return a worker whose death is noticed after a second."""
    return Worker(
        client,
        task_queue=queue,
        workflows=[AskingWorkflow],
        activities=[answer, act],
        workflow_runner=workflow_runner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )


async def serve(address: str, queue: str) -> None:
    """Serve a queue until killed."""
    async with asking_worker(await Client.connect(address), queue):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
