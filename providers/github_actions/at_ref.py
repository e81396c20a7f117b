"""Workflow runs of a TestRunner that names a branch or tag of its own (`githubActions.ref`)."""

from collections.abc import Mapping
from typing import ClassVar

from providers.models import Origin, Run, RunReading
from providers.ports import TestRuns


class RunsAtRef:
    """Start every workflow file at the runner's own branch or tag, which the adapter reads from the job's name."""

    __test__: ClassVar[bool] = False

    def __init__(self, runs: TestRuns, ref: str) -> None:
        self._runs = runs
        self._ref = ref

    async def find(self, job: str, key: str, origin: Origin | None = None) -> tuple[Run, ...]:
        """Return every run that shows this key, oldest first."""
        return await self._runs.find(self._at_ref(job), key, origin)

    async def create(self, job: str, key: str, parameters: Mapping[str, str]) -> Run:
        """Create one run that carries the key."""
        return await self._runs.create(self._at_ref(job), key, parameters)

    async def read(self, job: str, run: Run) -> RunReading:
        """Read one run."""
        return await self._runs.read(self._at_ref(job), run)

    async def cancel(self, job: str, run: Run) -> None:
        """Cancel one run."""
        await self._runs.cancel(self._at_ref(job), run)

    async def check(self) -> str:
        """Prove the credential by one cheap call."""
        return await self._runs.check()

    async def traceable(self, job: str) -> bool:
        """Return whether the file, as it is at the ref, shows its key; else a lost trigger would be repeated."""
        return await self._runs.traceable(self._at_ref(job))

    def _at_ref(self, job: str) -> str:
        return f"{job}@{self._ref}"
