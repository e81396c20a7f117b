"""What a sender of events is answered: by the routes alone, with everything behind them played."""

import asyncio
import hashlib
import hmac
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from activities.flux.matching import Source, Subscription
from activities.flux.planning import ProviderTarget
from activities.models.commit_statuses import CommitVerdict, StatusSlot, SubscriptionFault
from activities.models.reconciliations import FluxReport, Reconciled
from crds.api.ports import ApiError, ApiForbidden, ApiResource, ApiUnavailable
from crds.rules.flux_expressions import evaluate
from tests.activities.flux.events import KUSTOMIZE, document, subscription, target
from tests.receiver.world import FakeCluster, World, declared
from worker.flux.objects import FluxObjects
from worker.health import Health, HealthServer
from worker.opening.credentials import Credentials
from worker.receiver import flux_routes
from worker.receiver.flux_faults import Faults
from worker.receiver.flux_places import FluxPlaces
from worker.receiver.flux_routes import FluxRoutes
from worker.receiver.flux_senders import LOOKUPS_PER_SECOND, FluxSenders
from worker.receiver.index import Place
from worker.receiver.metrics import FluxMetrics
from worker.temporal.outcomes import WorkflowsUnavailable

KEY = "a-key-that-signs"
KUSTOMIZATIONS = ApiResource(group=KUSTOMIZE, version="v1", plural="kustomizations", kind="Kustomization")


@dataclass
class Played:
    """Everything behind the routes."""

    insecure: bool = False
    subscriptions: list[Subscription] = field(default_factory=lambda: [subscription(prefix="dev")])
    provider: ProviderTarget = field(default_factory=target)
    has_synced: bool = True
    away: bool = False
    sent: list[tuple[StatusSlot, CommitVerdict]] = field(default_factory=list)
    faults: list[SubscriptionFault] = field(default_factory=list)
    reports: list[tuple[Place, FluxReport]] = field(default_factory=list)
    world: World = field(default_factory=World)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    url: str = ""

    @property
    def cluster(self) -> FakeCluster:
        return self.world.cluster

    def of(self, namespace: str) -> Iterator[Subscription]:
        return (one for one in self.subscriptions if namespace in ("", one.namespace))

    def awaits(self, namespace: str) -> bool:
        return any(self.of(namespace)) or FluxPlaces(self.world.mirrors).awaits(namespace)

    def target(self, one: Subscription) -> ProviderTarget | None:
        return self.provider if one.provider == "github" else None

    async def send(self, slot: StatusSlot, verdict: CommitVerdict) -> None:
        if self.away:
            raise WorkflowsUnavailable("Temporal: UNAVAILABLE")
        self.sent.append((slot, verdict))

    async def report(self, place: Place, report: FluxReport) -> None:
        if self.away:
            raise WorkflowsUnavailable("Temporal: UNAVAILABLE")
        self.reports.append((place, report))

    async def show(self, namespace: str, name: str, fault: SubscriptionFault) -> None:
        self.faults.append(fault)

    async def post(self, body: Any, *, path: str = "/flux/flux-system/cluster", key: str = KEY) -> tuple[int, str]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {"X-Signature": f"sha256={hmac.new(key.encode(), data, hashlib.sha256).hexdigest()}"} if key else {}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=io.BytesIO(data), headers=signed) as response,
        ):
            return response.status, (await response.json())["reason"]


