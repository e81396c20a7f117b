"""Real servers with our own processes and one scene, and what the rows ask of them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import Document, resource_of
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from deploy.local.demo.world import NAMESPACE
from deploy.local.environment.assembly import INSTALLATION, PIECES, LocalEnvironment
from deploy.local.environment.coroutines import to_the_end
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.resources import kubectl
from deploy.local.sandbox.seed import WEBHOOK_SECRET
from providers.jenkins.wire import KEY_PARAMETER
from tests.bench import scene as scenes
from tests.bench.scene import Scene
from tests.bench.throughput import history
from tests.bench.usage import Usage, read_usage
from tests.chaos.sandbox import ChaosSandbox
from tests.worlds.ticking import TESTS
from worker.temporal.conversion import DATA_CONVERTER
from workflows.identity import POKE_SIGNAL, environment_workflow_id, promotion_workflow_id

LOOK_SECONDS = 0.02
CALLS_SECONDS = 0.5
"""Between two looks at the journal: the times are in it, and a look takes processor time from what is measured."""
Report = Callable[[str], None]
TRACKERS = resource_of(PullRequestTracker.definition)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a row on real servers works with. Promotions are named by their trackers, such as `app1-1`."""

    environment: LocalEnvironment
    kubernetes: KubernetesApi
    client: Client
    sandbox: ChaosSandbox
    scene: Scene
    http: httpx.AsyncClient
    """Sends webhooks; made before, since reading the authorities takes 20 ms, which are no latency of Pilotage."""

    async def create(self, repository: str, number: int = 1) -> str:
        """Create a tracker; return the id of its workflow."""
        document = await self.kubernetes.create(TRACKERS, NAMESPACE, self.scene.tracker(repository, number))
        metadata = document["metadata"]
        return promotion_workflow_id(INSTALLATION, NAMESPACE, metadata["name"], metadata["uid"], 1)

    def promotion(self, identity: str) -> WorkflowHandle[Any, Any]:
        """Return the handle of a promotion's workflow."""
        return self.client.get_workflow_handle(identity)

    async def finish(self, identity: str) -> None:
        """Wait for the end of a promotion, which may not have begun yet."""
        while True:
            try:
                await self.promotion(identity).result()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return

    async def poke(self, identity: str) -> None:
        """Have a promotion look again, as a webhook's receiver does."""
        await self.promotion(identity).signal(POKE_SIGNAL)

    async def accept_webhooks(self) -> None:
        """Start a receiver; the samples' Secret `webhooks` is what Jenkins' webhooks are proved by."""
        await to_the_end(lambda: self.environment.start(receivers=1))

    async def webhook(self, key: str) -> None:
        """Send the receiver the news that a build has ended, as Jenkins' notifications do."""
        url = f"{self.environment.http_url('receiver-1')}/hooks/{NAMESPACE}/TestRunner/jenkins"
        build = {"phase": "FINALIZED", "full_url": "http://127.0.0.1/job/1/", "parameters": {KEY_PARAMETER: key}}
        headers = {"Authorization": f"Bearer {WEBHOOK_SECRET}"}
        answer = await self.http.post(url, json={"name": "job", "build": build}, headers=headers)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise LocalEnvironmentError(f"the receiver answered {answer.status_code}: {answer.text}")

    async def events(self, identity: str) -> list[HistoryEvent]:
        """Return the history of a workflow."""
        return await history(self.client, identity)

    def place(self, environment: str, repository: str) -> str:
        """Return the id of a place's workflow."""
        return environment_workflow_id(INSTALLATION, NAMESPACE, environment, repository)

    async def trackers(self) -> Sequence[Document]:
        """List the trackers."""
        return (await self.kubernetes.list_all(TRACKERS, NAMESPACE)).items

    async def calls(self, wanted: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]]:
        """Return the calls to the stand-ins that are meant, oldest first."""
        await asyncio.to_thread(self.sandbox.follow)
        return [entry for entry in self.sandbox.followed() if wanted(entry)]

    async def await_calls(
        self, wanted: Callable[[Mapping[str, Any]], bool], *, count: int = 1, limit_seconds: float = 60.0
    ) -> list[dict[str, Any]]:
        """Wait until so many of the calls that are meant have been answered."""
        deadline = time.monotonic() + limit_seconds
        while True:
            found = [entry for entry in await self.calls(wanted) if entry["accepted"]]
            if len(found) >= count:
                return found
            if time.monotonic() > deadline:
                raise LocalEnvironmentError(f"{len(found)} of {count} calls came within {limit_seconds:.0f} s")
            await asyncio.sleep(CALLS_SECONDS)

    async def deploy(self, repository: str, change: int) -> None:
        """Have a change run where a repository's changes begin."""
        app = scenes.application(repository, scenes.SOURCE)
        body = {"app": app, "revision": self.scene.merge_sha(repository, change)}
        await asyncio.to_thread(self.sandbox.post, "/_argocd/deploy", body)

    async def end_builds(self, repository: str, number: int) -> None:
        """Have the build of this number of each of a repository's jobs pass now."""
        for test in TESTS:
            ended = {"job": scenes.job_of(repository, test), "number": number, "result": "SUCCESS"}
            await asyncio.to_thread(self.sandbox.post, "/_jenkins/result", ended)

    def usage(self, names: Iterable[str] | None = None) -> Usage:
        """Read what the processes have used until now."""
        return read_usage({name: self.environment.pid(name) for name in names or self.environment.names()})


@asynccontextmanager
async def staged(
    directory: Path,
    scene: Scene,
    report: Report,
    *,
    timings: Mapping[str, float] | None = None,
    stock: bool = False,
    workers: int = 1,
) -> AsyncIterator[Stage]:
    """Start everything for a scene, and stop it at the end; `stock` leaves Temporal's settings as they come."""
    additions = {"PILOTAGE_TIMINGS": json.dumps(timings)} if timings else {}
    async with AsyncExitStack() as stack:
        environment = stack.enter_context(
            LocalEnvironment(
                directory,
                process_environment=additions,
                temporal_stock=stock,
                report=report,
            )
        )
        await to_the_end(lambda: environment.start(*PIECES))
        sandbox = ChaosSandbox(environment.sandbox_url)
        await asyncio.to_thread(sandbox.post, "/_reset", {})
        await asyncio.to_thread(sandbox.post, "/_seed", scene.seed())
        text = scene.manifests(environment.sandbox_url)
        await to_the_end(lambda: _apply(environment, text))
        await to_the_end(lambda: environment.start(workers=workers, watchers=1))
        connected = await KubernetesApi.connect(kubeconfig=str(environment.kubeconfig))
        kubernetes = await stack.enter_async_context(connected)
        client = await Client.connect(environment.temporal_address, data_converter=DATA_CONVERTER)
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        yield Stage(
            environment=environment, kubernetes=kubernetes, client=client, sandbox=sandbox, scene=scene, http=http
        )


def _apply(environment: LocalEnvironment, text: str) -> None:
    kubectl(environment.kubeconfig, "apply", "-f", "-", stdin=text, report=_quiet)


def _quiet(_line: str) -> None:
    """Report nothing."""
