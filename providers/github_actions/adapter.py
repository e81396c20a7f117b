"""GitHub Actions as a CI system: workflow runs of one repository, correlated by their promotion key."""

import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from providers.decoding import giving_way
from providers.documents import number, required_text
from providers.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
    TriggerUnknown,
)
from providers.github.calls import GitHubCalls
from providers.github_actions import run_names, wire
from providers.github_actions.inputs import to_inputs
from providers.host_clock import clock_of
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request, has_next_page
from providers.models import Credential, Origin, Run, RunPhase, RunReading
from providers.origins import Facts, Ours, foreign_note, judged, own
from providers.reading import in_thread, read
from providers.runs import by_number, ref_name

BELIEVED_SECONDS = 600.0
"""How long a repository's default branch is remembered."""
_ACTIVE = (RunPhase.QUEUED, RunPhase.RUNNING)
# What the host answers for a file that the credential may not read; any other refusal is no evidence of the file.
_UNREADABLE = (401, 403, 404)
_UNTRACEABLE = (
    "workflow `{file}` does not show the key in its run-name, so a run whose start was not confirmed cannot be found; "
    "add `run-name: ${{{{ inputs." + wire.KEY_INPUT + " }}}}`"
)


class LearnedHost:
    """Remember whether a host names the run in a dispatch's answer, and the version of an Enterprise Server."""

    def __init__(self) -> None:
        self.names_runs = True
        self.server = ""


class LearnedRepository:
    """Remember a repository's default branch for a while: the one from before often stays, and would be run on."""

    def __init__(self) -> None:
        self._default_branch = ""
        self._until = 0.0

    @property
    def default_branch(self) -> str:
        """The branch; empty where it is to be asked for."""
        return self._default_branch if time.monotonic() < self._until else ""

    @default_branch.setter
    def default_branch(self, name: str) -> None:
        self._default_branch, self._until = name, time.monotonic() + BELIEVED_SECONDS


