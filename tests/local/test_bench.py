"""The benchmark's own arithmetic: rows, the table, the script of the bare workflow, and what is read from histories."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from deploy.local.sandbox.clock import Clock
from deploy.local.sandbox.options import Options
from tests.bench.baseline import baseline
from tests.bench.costs import read_requests
from tests.bench.killing import in_hands
from tests.bench.returning import measure_return
from tests.bench.rows import AT_LEAST, Row, median, rounded, spread, table
from tests.bench.scaling import shares
from tests.bench.scene import MERGED, MIDDLE, SOURCE, TARGET, Scene
from tests.bench.script import Do, Step, activities_scheduled, read_script
from tests.bench.throughput import history
from tests.bench.usage import Usage, grouped, read_usage
from worker.temporal.conversion import DATA_CONVERTER

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FAST_ROW = Row(name="polls", value=11, target=11, detail={"bare": 11})
SLOW_ROW = Row(name="promotions/s", value=0.8, target=0.9, bound=AT_LEAST)
FREE_ROW = Row(name="share", value=3, unit="per s")


class History:
    """Builds events as a server writes them."""

    def __init__(self) -> None:
        self.events: list[HistoryEvent] = []

    def add(self, kind: str, *, after: float = 0.0, **attributes: Any) -> int:
        number = len(self.events) + 1
        at = Timestamp()
        at.FromDatetime(BEGAN + timedelta(seconds=after))
        event = HistoryEvent(event_id=number, event_type=EventType.Value(f"EVENT_TYPE_{kind}"), event_time=at)
        if attributes:
            name = f"{kind.lower()}_event_attributes"
            target = getattr(event, name)
            target.SetInParent()
            for key, value in attributes.items():
                _assign(target, key, value)
        self.events.append(event)
        return number

    def activity(self, name: str, queue: str) -> int:
        return self.add("ACTIVITY_TASK_SCHEDULED", activity_type__name=name, task_queue__name=f"local.{queue}")

    def completed(self, scheduled: int) -> None:
        self.add("ACTIVITY_TASK_COMPLETED", scheduled_event_id=scheduled)

    def signal(self, name: str) -> None:
        self.add("WORKFLOW_EXECUTION_SIGNALED", signal_name=name)


def _assign(target: Any, path: str, value: object) -> None:
    *parents, last = path.split("__")
    for parent in parents:
        target = getattr(target, parent)
    if isinstance(value, Duration):
        getattr(target, last).CopyFrom(value)
    else:
        setattr(target, last, value)


def test_a_row_shows_whether_its_target_is_met() -> None:
    assert FAST_ROW.ok
    assert not SLOW_ROW.ok
    assert FREE_ROW.ok


def test_a_row_is_one_line_of_json() -> None:
    assert json.loads(SLOW_ROW.line()) == {
        "name": "promotions/s",
        "value": 0.8,
        "unit": "",
        "target": "≥ 0.9",
        "ok": False,
        "detail": {},
    }
    assert json.loads(FREE_ROW.line())["target"] == ""


def test_the_table_shows_misses_and_leaves_figures_without_target_open() -> None:
    assert table([FAST_ROW, SLOW_ROW, FREE_ROW]).splitlines()[2:] == [
        "| polls | 11 | ≤ 11 | yes |",
        "| promotions/s | 0.8 | ≥ 0.9 | **no** |",
        "| share | 3 per s |  |  |",
    ]


def test_figures_are_summed_up_by_median_and_spread() -> None:
    assert median([3, 1, 2]) == 2
    assert rounded(1234.5) == 1230
    assert spread(range(1, 21)) == {"min": 1, "p50": 10.5, "p95": 19, "max": 20, "samples": 20}


def test_a_script_awaits_what_the_history_awaited_in_its_order() -> None:
    history = History()
    history.add("WORKFLOW_EXECUTION_STARTED")
    read = history.activity("read_repository", "config")
    inform = history.activity("send_view", "config")
    history.completed(inform)
    history.signal("place")
    timer = history.add("TIMER_STARTED", start_to_fire_timeout=Duration(seconds=2))
    history.add("TIMER_CANCELED", started_event_id=timer)
    history.completed(read)
    assert read_script(history.events) == (
        Step(do=Do.ACTIVITY, id=read, queue="config"),
        Step(do=Do.ACTIVITY, id=inform, queue="config", signals=True),
        Step(do=Do.AWAIT, id=inform),
        Step(do=Do.SIGNAL),
        Step(do=Do.TIMER, id=timer, duration=timedelta(seconds=2)),
        Step(do=Do.CANCEL, id=timer),
        Step(do=Do.AWAIT, id=read),
    )


def test_a_farewell_without_an_answer_sends_no_signal_in_the_script() -> None:
    history = History()
    history.activity("send_view", "config")
    history.signal("place")
    history.activity("send_view", "config")
    assert [step.signals for step in read_script(history.events) if step.do is Do.ACTIVITY] == [True, False]


def test_a_signal_that_came_before_any_activity_that_could_send_it_is_not_awaited() -> None:
    history = History()
    history.signal("poke")
    history.activity("send_view", "config")
    history.activity("deliver_application", "delivery")
    history.signal("place")
    script = read_script(history.events)
    assert [step.signals for step in script if step.do is Do.ACTIVITY] == [False, True]
    assert [step.do for step in script] == [Do.ACTIVITY, Do.ACTIVITY, Do.SIGNAL]


def test_a_part_of_a_history_awaits_nothing_that_began_before_it() -> None:
    history = History()
    early = history.activity("read_deployments", "delivery")
    timer = history.add("TIMER_STARTED", start_to_fire_timeout=Duration(seconds=10))
    history.signal("poke")
    history.add("TIMER_CANCELED", started_event_id=timer)
    history.completed(early)
    history.signal("place")
    poll = history.activity("poll_tests", "ci")
    assert read_script(history.events[2:]) == (Step(do=Do.ACTIVITY, id=poll, queue="ci"),)
    assert [event.event_id for event in activities_scheduled(history.events, "poll_tests")] == [poll]


def test_an_activity_that_a_place_answers_in_the_call_asks_one_in_the_script_where_that_is_wanted() -> None:
    history = History()
    for name in ("read_repository", "join_place", "open_hop", "take_lane"):
        history.activity(name, "config")
    asked = [step.asks for step in read_script(history.events, places=True)]
    assert asked == ["", "source", "target", "target"]
    assert not any(step.asks for step in read_script(history.events))
    history.signal("place")
    last = read_script(history.events, places=True)[3]
    assert (last.signals, last.asks) == (True, "")


def test_the_share_of_each_process_is_counted_in_workflow_tasks() -> None:
    history = History()
    for identity in ("1@host", "2@host", "1@host", "1@host"):
        history.add("WORKFLOW_TASK_COMPLETED", identity=identity)
    assert shares([history.events], 3) == [0.75, 0.25, 0.0]


def test_a_task_in_the_hands_of_a_killed_worker_is_timed_and_a_finished_one_is_not() -> None:
    killed = (BEGAN + timedelta(seconds=5)).timestamp()
    open_, finished = History(), History()
    open_.add("WORKFLOW_TASK_SCHEDULED", after=4.9)
    open_.add("WORKFLOW_TASK_COMPLETED", after=12)
    finished.add("WORKFLOW_TASK_SCHEDULED", after=4)
    finished.add("WORKFLOW_TASK_COMPLETED", after=4.5)
    finished.add("WORKFLOW_TASK_SCHEDULED", after=8)
    finished.add("WORKFLOW_TASK_COMPLETED", after=9)
    assert in_hands(open_.events, killed) == pytest.approx(7)
    assert in_hands(finished.events, killed) is None


def test_a_scene_leads_its_long_repositories_through_staging() -> None:
    scene = Scene(repositories=2, long=1)
    assert [scene.road(name) for name in scene.names] == [(SOURCE, MIDDLE, TARGET), (SOURCE, TARGET)]
    world = scene.seed()
    assert set(world["argocd"]["apps"]) == {"app1-dev", "app1-staging", "app1-prod", "app2-dev", "app2-prod"}
    assert world["argocd"]["apps"]["app2-dev"]["revision"] == scene.merge_sha("app2", 1)
    pulls = world["github"]["repos"]["acme/app1"]["pulls"]
    assert [(pull["number"], pull["merged"]) for pull in pulls] == [(number, True) for number in range(1, MERGED + 1)]
    resources = [json.loads(text) for text in scene.manifests("http://127.0.0.1:1").split("\n---\n") if text[0] == "{"]
    kinds = [resource["kind"] for resource in resources]
    assert (kinds.count("Environment"), kinds.count("GitRepository"), kinds.count("PromotionPolicy")) == (3, 2, 3)


def test_a_scene_of_waiting_trackers_has_open_pull_requests_and_nothing_merged() -> None:
    scene = Scene(repositories=1, open_pulls=3)
    repository = scene.seed()["github"]["repos"]["acme/app1"]
    assert [pull.get("merged", False) for pull in repository["pulls"]] == [False, False, False]
    assert scene.seed()["argocd"]["apps"]["app1-dev"]["revision"] == repository["commits"][0]["sha"]
    assert Scene(repositories=1).tracker("app1", 3)["metadata"]["name"] == "app1-3"


def test_a_scene_that_no_environment_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 100"):
        Scene(repositories=101)


def test_the_sandbox_knows_every_option_of_a_scene() -> None:
    options = Options()
    options.update(Scene(repositories=1, run_seconds=7).seed()["options"])
    assert options.run_seconds == 7
    assert Clock().now() > 0


def test_usage_is_cores_and_memory_of_each_process() -> None:
    earlier = Usage(at=10.0, cpu_seconds={"worker-1": 1.0}, rss_megabytes={})
    later = Usage(at=20.0, cpu_seconds={"worker-1": 6.0, "worker-2": 1.0}, rss_megabytes={})
    cores = later.cores_since(earlier)
    assert cores == {"worker-1": 0.5, "worker-2": 0.1}
    assert grouped(cores, ["worker", "watcher"]) == {"worker": 0.6, "watcher": 0}
    ours = read_usage({"me": os.getpid()})
    assert ours.rss_megabytes["me"] > 1
    assert ours.cpu_seconds["me"] > 0


async def test_the_bare_workflow_takes_the_steps_of_its_script(temporal_server: str) -> None:
    client = await Client.connect(temporal_server, data_converter=DATA_CONVERTER)
    script = (
        Step(do=Do.ACTIVITY, id=1, queue="config", signals=True),
        Step(do=Do.AWAIT, id=1),
        Step(do=Do.SIGNAL),
        Step(do=Do.TIMER, id=2, duration=timedelta(minutes=5)),
        Step(do=Do.ACTIVITY, id=3, queue="ci"),
        Step(do=Do.AWAIT, id=3),
        Step(do=Do.CANCEL, id=2),
    )
    async with baseline(client, script) as run:
        events = await history(client, await run())
    copied = [step.do for step in read_script(events)]
    assert copied == [Do.ACTIVITY, Do.AWAIT, Do.TIMER, Do.ACTIVITY, Do.AWAIT, Do.CANCEL]
    assert events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


@pytest.mark.parametrize(("fresh", "places"), [(True, 4), (False, 2)])
async def test_the_bare_workflow_asks_places_of_its_own_or_those_of_all_runs(
    temporal_server: str, fresh: bool, places: int
) -> None:
    client = await Client.connect(temporal_server, data_converter=DATA_CONVERTER)
    script = (
        Step(do=Do.ACTIVITY, id=1, queue="config", asks="source"),
        Step(do=Do.AWAIT, id=1),
        Step(do=Do.ACTIVITY, id=2, queue="config", asks="target"),
        Step(do=Do.AWAIT, id=2),
    )
    async with baseline(client, script, fresh=fresh) as run:
        runs = [await run(), await run()]
    owners = {identity if fresh else identity.partition("/")[0] for identity in runs}
    found = [await history(client, f"{owner}/{place}") for owner in owners for place in ("source", "target")]
    assert len(found) == places
    accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    assert [sum(event.event_type == accepted for event in events) for events in found] == [4 // places] * places


async def test_a_return_of_temporal_costs_the_host_no_more_than_its_bound_and_no_presentation(
    temporal_server: str,
) -> None:
    rows = await measure_return(
        temporal_server, trackers=12, kill=lambda: None, restart=lambda: None, look=timedelta(seconds=2)
    )
    assert [row.ok for row in rows] == [True, True]
    assert rows[0].value >= 1


def test_requests_to_the_api_server_are_counted_from_its_own_metrics() -> None:
    def sample(verb: str, resource: str, count: int, *, group: str = "pilotage.dev", more: str = "") -> str:
        labels = f'code="200",group="{group}",resource="{resource}",verb="{verb}"'
        return f"apiserver_request_total{{{labels}{more}}} {count}"

    before = read_requests(sample("GET", "environments", 3))
    labels = 'code="409",group="pilotage.dev",resource="environments",subresource="status",verb="PATCH"'
    conflict = f"apiserver_request_total{{{labels}}} 2"
    text = "\n".join(
        (
            "# HELP apiserver_request_total Counter of apiserver requests",
            sample("GET", "environments", 5),
            sample("WATCH", "environments", 7),
            sample("GET", "secrets", 4, group=""),
            sample("GET", "leases", 9, group="coordination.k8s.io"),
            sample("PATCH", "environments", 8, more=',subresource="status"'),
            conflict,
        )
    )
    found = read_requests(text).since(before)
    assert (found.total, found.writes, found.conflicts) == (16, 10, 2)
    assert found.by_kind == {"PATCH environments": 10, "GET secrets": 4, "GET environments": 2}
