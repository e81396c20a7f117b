"""What a sender of events is answered: by the routes alone, with everything behind them played."""

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from activities.flux.matching import Subscription
from activities.flux.planning import Target
from activities.models.commit_statuses import CommitVerdict, StatusSlot, SubscriptionFault
from crds.rules.flux_expressions import evaluate
from tests.activities.flux.events import document, subscription, target
from tests.receiver.world import FakeCluster
from worker.flux.objects import FluxObjects
from worker.health import Health, HealthServer
from worker.opening.credentials import Credentials
from worker.receiver.flux_faults import Faults
from worker.receiver.flux_routes import FluxRoutes
from worker.receiver.flux_senders import LOOKUPS_PER_SECOND, FluxSenders
from worker.receiver.metrics import FluxMetrics
from worker.temporal.outcomes import WorkflowsUnavailable

KEY = "a-key-that-signs"


@dataclass
class Played:
    """Everything behind the routes."""

    insecure: bool = False
    subscriptions: list[Subscription] = field(default_factory=lambda: [subscription(prefix="dev")])
    has_synced: bool = True
    away: bool = False
    sent: list[tuple[StatusSlot, CommitVerdict]] = field(default_factory=list)
    faults: list[SubscriptionFault] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    url: str = ""

    def of(self, namespace: str) -> Iterator[Subscription]:
        return (one for one in self.subscriptions if namespace in ("", one.namespace))

    def awaits(self, namespace: str) -> bool:
        return any(self.of(namespace))

    def target(self, one: Subscription) -> Target | None:
        return target() if one.provider == "github" else None

    async def send(self, slot: StatusSlot, verdict: CommitVerdict) -> None:
        if self.away:
            raise WorkflowsUnavailable("Temporal: UNAVAILABLE")
        self.sent.append((slot, verdict))

    async def show(self, namespace: str, name: str, fault: SubscriptionFault) -> None:
        self.faults.append(fault)

    async def post(self, body: Any, *, path: str = "/flux/flux-system/cluster", key: str = KEY) -> tuple[int, str]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {"X-Signature": f"sha256={hmac.new(key.encode(), data, hashlib.sha256).hexdigest()}"} if key else {}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=data, headers=signed) as response,
        ):
            return response.status, (await response.json())["reason"]


@asynccontextmanager
async def serving(played: Played) -> AsyncIterator[Played]:
    cluster = played.cluster
    cluster.put_secret("cluster", {"token": KEY}, namespace="flux-system")
    cluster.put_secret("cluster", {"token": KEY}, namespace="tenant")
    cluster.put_secret("silent", {"token": KEY}, namespace="flux-system", consents=False)
    cluster.put_secret("empty", {"token": ""}, namespace="flux-system")
    faults = Faults(played.show, gap_seconds=0.01)
    routes = FluxRoutes(
        senders=FluxSenders(
            Credentials(cluster, system_namespace="pilotage"), awaited=played.awaits, clock=lambda: 0.0
        ),
        subscriptions=played,
        labels=FluxObjects(cluster).labels,
        evaluate=evaluate,
        send=played.send,
        faults=faults,
        metrics=FluxMetrics(played.registry),
        insecure=played.insecure,
    )
    server = HealthServer(
        Health(), host="127.0.0.1", port=0, registry=played.registry, routes=routes.routes(), sdk_metrics_url=""
    )
    async with server:
        played.url = f"http://127.0.0.1:{server.port}"
        yield played
        await faults.close()


async def test_unsigned_events_are_accepted_only_where_the_operator_says_so() -> None:
    for path in ("/", "/flux/events"):
        async with serving(Played()) as safe:
            assert (await safe.post(document(), path=path, key=""))[0] == 401
            assert (await safe.post(document(), path=path))[0] == 401
            assert safe.sent == []
        async with serving(Played(insecure=True)) as open_:
            assert await open_.post(document(), path=path, key="") == (202, "1 commit status")
            assert len(open_.sent) == 1


