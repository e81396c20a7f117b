"""GitLab CI as a CI system: pipelines of one project, correlated by their promotion key."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from providers.credentials import optional_secret
from providers.documents import required_text
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderNotFound, ProviderRejected, ProviderUnauthorized
from providers.exchange import Reply, Request, has_next_page
from providers.gitlab_ci import wire
from providers.http import HttpClients
from providers.metrics import Recorder
from providers.models import Credential, Run, RunPhase, RunReading

_GOING_ON = (RunPhase.QUEUED, RunPhase.RUNNING)
# A pipeline's variables never change, so that each is read once; about 100 bytes each.
_REMEMBERED_KEYS = 20_000


class PipelineKeys:
    """Remember which key each pipeline carries, none included."""

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
        base_url: str,
        project: str,
        credential: Credential,
        record: Recorder,
        results: Mapping[str, RunPhase],
    ) -> None:
        self._credential = credential
        self._results = results
        self._project = wire.project_path(project) if project else ""
        self._endpoint = Endpoint(
            http=http, base_url=base_url, credential=credential, record=record, authorize=self._headers, refine=_refine
        )
        self._known = http.memory(PipelineKeys, base_url, self._project)

    async def find(self, job: str, key: str) -> tuple[Run, ...]:
        found: list[Run] = []
        for page in range(1, wire.PAGE_LIMIT + 1):
            request = wire.list_pipelines(self._project, ref=_ref(job), page=page, now=datetime.now(UTC))
            reply = await self._endpoint.call(request)
            for pipeline in wire.candidates(reply):
                run = wire.read_created(pipeline, key)
                if wire.is_named(pipeline, key) or await self._key_of(run.id) == key:
                    found.append(run)
            if not _has_more(reply):
                break
        return tuple(sorted(found, key=lambda run: int(run.id) if run.id.isdecimal() else 0))

    async def create(self, job: str, key: str, parameters: Mapping[str, str]) -> Run:
        token = optional_secret(self._credential, "triggerToken")
        if token:
            request = wire.trigger_pipeline(self._project, token=token, ref=_ref(job), key=key, parameters=parameters)
        else:
            request = wire.create_pipeline(self._project, ref=_ref(job), key=key, parameters=parameters)
        run = wire.read_created((await self._endpoint.call(request)).document(), key)
        self._known.put(run.id, key)
        return run

    async def read(self, job: str, run: Run) -> RunReading:
        if run.id:
            try:
                return await self._read(run)
            except ProviderNotFound:
                pass
        found = await self.find(job, run.key)
        if not found:
            raise ProviderNotFound(f"ref `{job}` has no pipeline of this run any more", status=404)
        return await self._read(found[0])

    async def cancel(self, job: str, run: Run) -> None:
        for found in (run,) if run.id else await self.find(job, run.key):
            await self._endpoint.call(wire.cancel(self._project, found.id))

    async def check(self) -> str:
        """Prove the credential, and the project where there is one; return its path or the account."""
        if not self._project:
            return required_text((await self._endpoint.call(wire.check_account())).document(), "username")
        reply = await self._endpoint.call(wire.check(self._project))
        return required_text(reply.document(), "path_with_namespace")

    async def traceable(self, job: str) -> bool:
        """Say that pipelines can be found by their key: their variables can be read back."""
        return bool(_ref(job))

    async def _read(self, run: Run) -> RunReading:
        reply = await self._endpoint.call(wire.get_pipeline(self._project, run.id))
        reading = wire.read_pipeline(reply.document(), key=run.key, results=self._results)
        if reading.phase in _GOING_ON:
            return reading
        if reading.phase is RunPhase.FAILED:
            # Not swallowed on errors: without the reasons a timeout would be recorded as a failed test.
            phase, message = wire.read_failure(await self._endpoint.call(wire.list_failed_jobs(self._project, run.id)))
            reading = replace(reading, phase=phase, message=self._endpoint.shown(message) or reading.message)
        return replace(reading, summary=await self._summary(run.id))

    async def _summary(self, pipeline: str) -> str:
        """Read test counts; a verdict must not be lost because its counts cannot be read."""
        try:
            reply = await self._endpoint.call(wire.get_report(self._project, pipeline))
            return wire.read_report(reply.document()) if reply.ok else ""
        except ProviderError:
            return ""

    async def _key_of(self, pipeline: str) -> str:
        if pipeline not in self._known.keys:
            self._known.put(
                pipeline, wire.key_of(await self._endpoint.call(wire.get_variables(self._project, pipeline)))
            )
        return self._known.keys[pipeline]

    async def _headers(self) -> Mapping[str, str]:
        token = optional_secret(self._credential, "token")
        if token:
            return {"PRIVATE-TOKEN": token}
        if optional_secret(self._credential, "triggerToken"):
            raise ProviderUnauthorized("a `triggerToken` can only start pipelines: add a `token` with scope read_api")
        raise ProviderUnauthorized("the Secret has no key `token`")


def _ref(job: str) -> str:
    """Read the branch or tag that a job names. Raises ProviderRejected when it names none."""
    if not job.strip():
        raise ProviderRejected("the job has no name; write the branch or tag whose pipeline is to run, such as `main`")
    return job.strip()


def _has_more(reply: Reply) -> bool:
    return bool(reply.headers.get("x-next-page", "").strip()) or has_next_page(reply)


def _refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name what a trigger's refusal means: a wrong trigger token is hidden as 404."""
    if request.operation == "trigger" and reply.status == 404:
        return ProviderNotFound(f"no such project, or its token is wrong or lacks rights ({error})", status=404)
    return error
