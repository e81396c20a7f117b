"""The order of workflow commands changes only when somebody means it."""

import ast
import difflib
import inspect
from pathlib import Path

import activities.contracts
from tests.architecture.command_order import BASELINE, PACKAGE, REMEDY, ROOT, command_order, read_source, rendered
from worker.serving.registry import WORKFLOWS

MODULE = """
from temporalio import workflow
from workflows.flow import steps

STEPS = {{"one": steps.first}}

@workflow.defn
class Flow:
    def __init__(self, place: steps.Place) -> None:
        self._helper = Helper(publish=self._publish)

    @workflow.run
    async def run(self) -> None:
        await STEPS["one"]()
        self._helper.flush()
        {body}

    @workflow.signal(name="poke")
    def poke(self) -> None: ...

    def _publish(self) -> None:
        workflow.upsert_memo({{}})

class Helper:
    def __init__(self, *, publish: Callable[[], None]) -> None:
        self._publish = publish

    def flush(self) -> None:
        self._publish()
"""
STEP = """
from temporalio import workflow

async def first() -> None:
    await workflow.execute_activity_method(Contract.look, argument(), summary="")
    plain()

def plain() -> None: ...
"""


def order_of(directory: Path, body: str) -> dict[str, list[str]]:
    """Return the order of a small workflow whose `run` ends with `body`."""
    package = directory / PACKAGE
    (package / "flow").mkdir(parents=True, exist_ok=True)
    (package / "flow" / "steps.py").write_text(STEP)
    (package / "flow" / "workflow.py").write_text(MODULE.format(body=body))
    return command_order(read_source(package))["Flow"]


def test_the_order_of_commands_is_the_committed_one() -> None:
    before, now = BASELINE.read_text(), rendered(command_order(read_source()))
    difference = difflib.unified_diff(before.splitlines(), now.splitlines(), "committed", "now", lineterm="", n=4)
    assert before == now, "\n".join(("", REMEDY, *difference))


def test_the_order_follows_tables_callbacks_and_steps(tmp_path: Path) -> None:
    assert order_of(tmp_path, "workflow.continue_as_new()") == {
        "handlers": ["signal poke"],
        "flow.steps.first": ["activity Contract.look"],
        "flow.workflow.Flow.__init__": ["flow.workflow.Flow._publish"],
        "flow.workflow.Flow._publish": ["upsert memo"],
        "flow.workflow.Flow.run": ["flow.steps.first", "flow.workflow.Helper.flush", "continue as new"],
        "flow.workflow.Helper.flush": ["flow.workflow.Flow._publish"],
    }


def test_two_commands_that_change_places_change_the_order(tmp_path: Path) -> None:
    sleep, wait = "await workflow.sleep(1)", "await get_external_workflow_handle('x').signal('go')"
    ordered = order_of(tmp_path, f"{sleep}; {wait}")["flow.workflow.Flow.run"]
    exchanged = order_of(tmp_path, f"{wait}; {sleep}")["flow.workflow.Flow.run"]
    assert ordered[-2:] == ["timer", "signal go"]
    assert exchanged[-2:] == ["signal go", "timer"]


def test_what_is_no_command_leaves_the_order_alone(tmp_path: Path) -> None:
    quiet = "await workflow.wait_condition(lambda: True); workflow.set_current_details('x'); plain()"
    assert order_of(tmp_path, quiet) == order_of(tmp_path, "pass")


def test_every_command_of_the_source_is_in_the_order() -> None:
    found = command_order(read_source())
    assert set(found) == {workflow.__name__ for workflow in WORKFLOWS}
    listed = {item for functions in found.values() for items in functions.values() for item in items}
    contracts = {name: one for name, one in vars(activities.contracts).items() if inspect.isclass(one)}
    declared = {
        f"activity {name}.{method}"
        for name, contract in contracts.items()
        for method in getattr(contract, "__abstractmethods__", ())
    }
    assert {item for item in listed if item.startswith("activity ")} == declared
    assert {"timer", "continue as new", "upsert search attributes", "signal place"} <= listed


def test_no_activity_is_called_by_a_way_that_the_order_does_not_see() -> None:
    found = command_order(read_source())
    functions = {name: items for functions in found.values() for name, items in functions.items()}
    listed = sum(item.startswith("activity ") for items in functions.values() for item in items)
    written = 0
    for path in (ROOT / PACKAGE).rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        written += sum("_activity" in ast.unparse(call.func).partition("(")[0] for call in calls)
    assert listed == written
