"""Evidence of a flawless run of one change, for tests that spoil it."""

from typing import Any

from tests.chaos.calls import Call
from tests.chaos.evidence import Application, Build, Evidence, Write
from tests.chaos.world import Change, World

WORLD = World(promotions=3)
FIRST, SECOND, THIRD = (WORLD.merge_sha(Change(repository="app1", number=number)) for number in (1, 2, 3))
BEGAN_AT = 1000.0
PASSED = (
    ("integration", "dev", 1010.0, "k1"),
    ("e2e", "dev", 1010.0, "k2"),
    ("smoke", "staging", 1020.0, "k3"),
)


def build(job: str, source: str, at: float, key: str, **changes: Any) -> Build:
    """Return a build of the first change that began then and passed a second later."""
    fields: dict[str, Any] = {
        "job": f"app1/{job}",
        "number": 1,
        "key": key,
        "revision": FIRST,
        "pull": 1,
        "source": source,
        "result": "SUCCESS",
        "started_at": at,
        "ended_at": at + 1,
    }
    return Build(**{**fields, **changes})


def tracker(number: int, *, state: str = "Completed", promotions: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Return a tracker as the API server would."""
    return {"metadata": {"name": f"app1-{number}"}, "status": {"state": state, "promotions": list(promotions)}}


def record(source: str, target: str, *tests: tuple[str, str]) -> dict[str, Any]:
    """Return a record that promoted the first change; tests are (name, key)."""
    shown = [{"name": name, "key": key, "state": "Passed", "number": "1"} for name, key in tests]
    promoted = {"result": "Promoted", "source": source, "target": target, "tests": shown}
    return {**promoted, "artifacts": [{"component": "app1", "revision": FIRST}]}


def application(stage: str, **changes: Any) -> Application:
    """Return an application at rest on the newest change, which carries the others along."""
    fields: dict[str, Any] = {
        "name": f"app1-{stage}",
        "target": THIRD,
        "live": THIRD,
        "sync": "Synced",
        "health": "Healthy",
        "phase": None if stage == "dev" else "Succeeded",
        "operating": False,
    }
    return Application(**{**fields, **changes})


def flawless_fields() -> dict[str, Any]:
    """The fields of an Evidence in which every promise was kept."""
    first = tracker(
        1,
        promotions=(
            record("dev", "staging", ("integration", "k1"), ("e2e", "k2")),
            record("staging", "prod", ("smoke", "k3")),
        ),
    )
    return {
        "world": WORLD,
        "trackers": [first, tracker(2), tracker(3)],
        "builds": [build(*passed) for passed in PASSED],
        "writes": [
            Write(application="app1-staging", revision=FIRST, at=1012.0),
            Write(application="app1-prod", revision=FIRST, at=1022.0),
        ],
        "syncs": [
            Write(application="app1-staging", revision=FIRST, at=1012.1, key="s1"),
            Write(application="app1-prod", revision=FIRST, at=1022.1, key="s2"),
        ],
        "applications": [application(stage) for stage in ("dev", "staging", "prod")],
        "leaks": [],
        "attempts": [Call(key=key, at=at - 0.2, what="trigger carried out, answered 201") for _, _, at, key in PASSED],
        "began_at": BEGAN_AT,
    }


def evidence(fields: dict[str, Any], **changes: Any) -> Evidence:
    """Return the evidence with some fields changed."""
    return Evidence(**{**fields, **changes})
