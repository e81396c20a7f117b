"""The demo's story: merge, test, kill the worker at work, continue on another, promote to prod."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from temporalio.client import Client
from temporalio.service import RPCError

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiError, Document
from crds.reasons.vocabulary import State, Waiting
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.tests_status import TestState
from deploy.local.demo.evidence import Evidence, Killed, identity_of, read_runs
from deploy.local.demo.hosts import GITHUB
from deploy.local.demo.world import NAMESPACE, TRACKER, SandboxClient, apply_samples
from deploy.local.environment.assembly import INSTALLATION, LocalEnvironment
from deploy.local.sandbox.seed import MERGE_SHA, PULL_NUMBER, REPOSITORY
from worker.cli.session import Session
from worker.cli.watching import LineView, LiveView
from workflows.identity import environment_workflow_id

LOOK_SECONDS = 0.4
STEP_SECONDS = 60.0
PLACES = ("dev", "staging", "prod")
REASON = "seen it in staging"
OPEN_STATES = frozenset({TestState.QUEUED, TestState.RUNNING})


class DemoFailed(Exception):
    """A step of the story did not happen, or not in time."""


class Story:
    """One run of the demo against a running environment."""

    def __init__(
        self,
        environment: LocalEnvironment,
        kubernetes: KubernetesApi,
        client: Client,
        view: "LiveView | LineView",
        host: str = GITHUB,
    ) -> None:
        self._host = host
        self._environment = environment
        self._session = Session(kubernetes=kubernetes, namespace=NAMESPACE)
        self._client = client
        self._view = view
        self._sandbox = SandboxClient(environment.sandbox_url)
        self._document: Document = {}
        self._started = time.monotonic()

    async def play(self) -> Evidence:
        """Play the story from the first apply to Completed. Raises DemoFailed where a step does not happen."""
        moved = "" if self._host == GITHUB else f" and the repository at {self._host}"
        self._note(f"Applying docs/samples/main-job with the sandbox's address{moved}")
        self._sandbox.prepare(self._host)
        for is_tracker in (False, True):
            apply_samples(
                self._environment.kubeconfig, self._environment.sandbox_url, _quiet, tracker=is_tracker, host=self._host
            )
        await self._until("Pilotage finds the open pull request", _in_state(State.AWAITING_MERGE))
        self._sandbox.send_webhooks(self._environment.http_url("receiver-1"), self._host)

        self._note(f"Merging {REPOSITORY}#{PULL_NUMBER} and deploying it to dev, as the team's pipeline does")
        self._sandbox.deploy_to_dev(self._sandbox.merge())
        await self._until("at least two tests of dev run", _tests_run)

        killed = await self._kill_the_worker_at_work()
        await self._until("another worker promotes to staging", _reached("staging"))

        await self._until("prod waits for a person's promote command", _waits_for(Waiting.PROMOTE_COMMAND))
        exit_code, user = await self._promote(), await self._session.user_name()
        tracker = await self._until("the promotion completes", _in_state(State.COMPLETED))
        return await self._collect(tracker, killed, exit_code, user)

    async def _kill_the_worker_at_work(self) -> Killed:
        tracker = await self._look()
        workflow = tracker.status.workflow
        if workflow is None:
            raise DemoFailed("the status names no workflow")
        history = [event for run in await read_runs(self._client, workflow.id) for event in run]
        identity = next(filter(None, (identity_of(event) for event in reversed(history))), "")
        by_pid = {str(self._environment.pid(name)): name for name in self._environment.names() if "worker-" in name}
        name = by_pid.get(identity.partition("@")[0])
        if name is None:
            raise DemoFailed(f"the newest workflow task names the worker `{identity}`, which does not run here")
        still_open = tuple(test.name for test in tracker.status.tests if test.state in OPEN_STATES)
        pid = self._environment.kill(name)
        at_work = f"tests running: {', '.join(still_open)}"
        self._note(f"Killed {name} (pid {pid}, SIGKILL), which ran the workflow; {at_work}")
        return Killed(name=name, pid=pid, identity=identity, events=len(history), tests_open=still_open)

    async def _promote(self) -> int:
        arguments = ["-n", NAMESPACE, "promote", TRACKER, "--reason", REASON]
        self._note(f"$ pilotage -n {NAMESPACE} promote {TRACKER} --reason '{REASON}'")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "worker", *arguments),
            env=self._environment.person_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        for line in output.decode(errors="replace").splitlines():
            self._note(line)
        return process.returncode or 0

    async def _until(self, what: str, holds: Callable[[PullRequestTracker], bool]) -> PullRequestTracker:
        deadline = time.monotonic() + STEP_SECONDS
        while True:
            tracker = await self._look()
            if holds(tracker):
                return tracker
            if tracker.status.state is not None and tracker.status.state.terminal:
                ended = f"the promotion ended as {tracker.status.state} ({tracker.status.message})"
                raise DemoFailed(f"{ended} before this step: {what}")
            if time.monotonic() > deadline:
                raise DemoFailed(f"this step did not happen within {STEP_SECONDS:.0f} s: {what}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> PullRequestTracker:
        try:
            self._document = await self._session.document(PullRequestTracker, TRACKER)
        except ApiError as error:
            raise DemoFailed(f"the API server does not answer: {error}") from error
        tracker = PullRequestTracker.from_wire(self._document)
        self._view.show(tracker)
        return tracker

    async def _collect(self, tracker: PullRequestTracker, killed: Killed, exit_code: int, user: str) -> Evidence:
        workflow = tracker.status.workflow
        if workflow is None:
            raise DemoFailed("the status names no workflow")
        places: dict[str, int] = {}
        for place in PLACES:
            identifier = environment_workflow_id(INSTALLATION, NAMESPACE, place, tracker.spec.repository_ref.name)
            with suppress(RPCError):
                places[place] = sum(map(len, await read_runs(self._client, identifier)))
        await self._settled(workflow.id)
        repository = self._sandbox.state()["github"][REPOSITORY]
        pull = repository["pulls"][str(PULL_NUMBER)]
        statuses = {row["context"]: row["state"] for row in repository["statuses"].get(MERGE_SHA, ())}
        return Evidence(
            tracker=tracker,
            document=self._document,
            runs=await read_runs(self._client, workflow.id),
            places=places,
            journal=self._sandbox.journal(),
            webhooks=self._sandbox.webhooks(),
            killed=killed,
            promote_exit_code=exit_code,
            user=user,
            labels=tuple(pull["labels"]),
            host=self._host,
            statuses=statuses,
            seconds=time.monotonic() - self._started,
        )

    async def _settled(self, workflow_id: str) -> None:
        """Wait for the workflow's own end: it publishes to the pull request after the last status."""
        try:
            await asyncio.wait_for(self._client.get_workflow_handle(workflow_id).result(), STEP_SECONDS)
        except TimeoutError:
            raise DemoFailed(f"the workflow did not end within {STEP_SECONDS:.0f} s of Completed") from None

    def _note(self, text: str) -> None:
        self._view.note(f"{time.monotonic() - self._started:5.1f} s  {text}")


def _quiet(_line: str) -> None:
    """Report nothing: kubectl's own lines are not part of the story."""


def _in_state(state: State) -> Callable[[PullRequestTracker], bool]:
    return lambda tracker: tracker.status.state is state


def _waits_for(what: Waiting) -> Callable[[PullRequestTracker], bool]:
    def holds(tracker: PullRequestTracker) -> bool:
        waiting = tracker.status.waiting_for
        return waiting is not None and waiting.what is what

    return holds


def _reached(environment: str) -> Callable[[PullRequestTracker], bool]:
    return lambda tracker: any(record.promoted and record.target == environment for record in tracker.status.promotions)


def _tests_run(tracker: PullRequestTracker) -> bool:
    at_work = [test for test in tracker.status.tests if test.state is TestState.RUNNING]
    return tracker.status.state is State.TESTING and len(at_work) >= 2
