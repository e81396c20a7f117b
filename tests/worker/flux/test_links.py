"""A commit status without an address of its own links to the workflow that posts it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

from temporalio.client import Client

from activities.models.commit_statuses import CommitVerdict, StatusSlot
from activities.models.tracking import Timings
from worker.temporal.commit_statuses import TemporalCommitStatuses

SLOT = StatusSlot(
    namespace="shop",
    provider="github",
    provider_uid="uid-1",
    repository="github.com/acme/web",
    commit="a" * 40,
    context="dev/kustomization/apps/web",
)
VERDICT = CommitVerdict(at=datetime(2026, 1, 31, tzinfo=UTC), state="success", description="applied")


@dataclass
class Started:
    """Keeps what a client is asked to start."""

    namespace: str = "pilotage"
    workflows: dict[str, CommitVerdict] = field(default_factory=dict)

    async def start_workflow(self, _name: str, _start: Any, *, id: str, **options: Any) -> SimpleNamespace:  # noqa: A002 -- the SDK's name
        [self.workflows[id]] = options["start_signal_args"]
        return SimpleNamespace(result_run_id="run-1")


async def linked(verdict: CommitVerdict, ui_url: str) -> tuple[str, CommitVerdict]:
    client = Started()
    statuses = TemporalCommitStatuses(
        client=cast(Client, client), installation="main", timings=Timings(), ui_url=ui_url
    )
    await statuses.signal(SLOT, verdict)
    [found] = client.workflows.items()
    return found


async def test_a_status_without_an_address_links_to_its_workflow_where_a_ui_is_configured() -> None:
    workflow_id, sent = await linked(VERDICT, "https://temporal.example.com")
    assert (
        sent.target_url == f"https://temporal.example.com/namespaces/pilotage/workflows/{quote(workflow_id, safe='')}"
    )
    assert (await linked(VERDICT, ""))[1].target_url == ""


async def test_the_address_of_a_commit_status_wins_over_the_link_to_its_workflow() -> None:
    own = replace(VERDICT, target_url="https://ui.example.com")
    assert (await linked(own, "https://temporal.example.com"))[1] == own
