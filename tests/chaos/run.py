"""One chaos run: start everything, feed promotions, kill, wait for the end, collect the evidence."""

import asyncio
import base64
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiConflict, ApiError, Document, resource_of
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from deploy.local.demo.world import NAMESPACE
from deploy.local.environment.assembly import PIECES, LocalEnvironment
from deploy.local.environment.coroutines import to_the_end
from deploy.local.environment.ports import free_port
from deploy.local.environment.resources import kubectl
from deploy.local.sandbox.seed import ARGOCD_TOKEN, GITHUB_TOKEN, JENKINS_TOKEN, JENKINS_USER
from tests.chaos import world as chaos_world
from tests.chaos.accounts import reroute, tokens
from tests.chaos.calls import read_calls
from tests.chaos.evidence import Evidence, count_faults, read_applications, read_builds, read_writes
from tests.chaos.kills import Killer
from tests.chaos.leaks import find_leaks
from tests.chaos.logs import read_troubles
from tests.chaos.proxy import Proxy
from tests.chaos.sandbox import ChaosSandbox
from tests.chaos.schedule import Strike, Toll, schedule
from tests.chaos.world import Change, World
from worker.temporal.conversion import DATA_CONVERTER

WORKERS, WATCHERS = 2, 2
LOOK_SECONDS = 1.0
TRACKERS_PER_SECOND = 150
"""How many trackers a look may cost per second of pause."""
TERMINAL = ("Completed", "Closed", "Aborted")
MOST_AHEAD, LEAST_AHEAD = 48, 4
"""Promotions fed before the kills that they are owed, so that there is always something to hit."""
QUIET_SECONDS = 150.0
"""No state of any tracker changed for so long, with nothing killed meanwhile: the run is stuck and ends."""
CLIENT_PATIENCE_SECONDS = 90.0

