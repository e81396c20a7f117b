"""The statuses of all repositories of an Environment share one object, which etcd must take."""

import asyncio
from typing import Any

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.places import PlaceWriter
from crds.api.ports import ApiInvalid, Document
from crds.rules.status_budget import ENTRIES_BYTES, ENTRY_BYTES, budget_of, fitting, size_of
from crds.v1alpha1.environment_status import MAX_REPOSITORIES, RepositoryStatus
from tests.watcher.samples import ENVIRONMENTS

NOW = "2026-01-01T00:00:00Z"
ETCD_BYTES = 1_500_000


def largest(repository: str, *, deployments: int = 100, sequence: int = 1) -> Document:
    """Return an entry as full as its schema allows, with characters of several bytes."""
    artifact = {"component": "c" * 63, "revision": "a" * 64, "image": "i" * 256, "tag": "t" * 128}
    entry: dict[str, Any] = {
        "repository": repository,
        "sequence": sequence,
        "deployments": [
            {"name": f"d{one}", "artifact": artifact, "health": "Degraded", "since": NOW, "problem": "é" * 1024}
            for one in range(deployments)
        ],
        "lane": {
            "holder": f"{repository}-1",
            "members": [{"tracker": f"{repository}-{one}", "phase": "Working", "held": False} for one in range(200)],
        },
        "history": [{"at": NOW, "artifacts": [artifact] * 50, "tracker": f"{repository}-1"} for _ in range(20)],
    }
    RepositoryStatus.model_validate(entry)
    return entry


def declaring(*repositories: str) -> Document:
    argocd = {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web"}
    return {
        "deployments": [
            {"name": f"d{one}", "repositoryRef": {"name": name}, "argocd": argocd}
            for one, name in enumerate(repositories)
        ]
    }


@pytest.mark.parametrize("deployments", [1, 100])
def test_all_entries_together_stay_within_the_budget_however_often_they_are_written(deployments: int) -> None:
    document = {"metadata": {"name": "dev"}, "spec": declaring("web")}
    entries: dict[str, Document] = {}
    for turn in range(MAX_REPOSITORIES + 20):
        name = f"repository-{turn * 7 % MAX_REPOSITORIES}"
        others = [one for known, one in entries.items() if known != name]
        limit = budget_of(document, others)
        entries[name] = fitting(largest(name, deployments=deployments), limit)

        assert limit >= ENTRY_BYTES
        assert size_of(entries[name]) <= limit
        assert entries[name]["lane"]["holder"] == f"{name}-1"
        assert entries[name]["deployments"]
        assert sum(size_of(one) for one in entries.values()) <= ENTRIES_BYTES
    assert len(entries) == MAX_REPOSITORIES


def test_an_entry_that_fits_is_written_as_it_is() -> None:
    entry = largest("web", deployments=2)
    assert fitting(entry, size_of(entry)) is entry


def test_history_goes_before_members_and_members_before_deployments_and_what_goes_is_counted() -> None:
    entry = largest("web")
    history, lane, deployments = entry["history"], entry["lane"]["members"], entry["deployments"]
    without_history = size_of({**entry, "history": []})

    short = fitting(entry, without_history + size_of(history[0]) + 100)
    assert (len(short["history"]), len(short["lane"]["members"]), len(short["deployments"])) == (1, 200, 100)
    assert short["omitted"] == f"history {len(history) - 1}"

    bare = fitting(entry, 2_000)
    assert len(bare["deployments"]) < len(deployments)
    assert bare["omitted"].startswith(f"history {len(history)}, members {len(lane)}, deployments ")


async def test_an_environment_of_a_hundred_repositories_is_taken_and_its_hundred_and_first_when_one_left(
    api: KubernetesApi, namespace: str
) -> None:
    names = [f"repository-{one}" for one in range(MAX_REPOSITORIES)]
    await api.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": declaring(*names)})
    writer = PlaceWriter(api)
    # Those that come together are one write; the last ones meet a status that is full as it stands.
    for names_together in (names[:-2], names[-2:-1], names[-1:]):
        entries = [writer.publish(namespace, "dev", largest(name)) for name in names_together]
        assert all(one.written for one in await asyncio.gather(*entries))

    found = await api.get(ENVIRONMENTS, namespace, "dev")
    assert sorted(one["repository"] for one in found["status"]["repositories"]) == sorted(names)
    assert size_of(found) < ETCD_BYTES * 3 // 4

    with pytest.raises(ApiInvalid, match="dev"):
        await writer.publish(namespace, "dev", largest("another"))
    change = {"spec": declaring("another", *names[1:])}
    await api.merge(ENVIRONMENTS, namespace, "dev", change)
    assert (await writer.publish(namespace, "dev", largest("another"))).written
    found = await api.get(ENVIRONMENTS, namespace, "dev")
    assert {one["repository"] for one in found["status"]["repositories"]} == {"another", *names[1:]}


def test_an_entry_that_left_something_out_already_keeps_its_note_where_it_is_shortened() -> None:
    entry = {**largest("web"), "omitted": "only a part of the status could be written"}
    found = fitting(entry, 2_000)
    assert size_of(found) <= 2_000
    assert found["omitted"].startswith("history ")
    assert found["omitted"].endswith("; only a part of the status could be written")
