"""The row of an Environment in `kubectl get penv`."""

from typing import Any

from crds.rules.place_summary import summary_of


def deployment(name: str, component: str = "", health: str = "Healthy", **artifact: str) -> dict[str, Any]:
    return {"name": name, "health": health, "artifact": {"component": component, **artifact} if artifact else None}


def test_each_component_is_shown_with_its_tag_or_the_beginning_of_its_commit() -> None:
    entries = [
        {"repository": "shop", "deployments": [deployment("api", "api", revision="9f3c1d2e" * 5, tag="1.4.0")]},
        {"repository": "blog", "deployments": [deployment("blog", revision="0a1b2c3d" * 5)]},
    ]
    assert summary_of(entries)["runs"] == "blog@0a1b2c3d0a1b, api@1.4.0"


def test_several_artifacts_of_a_component_and_what_is_unknown_are_no_artifact() -> None:
    entry = {
        "repository": "web",
        "deployments": [
            deployment("web-a", revision="a" * 40),
            deployment("web-b", revision="b" * 40),
            deployment("worker"),
        ],
    }
    assert summary_of([entry])["runs"] == "web@?, worker@?"


def test_the_worst_health_and_every_holder_of_a_lane_are_shown() -> None:
    entries = [
        {"repository": "a", "deployments": [deployment("x", health="Progressing")], "lane": {"holder": "a-1"}},
        {"repository": "b", "deployments": [deployment("y", health="Degraded")], "lane": {"members": []}},
        {"repository": "c", "deployments": [deployment("z", health="Unheard")], "lane": {"holder": "c-3"}},
    ]
    found = summary_of(entries)
    assert (found["health"], found["lane"]) == ("Degraded", "a-1, c-3")


def test_a_place_of_which_nothing_is_known_has_an_empty_row() -> None:
    assert summary_of([]) == {}


def test_a_row_of_a_hundred_repositories_still_fits_a_column() -> None:
    many = [
        {"repository": f"r{n}", "deployments": [deployment(f"d{n}", revision="c" * 40)], "lane": {"holder": f"r{n}-1"}}
        for n in range(100)
    ]
    found = summary_of(many)
    assert all(len(found[name]) <= 48 for name in ("runs", "lane"))
