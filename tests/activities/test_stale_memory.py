"""A worker's memory of what is declared may be older than a signal: nothing ends and nothing is dropped by it alone."""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment

from activities.commit_statuses import CommitStatusPosts
from activities.drift.looks import DriftLooks
from activities.environments import read_resource
from activities.event_sinks.delivering import EventDeliveries
from activities.models.commit_statuses import CommitVerdict, PostCommitStatusInput, PostOutcome, StatusSlot
from activities.models.drift import LookForDriftInput
from activities.models.event_sinks import DeliverEventsInput, SinkOutcome, SinkRef
from activities.models.repository_sync import TidyRepositoryInput
from activities.ports import NewsReceivers, OpenSink, PostingProvider, ResourceOpener
from activities.record_sinks import RecordSink
from activities.repository_sync import RepositorySyncs
from crds.api.mirror import DeclarationMirror, MirroredReads
from crds.api.ports import Document, resource_of
from crds.api.reflector import Key
from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.flux_provider import Provider
from crds.v1alpha1.git_repository import GitRepository
from providers.models import CommitStatus, EventMessage
from tests.activities.event_sinks.samples import event
from tests.activities.test_drift import INSTANCE, World
from tests.watcher.fakes import FakeKubernetes
from tests.workflows.commit_status.world import SentVerdicts

OLDER = pytest.mark.parametrize("older", [{"uid": "uid-before"}, {"suspend": True}], ids=["made again", "resumed"])


def document(kind: type[Resource], spec: Document, uid: str = "uid-now") -> Document:
    metadata = {"name": "it", "namespace": "shop", "uid": uid, "generation": 1}
    return {"apiVersion": "pilotage.dev/v1alpha1", "kind": kind.definition.kind, "metadata": metadata, "spec": spec}


def remembered(kubernetes: FakeKubernetes, kind: type[Resource], older: Document) -> MirroredReads:
    """Return the reads of a worker whose watch lags: it knows an object as it was before."""
    resource = resource_of(kind.definition)
    mirror = DeclarationMirror(kubernetes, [resource])
    [kept] = mirror._mirrors[resource]
    kept._objects[Key("shop", older["metadata"]["name"])] = older
    kept._in_touch_at = time.monotonic()
    assert mirror.find(resource, "shop", older["metadata"]["name"]) is older
    return MirroredReads(kubernetes, mirror)


def lagging(kind: type[Resource], spec: Document, older: dict[str, Any]) -> MirroredReads:
    """Return the reads of a worker that knows an object with another uid, or another spec, than it has now."""
    kubernetes = FakeKubernetes()
    kubernetes.put(resource_of(kind.definition), document(kind, spec))
    uid = older.get("uid", "uid-now")
    known = document(kind, {**spec, **{key: value for key, value in older.items() if key != "uid"}}, uid)
    return remembered(kubernetes, kind, known)


@dataclass
class Opener:
    """Open sinks and Providers, as they are read, at a host that takes everything."""

    reads: MirroredReads
    taken: list[str] = field(default_factory=list)

    async def event_sink(self, namespace: str, name: str) -> OpenSink:
        found = await read_resource(self.reads, EventSink, namespace, name)
        return OpenSink(uid=found.metadata.uid or "", spec=found.spec, receiver=self)

    async def posting_provider(self, namespace: str, name: str, *, flux: bool = False) -> PostingProvider:
        found = await read_resource(self.reads, Provider, namespace, name)
        return PostingProvider(
            uid=found.metadata.uid or "",
            suspended=found.spec.suspend,
            timeout=found.spec.timeout,
            host=cast(Any, SimpleNamespace(commit_statuses=self)),
        )

    async def post(self, message: EventMessage) -> None:
        self.taken.append(message.id)

    async def set(self, commit: str, status: CommitStatus) -> None:
        self.taken.append(status.description)


@OLDER
async def test_an_event_is_sent_to_a_sink_that_was_made_again_or_resumed(older: dict[str, Any]) -> None:
    sinks = Opener(lagging(EventSink, {"type": "Webhook", "url": "https://hooks.example.com"}, older))
    sink = SinkRef(namespace="shop", name="it", uid="uid-now")
    request = DeliverEventsInput(namespace="shop", installation="main", sink=sink, events=(event(number=1),))
    found = await ActivityEnvironment().run(EventDeliveries(sinks).deliver_events, request)
    assert (found.outcome, sinks.taken) == (SinkOutcome.DELIVERED, [event(number=1).id])


@OLDER
async def test_a_verdict_is_posted_by_a_provider_that_was_made_again_or_resumed(older: dict[str, Any]) -> None:
    spec = {"type": "github", "address": "https://github.com/acme/web", "secretRef": {"name": "token"}}
    providers = Opener(lagging(Provider, spec, older))
    posts = CommitStatusPosts(providers, SentVerdicts())
    slot = StatusSlot(
        namespace="shop",
        provider="it",
        provider_uid="uid-now",
        repository="github.com/acme/web",
        commit="a" * 40,
        context="dev",
    )
    verdict = CommitVerdict(at=datetime.now(UTC), state="success", description="applied")
    request = PostCommitStatusInput(namespace="shop", slot=slot, verdict=verdict, look_first=False)
    found = await ActivityEnvironment().run(posts.post_commit_status, request)
    assert (found.outcome, providers.taken) == (PostOutcome.POSTED, ["applied"])


async def test_an_instance_that_was_made_again_is_looked_at() -> None:
    world = World()
    await world.create()
    now = await world.kubernetes.get(resource_of(ArgoCDInstance.definition), "shop", INSTANCE.name)
    older = {**now, "metadata": {**now["metadata"], "uid": "uid-before"}}
    looks = DriftLooks(remembered(world.kubernetes, ArgoCDInstance, older), world.opener)
    found = await looks.look(LookForDriftInput(instance=replace(INSTANCE, uid=now["metadata"]["uid"])))
    assert (found.gone, found.monitors) == (False, 1)
    assert (await looks.look(LookForDriftInput(instance=replace(INSTANCE, uid="uid-of-none")))).gone


async def test_a_repository_that_was_made_again_is_tidied() -> None:
    spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
    reads = lagging(GitRepository, spec, {"uid": "uid-before"})
    syncs = RepositorySyncs(
        reads, cast(ResourceOpener, None), cast(NewsReceivers, None), cast(RecordSink, SimpleNamespace(exports=False))
    )
    request = TidyRepositoryInput(namespace="shop", repository="it", uid="uid-now")
    assert not (await ActivityEnvironment().run(syncs.tidy_repository, request)).gone
    assert (await ActivityEnvironment().run(syncs.tidy_repository, replace(request, uid="uid-of-none"))).gone
