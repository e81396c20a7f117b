"""Proofs end to end: the samples' connections against the stand-ins, by a real worker and a real watcher."""

import base64
import copy
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from typing import Any

import pytest
from ruamel.yaml import YAML

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import NAMESPACES, SECRETS, Document, resource_of
from crds.v1alpha1.kinds import BY_KIND
from deploy.local.demo.world import SAMPLES, SAMPLES_SANDBOX, SandboxClient
from deploy.local.environment.assembly import PIECES, LocalEnvironment
from tests.watcher.fakes import become
from tests.watcher.samples import conditions

NAMESPACE = "proofs"
TIMINGS = {"check_interval": 2, "check_initial": 0.5, "check_maximum": 1, "poll_gap": 0.2}
PROVED = (("ScmProvider", "github"), ("GitRepository", "web"), ("TestRunner", "jenkins"), ("ArgoCDInstance", "argocd"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    with LocalEnvironment(
        tmp_path_factory.mktemp("proofs"),
        temporal_in_memory=True,
        process_environment={"PILOTAGE_TIMINGS": json.dumps(TIMINGS)},
    ) as local:
        local.start(*PIECES, workers=1, watchers=1)
        yield local


def samples(sandbox_url: str) -> Iterator[Document]:
    for path in sorted(SAMPLES.glob("*.yaml")):
        for document in YAML(typ="safe").load_all(path.read_text().replace(SAMPLES_SANDBOX, sandbox_url)):
            document["metadata"]["namespace"] = NAMESPACE
            yield document


class Shop:
    """The samples in a namespace of their own."""

    def __init__(self, api: KubernetesApi, documents: Iterator[Document]) -> None:
        self.api = api
        self._documents = {(one["kind"], one["metadata"]["name"]): one for one in documents}

    async def create(self, kind: str, name: str, **spec: Any) -> None:
        document = copy.deepcopy(self._documents[kind, name])
        if spec:
            document["spec"] = spec
        await self.api.create(resource_of(BY_KIND[kind].definition), NAMESPACE, document)

    async def write_secret(self, name: str, **values: str) -> None:
        """Create a sample Secret, or replace values of one that is there."""
        known = {one["metadata"]["name"] for one in (await self.api.list_all(SECRETS, NAMESPACE)).items}
        if name in known:
            data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
            await self.api.merge(SECRETS, NAMESPACE, name, {"data": data})
        else:
            await self.api.create(SECRETS, NAMESPACE, self._documents["Secret", name])

    async def read(self, kind: str, name: str) -> Document:
        return await self.api.get(resource_of(BY_KIND[kind].definition), NAMESPACE, name)

    async def await_reason(self, kind: str, name: str, reason: str) -> Document:
        """Wait until the proof of a resource has this reason, and return its condition."""
        seen: list[Document] = []

        async def reached() -> bool:
            found = conditions(await self.read(kind, name))
            seen[:] = [found[one] for one in ("Reachable",) if one in found]
            return bool(seen) and seen[0]["reason"] == reason

        try:
            await become(reached)
        except TimeoutError:
            pytest.fail(f"{kind}/{name} is not {reason} but {seen}")
        return seen[0]


@pytest.fixture
async def shop(environment: LocalEnvironment) -> AsyncIterator[Shop]:
    async with await KubernetesApi.connect(kubeconfig=str(environment.kubeconfig)) as api:
        if NAMESPACE not in {one["metadata"]["name"] for one in (await api.list_all(NAMESPACES)).items}:
            await api.create(NAMESPACES, None, {"metadata": {"name": NAMESPACE}})
        yield Shop(api, samples(environment.sandbox_url))


async def test_each_connection_shows_what_it_misses_and_is_proved_once_it_has_it(shop: Shop) -> None:
    for kind, name in PROVED:
        await shop.create(kind, name)
    for kind, name in PROVED:
        missing = await shop.await_reason(kind, name, "SecretNotFound")
        assert missing["status"] == "False"
        assert "create it" in missing["message"]
    for secret in ("github-token", "jenkins-token", "argocd-token"):
        await shop.write_secret(secret)
    for kind, name in PROVED:
        assert (await shop.await_reason(kind, name, "CredentialAccepted"))["status"] == "True"
    assert (await shop.read("ArgoCDInstance", "argocd"))["status"]["version"].startswith("v")


async def test_a_token_that_is_no_good_any_more_is_noticed_and_so_is_its_successor(
    shop: Shop, environment: LocalEnvironment
) -> None:
    worker = environment.pid("worker-1")
    before = (await shop.read("TestRunner", "jenkins"))["metadata"]["resourceVersion"]
    tokens = {"github-token": "sandbox-github-token", "argocd-token": "sandbox-argocd-token"}
    for secret in tokens:
        await shop.write_secret(secret, token="expired-and-useless")
    for kind, name in (one for one in PROVED if one[0] != "TestRunner"):
        refused = await shop.await_reason(kind, name, "Unauthorized")
        assert "put a valid one into" in refused["message"]
        assert "expired-and-useless" not in json.dumps(await shop.read(kind, name))
    for secret, token in tokens.items():
        await shop.write_secret(secret, token=token)
    for kind, name in PROVED:
        await shop.await_reason(kind, name, "CredentialAccepted")
    # The same process called with the one, the other, and the first again.
    journal = SandboxClient(environment.sandbox_url).journal()
    used = [call["auth_sha256"] for call in journal if call["system"] == "argocd" and call["auth_sha256"]]
    bearers = [
        hashlib.sha256(f"Bearer {token}".encode()).hexdigest()
        for token in (tokens["argocd-token"], "expired-and-useless", tokens["argocd-token"])
    ]
    assert ([one for one, _ in groupby(used)], environment.pid("worker-1")) == (bearers, worker)
    # What stays proved is checked in silence.
    assert (await shop.read("TestRunner", "jenkins"))["metadata"]["resourceVersion"] == before


async def test_a_repository_that_is_not_there_and_a_server_that_does_not_answer_are_distinguished(shop: Shop) -> None:
    resource = resource_of(BY_KIND["GitRepository"].definition)
    await shop.api.merge(resource, NAMESPACE, "web", {"spec": {"github": {"name": "webb"}}})
    await shop.await_reason("GitRepository", "web", "NotFound")
    await shop.api.merge(resource, NAMESPACE, "web", {"spec": {"github": {"name": "web"}}})
    await shop.await_reason("GitRepository", "web", "CredentialAccepted")
    spec = {"jenkins": {"url": "http://127.0.0.1:1"}}
    await shop.api.merge(resource_of(BY_KIND["TestRunner"].definition), NAMESPACE, "jenkins", {"spec": spec})
    refused = await shop.await_reason("TestRunner", "jenkins", "Unavailable")
    assert refused["status"] != "True"


async def test_a_github_repository_with_a_gitlab_provider_is_never_ready(shop: Shop) -> None:
    provider = resource_of(BY_KIND["ScmProvider"].definition)
    change = {"spec": {"github": None, "gitlab": {"domain": "http://127.0.0.1:1"}}}
    await shop.api.merge(provider, NAMESPACE, "github", change)
    refused = await shop.await_reason("GitRepository", "web", "Invalid")
    assert "is a gitlab host" in refused["message"]