async def test_a_sender_is_proved_by_the_secret_of_its_address() -> None:
    async with serving(Played(insecure=True)) as played:
        for name, key in (("cluster", "another"), ("cluster", ""), ("silent", KEY), ("empty", ""), ("absent", KEY)):
            code, reason = await played.post(document(), path=f"/flux/flux-system/{name}", key=key)
            # A sender that cannot prove it learns neither whether a Secret exists nor what is wrong with it.
            assert (code, "no signature of this address fits" in reason) == (401, True)
        assert played.sent == []
        assert (await played.post(document()))[0] == 202


async def test_a_tenant_sends_events_to_the_subscriptions_of_its_namespace_alone() -> None:
    own = subscription(namespace="tenant")
    async with serving(Played(subscriptions=[subscription(prefix="dev"), own])) as played:
        assert await played.post(document(), path="/flux/tenant/cluster") == (202, "1 commit status")
        assert [verdict.subscription for _, verdict in played.sent] == ["CommitStatus/tenant/webapp"]


async def test_no_secret_is_read_where_nothing_awaits_events_or_too_many_names_prove_nothing() -> None:
    async with serving(Played()) as played:
        assert (await played.post(document(), path="/flux/tenant/cluster"))[0] == 401
        assert played.cluster.asked == []
        assert (await played.post(document()))[0] == 202
        names = [f"guess-{number}" for number in range(LOOKUPS_PER_SECOND + 5)]
        codes = await asyncio.gather(*(played.post(document(), path=f"/flux/flux-system/{name}") for name in names))
        assert Counter(code for code, _ in codes) == {401: LOOKUPS_PER_SECOND - 1, 503: 6}
        assert len(played.cluster.asked) == LOOKUPS_PER_SECOND
        # Who proved it before is not held up by those who guess.
        assert (await played.post(document(message="another")))[0] == 202


async def test_an_event_that_temporal_did_not_take_is_not_accepted_and_may_come_again() -> None:
    async with serving(Played(away=True)) as played:
        code, reason = await played.post(document())
        assert (code, "send it again" in reason) == (503, True)
        played.away = False
        assert (await played.post(document()))[0] == 202
        assert (await played.post(document()))[0] == 429


async def test_a_recovery_that_says_the_same_as_the_success_before_is_no_repetition() -> None:
    async with serving(Played()) as played:
        failed = document(severity="error", reason="BuildFailed", timestamp="2026-01-31T10:01:00Z")
        for event in (document(), failed, document(timestamp="2026-01-31T10:02:00Z")):
            assert (await played.post(event))[0] == 202
        assert [verdict.state for _, verdict in played.sent] == ["success", "failure", "success"]


async def test_a_receiver_that_does_not_know_all_subscriptions_yet_accepts_nothing() -> None:
    async with serving(Played(has_synced=False)) as played:
        assert (await played.post(document()))[0] == 503


async def test_a_fault_is_shown_on_its_subscription_and_what_is_skipped_is_counted() -> None:
    played = Played(subscriptions=[subscription(provider="absent"), subscription(name="other", suspended=True)])
    async with serving(played):
        assert await played.post(document()) == (202, "0 commit statuses")
        async with asyncio.timeout(10):
            while not played.faults:  # noqa: ASYNC110 -- what fills it is the port that the test plays
                await asyncio.sleep(0.01)
        assert "`absent` does not exist" in played.faults[0].message
        counted = played.registry.get_sample_value
        assert counted("pilotage_flux_plans_total", {"result": "refused"}) == 1
        assert counted("pilotage_flux_events_total", {"code": "202"}) == 1


async def test_the_slot_and_the_verdict_say_all_that_the_workflow_needs() -> None:
    async with serving(Played(subscriptions=[subscription(target_url="https://ui.example.com")])) as played:
        await played.post(document(severity="error", message="it\nfailed"))
        ((slot, verdict),) = played.sent
        assert (slot.repository, slot.context, slot.provider) == (
            "github.com/acme/web",
            "kustomization/webapp/0c9c2e41",
            "github",
        )
        assert (verdict.state, verdict.description, verdict.target_url) == (
            "failure",
            "it failed",
            "https://ui.example.com",
        )
        assert (verdict.object, verdict.commit_status) == ("Kustomization/flux-system/webapp", "webapp")
