"""GitLab CI as a CI system: pipelines of one project, correlated by their promotion key."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from providers.decoding import giving_way
from providers.documents import Document, required_text, text
from providers.errors import (
    ProviderError,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.gitlab import wire as gitlab
from providers.gitlab.calls import GitLabCalls
from providers.gitlab_ci import starting, wire
from providers.gitlab_ci.starting import ParametersAs
from providers.host_clock import clock_of
from providers.http import HttpClients
from providers.messages import ListBound, Reply, Request
from providers.models import Credential, Origin, Run, RunPhase, RunReading
from providers.origins import Ours, foreign_note, judged, own
from providers.reading import read
from providers.runs import by_number, ref_name

_ACTIVE = (RunPhase.QUEUED, RunPhase.RUNNING)
# A pipeline's variables never change, so that each is read once; about 100 bytes each.
_REMEMBERED_KEYS = 20_000


class PipelineKeys:
    """Remember which key each pipeline carries, none included; never that it could not be read."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}

    def put(self, pipeline: str, key: str) -> None:
        self.keys[pipeline] = key
        while len(self.keys) > _REMEMBERED_KEYS:
            del self.keys[next(iter(self.keys))]


class GitLabTestRuns:
    """Secret: `token` of scope api; or `triggerToken` to start pipelines and a `token` of scope read_api to poll."""

    def __init__(
        self,
        *,
        http: HttpClients,
        credential: Credential,
        calls: GitLabCalls,
        results: Mapping[str, RunPhase],
        parameters_as: ParametersAs = ParametersAs.VARIABLES,
    ) -> None:
        self._results = results
        self._by = parameters_as
        self._calls = calls
        self._project = calls.project
        self._known = http.memory(PipelineKeys, credential, calls.base_url, calls.project)

    async def find(self, job: str, key: str, origin: Origin | None = None) -> tuple[Run, ...]:
        named, _ = await self._listed(name=key, pages=1)
        found = [
            wire.read_created(pipeline, key) async for pipeline in giving_way(named) if wire.is_named(pipeline, key)
        ]
        runs = await self._judged(job, found, origin)
        if not own(runs):
            # Names that hold more than the key, hosts that cannot search by name, and keys in variables.
            listed, _ = await self._listed(ref_name(_ref(job)))
            known = {run.id for run in runs}
            more: list[Run] = []
            async for pipeline in giving_way(listed):
                run = wire.read_created(pipeline, key)
                if wire.is_named(pipeline, key):
                    self._known.put(run.id, key)
                if run.id not in known and await self._key_of(run.id) == key:
                    more.append(run)
            runs += await self._judged(job, more, origin)
        return tuple(sorted(runs, key=by_number))

    async def create(self, job: str, key: str, parameters: Mapping[str, str]) -> Run:
        token, ref = self._calls.trigger_token, _ref(job)
        if token:
            request = starting.trigger_pipeline(
                self._project, token=token, ref=ref, key=key, parameters=parameters, by=self._by
            )
        else:
            request = starting.create_pipeline(self._project, ref=ref, key=key, parameters=parameters, by=self._by)
        run = wire.read_created((await self._calls.call(request)).document(), key)
        self._known.put(run.id, key)
        return run

    async def read(self, job: str, run: Run) -> RunReading:
        if run.id:
            try:
                return await self._read(run)
            except ProviderNotFound as error:
                # Never another one instead: who may delete pipelines could have one of theirs read.
                text = f"pipeline {run.id}, which is this run, is not there any more ({error})"
                raise ProviderNotFound(text, status=404) from None
        found = await self.find(job, run.key, run.origin)
        if ours := own(found):
            return await self._read(ours[0])
        text = f"ref `{job}` has no pipeline of this run any more{foreign_note(found)}"
        raise ProviderNotFound(text, status=404)

    async def cancel(self, job: str, run: Run) -> None:
        for found in (run,) if run.id else own(await self.find(job, run.key, run.origin)):
            await self._calls.call(wire.cancel(self._project, found.id))

    async def check(self) -> str:
        """Prove that the token can start pipelines, or has a trigger token for that, and read them."""
        if not self._project:
            return gitlab.read_user((await self._calls.call(gitlab.get_account())).document()).username
        scopes = gitlab.read_scopes(await self._calls.call(gitlab.get_token()))
        if scopes:
            self._refuse_scopes(scopes)
        path = gitlab.read_project_path((await self._calls.call(gitlab.get_project(self._project))).document())
        reply = await self._calls.call(wire.check_pipelines(self._project))
        await read(reply, reply.documents)
        if self._by is ParametersAs.INPUTS:
            version = text((await self._calls.call(starting.get_version())).document(), "version")
            if not starting.takes_inputs(version):
                wanted = ".".join(map(str, starting.INPUTS_SINCE))
                message = self._calls.redact(f"GitLab {version}")
                raise ProviderRejected(f"{message} ignores inputs: `parametersAs: Inputs` needs {wanted} or newer")
        return path

    async def traceable(self, job: str) -> bool:
        """Report that a pipeline of ours on this ref, if there is one, shows its key to this token."""
        ref = _ref(job)
        if self._by is ParametersAs.INPUTS:
            return await self._name_shows_key(ref)
        listed, complete = await self._listed(ref_name(ref))
        if not complete:
            return False
        async for pipeline in giving_way(listed):
            if await self._key_of(required_text(pipeline, "id")) is None:
                # Anybody's, ours included, unless ours would have been found by their names.
                return wire.shows_names(listed) and await self._name_shows_key(ref)
        return True

    async def _judged(self, job: str, runs: Sequence[Run], origin: Origin | None) -> list[Run]:
        """State of each pipeline that shows our key why it is foreign, if it is; one that is gone is left out."""
        found: list[Run] = []
        by_trigger = bool(self._calls.trigger_token)
        for run in runs:
            try:
                reply = await self._calls.call(wire.get_pipeline(self._project, run.id))
            except ProviderNotFound:
                continue
            parameters = await self._variables_of(run.id, origin)
            facts = wire.read_facts(reply.document(), clock_of(reply.headers))
            facts = replace(facts, parameters=parameters, complete=True)
            # A trigger token acts for its owner, whom no one but its owner may ask for.
            user = None if by_trigger or facts.accounts is None else await self._calls.user()
            account = user.username if user is not None else None
            means = "trigger" if by_trigger else "api"
            judgement = judged(run, facts, Ours(ref=ref_name(_ref(job)), account=account, means=means, origin=origin))
            found.append(replace(judgement, foreign=self._calls.redact(judgement.foreign)))
        return found

    async def _variables_of(self, pipeline: str, origin: Origin | None) -> Mapping[str, object] | None:
        """Read with which variables a pipeline runs; None where nothing is to be compared, or may not be read."""
        if origin is None or not origin.knows_parameters or self._by is ParametersAs.INPUTS:
            return None
        try:
            reply = await self._calls.call(wire.get_variables(self._project, pipeline))
            return await read(reply, partial(wire.read_variables, reply))
        except (ProviderUnauthorized, ProviderNotFound) as error:
            if error.status == 401:
                raise
            return None

    async def _listed(
        self, ref: str = "", name: str = "", pages: int = wire.PAGE_LIMIT
    ) -> tuple[tuple[Document, ...], bool]:
        """List what API calls and trigger tokens started lately, on a ref or by a name, and whether that is all."""
        listed: list[Document] = []
        bound = ListBound()
        for page in range(1, pages + 1):
            request = wire.list_pipelines(self._project, ref=ref, page=page, now=datetime.now(UTC), name=name)
            reply = bound.take(await self._calls.call(request))
            listed.extend(await read(reply, partial(wire.candidates, reply)))
            if not gitlab.has_more(reply):
                return tuple(listed), True
        return tuple(listed), False

    async def _name_shows_key(self, ref: str) -> bool:
        """Read the project's CI file; where it cannot be read its pipelines must be taken for nameless."""
        try:
            project = (await self._calls.call(gitlab.get_project(self._project))).document()
            path = text(project, "ci_config_path") or starting.CONFIG_FILE
            if "@" in path or "://" in path:
                return False
            reply = await self._calls.call(starting.get_config(self._project, path, ref))
        except (ProviderUnauthorized, ProviderNotFound, ProviderRejected) as error:
            if error.status == 401:
                raise
            return False
        return await read(reply, lambda: starting.shows_key(reply.text, self._by))

    async def _read(self, run: Run) -> RunReading:
        reply = await self._calls.call(wire.get_pipeline(self._project, run.id))
        reading = wire.read_pipeline(reply.document(), key=run.key, results=self._results)
        reading = replace(reading, message=self._calls.redact(reading.message))
        if reading.phase in _ACTIVE:
            return reading
        if reading.phase is RunPhase.FAILED:
            # Not swallowed on errors: without the reasons a timeout would be recorded as a failed test.
            jobs = await self._calls.call(wire.list_failed_jobs(self._project, run.id))
            bridges = await self._calls.call(wire.list_failed_bridges(self._project, run.id))
            longer = max(jobs, bridges, key=lambda reply: len(reply.body))
            phase, message = await read(longer, partial(wire.read_failure, jobs, bridges))
            reading = replace(reading, phase=phase, message=self._calls.redact(message) or reading.message)
        return replace(reading, summary=await self._summary(run.id))

    async def _summary(self, pipeline: str) -> str:
        """Read test counts; a verdict must not be lost because its counts cannot be read."""
        try:
            reply = await self._calls.call(wire.get_report(self._project, pipeline))
            return wire.read_report(reply.document()) if reply.ok else ""
        except ProviderError:
            return ""

    async def _key_of(self, pipeline: str) -> str | None:
        """Return the key that a pipeline carries as a variable; None where this token may not see it."""
        if pipeline not in self._known.keys and self._by is ParametersAs.INPUTS:
            return ""
        if pipeline not in self._known.keys:
            try:
                reply = await self._calls.call(wire.get_variables(self._project, pipeline))
            except (ProviderUnauthorized, ProviderNotFound) as error:
                if error.status == 401:
                    raise
                # Not remembered: the token's rights may be fixed, and others may see it.
                return None
            self._known.put(pipeline, await read(reply, partial(wire.key_of, reply)))
        return self._known.keys[pipeline]

    def _refuse_scopes(self, scopes: frozenset[str]) -> None:
        """Raise ProviderUnauthorized where the token misses a scope that this runner needs."""
        by_trigger = bool(self._calls.trigger_token)
        if "api" in scopes or (by_trigger and "read_api" in scopes):
            return
        has = self._calls.redact(", ".join(sorted(scopes)))
        wanted = (
            "`read_api`, which reading pipelines needs"
            if by_trigger
            else "`api`, which starting pipelines needs; or give the Secret a `triggerToken` next to a `read_api` token"
        )
        raise ProviderUnauthorized(f"the `token` (scopes: {has}) does not have the scope {wanted}", status=403)


def _ref(job: str) -> str:
    """Read the branch or tag that a job names. Raises ProviderRejected when it names none."""
    if not job.strip():
        raise ProviderRejected("the job has no name; write the branch or tag whose pipeline is to run, such as `main`")
    return job.strip()


def refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name what a refusal means: a wrong trigger token is hidden as 404, and an undeclared key as any input."""
    message = str(error)
    if request.operation == "trigger" and reply.status == 404:
        return ProviderNotFound(f"no such project, or its token is wrong or without rights ({message})", status=404)
    if request.operation == "trigger" and reply.status == 400 and starting.refuses_inputs(message):
        hint = f"declare `{starting.KEY_INPUT}` and every parameter under `spec: inputs` of the CI file"
        return ProviderRejected(f"{message}; {hint}", status=400)
    if isinstance(error, ProviderUnauthorized) and reply.status == 403 and request.operation == "check-project":
        hint = "reading pipelines needs the scope `read_api` or `api`, and at least the role Reporter"
        return ProviderUnauthorized(f"{message}; {hint}", status=403)
    return error