TIMINGS = {
    "poll_initial": 1.0,
    "poll_maximum": 3.0,
    "poll_gap": 1.0,
    "merge_initial": 1.5,
    "merge_maximum": 3.0,
    "reference_initial": 1.0,
    "reference_maximum": 3.0,
    "observe_initial": 1.5,
    "observe_maximum": 4.0,
    "watch": 15.0,
    "holder_backstop": 30.0,
    "activity_start_to_close": 8.0,
    # More than the lists lag, as guarantee 2 demands.
    "listing_lag": chaos_world.LIST_LAG_SECONDS + 1,
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked for; the seed decides everything that is random here."""

    promotions: int
    kills: int
    seed: int

    @property
    def limit_seconds(self) -> float:
        """The run ends by itself after this long."""
        return 180.0 + 12.0 * self.kills + 4.0 * self.promotions


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened."""

    plan: Plan
    evidence: Evidence
    toll: Toll
    seconds: float
    stopped_because: str = ""
    """Why the run ended before every promotion did; empty when all ended."""


@dataclass(kw_only=True)
class _Progress:
    """How the trackers stand, as last seen."""

    documents: list[Document] = field(default_factory=list)
    marks: dict[str, Any] = field(default_factory=dict)
    moved_at: float = field(default_factory=time.monotonic)
    fed: int = 0

    def see(self, documents: list[Document]) -> None:
        marks = {one["metadata"]["name"]: _mark(one.get("status", {})) for one in documents}
        if marks != self.marks:
            self.moved_at = time.monotonic()
        self.documents, self.marks = documents, marks

    @property
    def done(self) -> int:
        return sum(one.get("status", {}).get("state") in TERMINAL for one in self.documents)

    def open_workflows(self) -> list[str]:
        statuses = [one.get("status", {}) for one in self.documents]
        return [one["workflow"]["id"] for one in statuses if one.get("workflow") and one.get("state") not in TERMINAL]


def roomy_directory() -> Path | None:
    """Return where a run's files are best kept: in memory where the system offers it, else None for the default.

    SIGKILL takes nothing from a server that it has handed to the kernel, so a disk would only be slower.
    """
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else None


async def run_chaos(plan: Plan, directory: Path, report: Callable[[str], None]) -> Outcome:
    """Run it once in a directory of its own; nothing is left running."""
    environment = LocalEnvironment(
        directory,
        process_environment={"PILOTAGE_TIMINGS": json.dumps(TIMINGS)},
        report=report,
    )
    with environment:
        async with _started(environment) as proxy:
            return await _Run(plan, environment, proxy, report).play()


@asynccontextmanager
async def _started(environment: LocalEnvironment) -> AsyncIterator[Proxy]:
    """Start the servers, the proxy that our processes reach the API server through, then our processes."""
    await to_the_end(lambda: environment.start(*PIECES))
    access, port = environment.kubernetes, free_port()
    proxy = Proxy(access.url, access.authority)
    files = access.authority.parent
    async with proxy.serving(certificate=files / "apiserver.crt", key=files / "apiserver.key", port=port):
        reroute(environment, f"https://127.0.0.1:{port}")
        await to_the_end(lambda: environment.start(workers=WORKERS, watchers=WATCHERS))
        yield proxy


class _Run:
    """The state of one run."""

    def __init__(self, plan: Plan, environment: LocalEnvironment, proxy: Proxy, report: Callable[[str], None]) -> None:
        self._plan = plan
        self._environment = environment
        self._proxy = proxy
        self._world = World(promotions=plan.promotions)
        self._sandbox = ChaosSandbox(environment.sandbox_url)
        self._progress = _Progress()
        self._began = time.monotonic()
        self._print = report
        self._killing = True
        self._toll = Toll()

    async def play(self) -> Outcome:
        async with AsyncExitStack() as stack:
            kubeconfig = str(self._environment.kubeconfig)
            kubernetes = await stack.enter_async_context(await KubernetesApi.connect(kubeconfig=kubeconfig))
            client = await Client.connect(self._environment.temporal_address, data_converter=DATA_CONVERTER)
            await to_the_end(self._prepare)
            chance = random.Random(self._plan.seed)
            killer = Killer(
                self._environment,
                self._sandbox,
                self._proxy,
                client,
                chance=chance,
                candidates=self._progress.open_workflows,
                report=self._report,
            )
            self._toll = killer.toll
            strikes = schedule(self._plan.kills, chance, self._environment.temporal_processes)
            tasks = [
                asyncio.create_task(self._feed(kubernetes)),
                asyncio.create_task(self._kill(killer, strikes)),
            ]
            try:
                because = await self._watch(kubernetes, tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            evidence = await self._collect(kubernetes, client)
        return Outcome(
            plan=self._plan,
            evidence=evidence,
            toll=self._toll,
            seconds=time.monotonic() - self._began,
            stopped_because=because,
        )

    def _prepare(self) -> None:
        self._sandbox.post("/_reset", {})
        self._sandbox.post("/_seed", self._world.seed())
        text = self._world.manifests(self._environment.sandbox_url)
        kubectl(self._environment.kubeconfig, "apply", "-f", "-", stdin=text, report=_quiet)
        self._sandbox.post("/_script", chaos_world.faults(self._plan.seed))

    async def _feed(self, kubernetes: KubernetesApi) -> None:
        """Start promotions in step with the kills, so that the last kills meet as many as the first."""
        ahead = max(LEAST_AHEAD, min(MOST_AHEAD, self._plan.promotions // 2))
        for index, change in enumerate(self._world.changes()):
            # Polled: the kills are counted where they happen.
            while self._killing and index >= ahead + self._plan.promotions * self._toll.total // self._plan.kills:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS / 2)
            await self._begin(kubernetes, change)
            self._progress.fed = index + 1

    async def _begin(self, kubernetes: KubernetesApi, change: Change) -> None:
        """Create the tracker, merge, and deploy to dev as the team's own pipeline does."""
        deadline = time.monotonic() + CLIENT_PATIENCE_SECONDS
        while True:
            try:
                await kubernetes.create(
                    resource_of(PullRequestTracker.definition), NAMESPACE, chaos_world.tracker(change)
                )
                break
            except ApiConflict:
                # Created by the attempt before, whose answer was lost in a kill.
                break
            except ApiError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(LOOK_SECONDS)
        sha = self._world.merge_sha(change)
        merge = {"repo": chaos_world.full_name(change.repository), "number": change.number, "sha": sha}
        await asyncio.to_thread(self._sandbox.post, "/_github/merge", merge)
        deploy = {"app": f"{change.repository}-{chaos_world.STAGES[0]}", "revision": sha}
        await asyncio.to_thread(self._sandbox.post, "/_argocd/deploy", deploy)

    async def _kill(self, killer: Killer, strikes: list[Strike]) -> None:
        try:
            await killer.carry_out(strikes, done=lambda: self._progress.done >= self._plan.promotions)
        finally:
            self._killing = False
            self._progress.moved_at = time.monotonic()

    async def _watch(self, kubernetes: KubernetesApi, tasks: list[asyncio.Task[None]]) -> str:
        """Look until all is done; return why it ended early, or nothing."""
        resource = resource_of(PullRequestTracker.definition)
        while True:
            try:
                self._progress.see(list((await kubernetes.list_all(resource, NAMESPACE)).items))
            except ApiError:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            await asyncio.to_thread(self._sandbox.follow)
            for task in tasks:
                if task.done() and not task.cancelled() and (error := task.exception()):
                    raise error
            now = time.monotonic()
            if all(task.done() for task in tasks) and self._progress.done == self._plan.promotions:
                return ""
            if not self._killing and now - self._progress.moved_at > QUIET_SECONDS:
                return f"nothing moved for {QUIET_SECONDS:.0f} s"
            if now - self._began > self._plan.limit_seconds:
                return f"not done within {self._plan.limit_seconds:.0f} s"
            await asyncio.sleep(LOOK_SECONDS + self._plan.promotions / TRACKERS_PER_SECOND)

    async def _collect(self, kubernetes: KubernetesApi, client: Client) -> Evidence:
        # From here on nothing is killed or refused: what workflows still present is to end.
        await asyncio.to_thread(self._sandbox.calm)
        trackers = (await kubernetes.list_all(resource_of(PullRequestTracker.definition), NAMESPACE)).items
        for identifier in self._progress.open_workflows():
            try:
                await client.get_workflow_handle(identifier).describe()
            except RPCError as error:
                self._report(f"{identifier}: {error}")
        await asyncio.to_thread(self._sandbox.follow)
        journal, state = self._sandbox.followed(), await asyncio.to_thread(self._sandbox.state)
        # The run's own clock and the sandbox's, read together.
        now = (await asyncio.to_thread(self._sandbox.post, "/_clock", {"advance_seconds": 0}))["now"]
        began_at = now - (time.monotonic() - self._began)
        return Evidence(
            world=self._world,
            trackers=trackers,
            builds=read_builds(state),
            writes=read_writes(journal, syncs=False),
            syncs=read_writes(journal, syncs=True),
            applications=read_applications(state),
            leaks=await asyncio.to_thread(self._leaks, journal, list(trackers)),
            attempts=read_calls(state, journal),
            began_at=began_at,
            calls=len(journal),
            faults=count_faults(journal),
            troubles=await asyncio.to_thread(read_troubles, self._environment.directory),
        )

    def _leaks(self, journal: list[dict[str, Any]], trackers: list[Document]) -> list[str]:
        """Name where a credential stands outside the Secrets."""
        kinds = "prt,pp,penv,prunner,pargo,prepo,pscm,pcmd,events"
        resources = kubectl(self._environment.kubeconfig, "get", kinds, "-A", "-o", "json", report=_quiet)
        histories = self._environment.dump_temporal()
        texts = {"trackers": json.dumps(trackers), "resources and events": resources, **histories}
        pair = base64.b64encode(f"{JENKINS_USER}:{JENKINS_TOKEN}".encode()).decode()
        secrets = [ARGOCD_TOKEN, GITHUB_TOKEN, JENKINS_TOKEN, pair, self._environment.kubernetes.admin_token]
        secrets += tokens(self._environment)
        return find_leaks(self._environment.directory, journal=journal, texts=texts, secrets=secrets)

    def _report(self, text: str) -> None:
        states = Counter(one.get("status", {}).get("state") or "new" for one in self._progress.documents)
        shown = ", ".join(f"{state} {count}" for state, count in sorted(states.items()))
        at = time.monotonic() - self._began
        self._print(f"{at:6.1f} s  {self._toll.total}/{self._plan.kills} kills: {text}  [{shown}]")


def _mark(status: dict[str, Any]) -> tuple[Any, ...]:
    return status.get("state"), status.get("reason"), len(status.get("promotions") or ()), status.get("message")


def _quiet(_line: str) -> None:
    """Report nothing: kubectl's own lines are not part of the story."""