class GitHubActionsTestRuns:
    """Secret as for a GitHub host; needs the right actions: write and, to check run-names, contents: read."""

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        credential: Credential,
        calls: GitHubCalls,
        results: Mapping[str, RunPhase],
    ) -> None:
        self._calls = calls
        self._results = results
        self._host = http.memory(LearnedHost, credential, base_url)
        self._repository = http.memory(LearnedRepository, credential, base_url, calls.repository)

    async def find(self, job: str, key: str, origin: Origin | None = None) -> tuple[Run, ...]:
        workflow = wire.read_job(job)
        found: list[tuple[Run, Facts]] = []
        bound = ListBound()
        for page in range(1, wire.PAGE_LIMIT + 1):
            request = wire.list_runs(self._calls.repository, workflow, page=page, now=datetime.now(UTC))
            reply = bound.take(await self._call(request))
            found.extend(await read(reply, partial(wire.read_runs, reply.document(), key, clock_of(reply.headers))))
            if not has_next_page(reply):
                break
        ours = Ours(
            ref=await self._ref_among(workflow, {facts.ref for _, facts in found if facts.ref is not None}),
            account=await self._calls.login() or None
            if any(facts.accounts is not None for _, facts in found)
            else None,
            origin=origin,
        )
        runs = [judged(run, facts, ours) async for run, facts in giving_way(found)]
        shown = [replace(run, foreign=self._calls.redact(run.foreign)) async for run in giving_way(runs)]
        return tuple(sorted(shown, key=by_number))

    async def create(self, job: str, key: str, parameters: Mapping[str, str]) -> Run:
        began = time.monotonic()
        workflow = wire.read_job(job)
        ref = workflow.ref or await self._default_branch()
        inputs = to_inputs(parameters, key, server=self._host.server)
        details = self._host.names_runs
        if not details and not await self._is_traceable(workflow, ref):
            if await self._has_moved_on(workflow, ref):
                return await self.create(job, key, parameters)
            raise TriggerUnknown(_UNTRACEABLE.format(file=workflow.file))
        try:
            run = await self._dispatch(workflow, ref, key, inputs, details=details)
        except ProviderRejected as error:
            # Nothing was started, so sending it once more without what it was refused for is safe.
            if details and wire.refuses_details(str(error)):
                self._host.names_runs = False
            elif not await self._has_moved_on(workflow, ref):
                raise
            return await self.create(job, key, parameters)
        if run is not None:
            return run
        self._host.names_runs = False
        found = await self._listed(job, key, Origin(began=began, parameters=parameters))
        if found is None and details and await self._is_surely_untraceable(workflow, ref):
            raise TriggerUnknown(_UNTRACEABLE.format(file=workflow.file))
        return found or Run(id="", key=key)

    async def read(self, job: str, run: Run) -> RunReading:
        if not run.id:
            return await self._read_by_key(job, run)
        try:
            return await self._read(run)
        except ProviderNotFound as error:
            # Never another one instead: who may delete runs could have one of theirs read.
            raise ProviderNotFound(f"run {run.id} is not there any more ({error})", status=404) from None

    async def cancel(self, job: str, run: Run) -> None:
        runs = (run,) if run.id else own(await self.find(job, run.key, run.origin))
        for found in runs:
            await self._call(wire.cancel(self._calls.repository, found.id))

    async def check(self) -> str:
        reply = await self._call(wire.check(self._calls.repository))
        return f"{self._calls.repository.removeprefix('/repos/')}, {number(reply.document(), 'total_count')} runs"

    async def traceable(self, job: str) -> bool:
        """Return whether the workflow's run-name shows the key, so that its runs can be found by the key."""
        workflow = wire.read_job(job)
        return await self._is_traceable(workflow, workflow.ref or await self._default_branch())

    async def _dispatch(
        self, workflow: wire.Job, ref: str, key: str, inputs: Mapping[str, str], *, details: bool
    ) -> Run | None:
        request = wire.dispatch(self._calls.repository, workflow, ref=ref, inputs=inputs, details=details)
        try:
            return wire.read_dispatch(await self._call(request), key)
        except ProviderNotFound as error:
            text = f"workflow `{workflow.file}` is not on the default branch, or the credential may not start it"
            raise ProviderNotFound(f"{text} ({error})", status=error.status) from None
        except (ProviderUnavailable, ProviderMalformed) as error:
            # It may have been accepted. Found again by its key, or never sent again.
            if await self._is_surely_untraceable(workflow, ref):
                text = f"{_UNTRACEABLE.format(file=workflow.file)} ({error})"
                raise TriggerUnknown(text, status=error.status) from None
            raise

    async def _listed(self, job: str, key: str, origin: Origin) -> Run | None:
        """Look for a run that was accepted without its id.

        Neither a lagging list nor a host that fails now is a reason to start another, so that no error leaves. Looking
        again here would hold up others: a poll finds the run by its key as well.
        """
        try:
            found = own(await self.find(job, key, origin))
        except ProviderError:
            return None
        return found[0] if found else None

    async def _read(self, run: Run) -> RunReading:
        reply = await self._call(wire.get_run(self._calls.repository, run.id))
        reading = wire.read_run(reply.document(), key=run.key, results=self._results)
        if reading.phase not in (RunPhase.FAILED, RunPhase.TIMED_OUT, RunPhase.ERROR):
            return reading
        return replace(reading, message="; ".join(filter(None, (reading.message, await self._failed_jobs(run.id)))))

    async def _read_by_key(self, job: str, run: Run) -> RunReading:
        found = await self.find(job, run.key, run.origin)
        if ours := own(found):
            return await self._read(ours[0])
        text = f"workflow `{job}` has no run of this key, or it is not listed yet{foreign_note(found)}"
        raise ProviderNotFound(text, status=404)

    async def _failed_jobs(self, run: str) -> str:
        """Name what failed; a verdict must not be lost because its jobs cannot be read."""
        try:
            reply = await self._call(wire.list_jobs(self._calls.repository, run))
            return self._calls.redact(await read(reply, partial(wire.read_failed_jobs, reply.document())))
        except ProviderError:
            return ""

    async def _ref_among(self, workflow: wire.Job, shown: AbstractSet[str]) -> str | None:
        """Return on what our runs are; runs elsewhere may show that the default branch is another one by now."""
        if not shown:
            return None
        if workflow.ref:
            return ref_name(workflow.ref)
        if await self._default_branch() not in shown:
            self._repository.default_branch = ""
        return await self._default_branch()

    async def _default_branch(self) -> str:
        known = self._repository.default_branch
        if not known:
            reply = await self._call(wire.get_repository(self._calls.repository))
            known = self._repository.default_branch = required_text(reply.document(), "default_branch")
        return known

    async def _has_moved_on(self, workflow: wire.Job, ref: str) -> bool:
        """Read the default branch again where it was used; return whether it is another one than it was."""
        if workflow.ref:
            return False
        self._repository.default_branch = ""
        try:
            return await self._default_branch() != ref
        except ProviderError:
            # What the host answered to the trigger helps a person more.
            return False

    async def _is_surely_untraceable(self, workflow: wire.Job, ref: str) -> bool:
        """Judge a run that may have started; while the host fails nothing is sure, and the next attempt asks again."""
        try:
            return not await self._is_traceable(workflow, ref)
        except ProviderError:
            return False

    async def _is_traceable(self, workflow: wire.Job, ref: str) -> bool:
        """Read the workflow file; where it may not be read its runs must be taken for untraceable."""
        try:
            reply = await self._call(wire.get_workflow(self._calls.repository, workflow))
            path = required_text(reply.document(), "path")
            reply = await self._call(wire.get_file(self._calls.repository, path, ref))
        except (ProviderNotFound, ProviderUnauthorized) as error:
            if error.status in _UNREADABLE:
                return False
            raise
        # Parsing takes a while for a long file; other activities go on meanwhile.
        return await in_thread(partial(run_names.shows_key, reply.text))

    async def _call(self, request: Request) -> Reply:
        reply = await self._calls.call(request)
        self._host.server = wire.server_version(reply)
        return reply