@asynccontextmanager
async def serving(played: Played) -> AsyncIterator[Played]:
    cluster = played.cluster
    cluster.put_secret("cluster", {"token": KEY}, namespace="flux-system")
    cluster.put_secret("cluster", {"token": KEY}, namespace="tenant")
    cluster.put_secret("silent", {"token": KEY}, namespace="flux-system", consents=False)
    cluster.put_secret("empty", {"token": ""}, namespace="flux-system")
    for mirror in played.world.mirrors._all:
        mirror._synced = True
    faults = Faults(played.show, gap_seconds=0.01)
    routes = FluxRoutes(
        senders=FluxSenders(
            Credentials(cluster, system_namespace="pilotage"), awaited=played.awaits, clock=lambda: 0.0
        ),
        subscriptions=played,
        labels=FluxObjects(cluster).labels,
        evaluate=evaluate,
        send=played.send,
        places=FluxPlaces(played.world.mirrors),
        report=played.report,
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


async def test_unsigned_events_are_accepted_only_where_the_operator_allows_it() -> None:
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


async def test_a_sender_whose_secret_is_rotated_is_proved_by_the_new_one_at_once() -> None:
    async with serving(Played()) as played:
        assert (await played.post(document()))[0] == 202
        played.cluster.put_secret("cluster", {"token": "a-new-key"}, namespace="flux-system")
        newer = document(message="after the rotation")
        assert (await played.post(newer, key="a-new-key"))[0] == 202
        assert (await played.post(document(message="by the old key"), key=KEY))[0] == 401


async def test_while_a_secret_is_rotated_both_prove_a_sender() -> None:
    async with serving(Played()) as played:
        played.cluster.put_secret("cluster", {"token": f"{KEY}\na-new-key\n"}, namespace="flux-system")
        for key, code in ((KEY, 202), ("a-new-key", 202), ("another", 401), (f"{KEY}\na-new-key\n", 202)):
            assert (await played.post(document(message=f"signed with {key!r}"), key=key))[0] == code


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


TEAM_A = Source(kind="Kustomization", name="*", namespace="flux-system", labels={"team": "a"})


async def test_an_event_whose_labels_cannot_be_read_now_is_repeated_and_not_lost() -> None:
    played = Played(subscriptions=[subscription(sources=(TEAM_A,))])
    metadata = {"name": "webapp", "namespace": "flux-system", "labels": {"team": "a"}}
    played.cluster.put(KUSTOMIZATIONS, {"metadata": metadata})
    async with serving(played):
        for away in (ApiUnavailable("no answer"), ApiError("too many requests", status=429)):
            played.cluster.hidden = away
            code, reason = await played.post(document())
            assert (code, "send it again" in reason) == (503, True)
        played.cluster.hidden = None
        assert await played.post(document()) == (202, "1 commit status")


@pytest.mark.parametrize(
    ("involved", "hidden", "text"),
    [
        ({}, ApiForbidden("no right", status=403), "ClusterRole `pilotage-receiver-flux`"),
        ({"kind": "Certificate", "apiVersion": "cert-manager.io/v1"}, None, "labels of Certificate of cert-manager"),
        ({"apiVersion": ""}, None, "labels of Kustomization of no API"),
    ],
)
async def test_labels_that_are_never_read_show_as_a_fault(
    involved: dict[str, str], hidden: Exception | None, text: str
) -> None:
    event = document()
    event["involvedObject"] |= involved
    kind = event["involvedObject"]["kind"]
    played = Played(subscriptions=[subscription(sources=(replace(TEAM_A, kind=kind),))])
    played.cluster.hidden = hidden
    async with serving(played):
        assert await played.post(event) == (202, "0 commit statuses")
        async with asyncio.timeout(10):
            while not played.faults:  # noqa: ASYNC110 -- what fills it is the port that the test plays
                await asyncio.sleep(0.01)
        assert text in played.faults[0].message
        assert played.registry.get_sample_value("pilotage_flux_plans_total", {"result": "refused"}) == 1


@pytest.mark.parametrize("limit", ["BODIES_AT_ONCE", "EVENTS_AT_ONCE"])
async def test_an_event_that_comes_while_too_many_are_at_work_is_repeated_and_not_dropped(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(flux_routes, limit, 0)
    async with serving(Played()) as busy:
        # After 429 Flux's controllers drop an event; after 503 they send it again.
        assert (await busy.post(document()))[0] == 503
        assert busy.sent == []


async def test_an_event_whose_body_comes_too_late_is_repeated_and_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux_routes, "READ_SECONDS", 0.01)

    async def hanging() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with (
        serving(Played()) as slow,
        aiohttp.ClientSession() as session,
        session.post(f"{slow.url}/flux/flux-system/cluster", data=hanging()) as response,
    ):
        # After 408 Flux's controllers drop an event.
        assert response.status == 503


async def test_a_body_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    blanks = flux_routes.BODY_LIMIT_BYTES - len(json.dumps(document()).encode())
    async with serving(Played()) as played:
        whole = json.dumps(document()).encode() + b" " * blanks
        assert (await played.post(whole + b" "))[0] == 413
        assert await played.post(whole) == (202, "1 commit status")


@pytest.mark.parametrize("message", ["\ud800 failed", "\x00\x1b[31m failed", "\u202e failed"])
async def test_text_that_nothing_can_hold_is_replaced_before_anything_reads_it(message: str) -> None:
    odd = document(message=message, reason="Build\ud800", metadata={**document()["metadata"], "x\ud800": "\udfff"})
    odd["involvedObject"]["name"] = "web\ud800app"
    expression = "event.involvedObject.name + event.message + event.reason + ''"
    played = Played(subscriptions=[subscription(inclusions=(".*failed",), exclusions=("nothing",))])
    played.provider = target(expression=expression)
    async with serving(played):
        assert await played.post(odd) == (202, "1 commit status")
    [(slot, verdict)] = played.sent
    assert (slot.context + verdict.description).isprintable()


async def test_a_recovery_that_reports_the_same_as_the_success_before_is_no_repetition() -> None:
    async with serving(Played()) as played:
        failed = document(severity="error", reason="BuildFailed", timestamp="2026-01-31T10:01:00Z")
        for event in (document(), failed, document(timestamp="2026-01-31T10:02:00Z")):
            assert (await played.post(event))[0] == 202
        assert [verdict.state for _, verdict in played.sent] == ["success", "failure", "success"]


async def test_a_clock_that_is_ahead_outdoes_no_later_event() -> None:
    async with serving(Played()) as played:
        for event in (document(timestamp="2999-01-31T10:00:00Z"), document(severity="error", reason="BuildFailed")):
            assert (await played.post(event))[0] == 202
        ahead, _ = (verdict for _, verdict in played.sent)
        assert ahead.at <= datetime.now(UTC)


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


async def test_the_slot_and_the_verdict_hold_all_that_the_workflow_needs() -> None:
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


def place(name: str, *, cluster: str = "", namespace: str = "flux-system", repository: str = "web") -> dict[str, Any]:
    """Return an Environment that the Kustomization `flux-system/webapp` of a cluster brings."""
    flux: dict[str, Any] = {"kustomization": "webapp", "namespace": "flux-system"}
    if cluster:
        flux["clusterRef"] = {"name": cluster}
    deployment = {"name": "web", "repositoryRef": {"name": repository}, "flux": flux}
    return declared("Environment", name, {"deployments": [deployment]}, namespace=namespace)


async def test_a_signed_event_is_reported_to_the_places_that_name_its_cluster_and_no_others() -> None:
    played = Played(subscriptions=[])
    for one in (
        place("dev", cluster="cluster"),
        place("other", cluster="elsewhere"),
        place("unsigned"),
        place("dev", cluster="cluster", namespace="tenant"),
    ):
        played.world.apply(one)
    async with serving(played):
        assert await played.post(document()) == (202, "0 commit statuses, 1 Environment")
        assert [(one.namespace, one.environment, one.repository) for one, _ in played.reports] == [
            ("flux-system", "dev", "web")
        ]
        report = played.reports[0][1]
        assert (report.cluster, report.kustomization, report.phase) == (
            "cluster",
            "flux-system/webapp",
            Reconciled.APPLIED,
        )


async def test_an_unsigned_event_is_reported_where_the_environment_names_no_cluster() -> None:
    played = Played(subscriptions=[], insecure=True)
    for one in (place("dev", cluster="cluster"), place("staging"), place("prod", namespace="tenant")):
        played.world.apply(one)
    async with serving(played):
        assert (await played.post(document(), path="/", key=""))[0] == 202
        assert [(one.namespace, one.environment) for one, _ in played.reports] == [
            ("flux-system", "staging"),
            ("tenant", "prod"),
        ]


async def test_a_report_that_temporal_did_not_take_is_not_accepted_and_may_come_again() -> None:
    played = Played(subscriptions=[], away=True)
    played.world.apply(place("dev", cluster="cluster"))
    async with serving(played):
        assert (await played.post(document()))[0] == 503
        played.away = False
        assert (await played.post(document()))[0] == 202
        assert len(played.reports) == 1


async def test_an_environment_that_names_a_kustomization_no_more_is_sent_nothing() -> None:
    played = Played(subscriptions=[])
    played.world.apply(place("dev", cluster="cluster"))
    played.world.remove("Environment", "dev", namespace="flux-system")
    async with serving(played):
        # Nothing awaits events there any more, so that not even the Secret is looked up.
        assert (await played.post(document()))[0] == 401
        assert (played.reports, played.cluster.asked) == ([], [])
