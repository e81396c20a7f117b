"""The formats of `-o`, and `get -w` and `-l`."""

import json
import re
from typing import Any

import pytest

from crds.api.ports import ApiGone, ApiUnavailable, WatchEvent, resource_of
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from tests.cli.conftest import MERGED, Run, tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli import listwatch
from worker.cli.jsonpath import InvalidTemplate, read_template
from worker.cli.output import listed, note, paragraph, table
from worker.cli.session import ENVIRONMENTS, TRACKERS

LIST = {
    "items": [
        {"metadata": {"name": "a", "labels": {"x.dev/y": "1"}}, "n": 1, "on": True},
        {"metadata": {"name": "b"}, "n": 22, "on": False},
    ]
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "a b"),
        (".items[0].metadata.name", "a"),
        ("{.items[-1].n}", "22"),
        ("{.items[0:1].n}", "1"),
        ("{range .items[*]}{.metadata.name}{'\\t'}{.n}{\"\\n\"}{end}", "a\t1\nb\t22\n"),
        ("{.items[?(@.n==22)].metadata.name}", "b"),
        ("{.items[?(@.metadata.name=='a')].n}", "1"),
        ("{.items[?(@.n>1)].n}", "22"),
        ("{.items[?(@.metadata.labels)].n}", "1"),
        ("{.items[0].metadata.labels.x\\.dev/y}", "1"),
        ("{.items[0].metadata.labels['x.dev/y']}", "1"),
        ("{..name}", "a b"),
        ("{.items[0].on} {.nothing}.", "true ."),
        ("{.items[1].metadata}", '{"name": "b"}'),
    ],
)
def test_a_template_renders_as_kubectl_renders_it(template: str, text: str) -> None:
    assert read_template(template).render(LIST) == text


@pytest.mark.parametrize("template", ["{.a", "{range .a}", "{end}", "{.a[}", "{.a[?(@.b]}", "{.a[]}"])
def test_a_template_that_cannot_be_read_is_wrong_usage(run: Run, cluster: FakeCluster, template: str) -> None:
    with pytest.raises(InvalidTemplate):
        read_template(template)
    assert run("get", "-o", f"jsonpath={template}").exit_code == 2
    assert cluster.targets == []


def test_names_and_templates_are_what_scripts_read(tracked: FakeCluster, run: Run) -> None:
    assert run("get", "-o", "name").stdout == "pullrequesttracker.pilotage.dev/web-412\n"
    assert run("show", "412", "-o", "jsonpath={.status.state}").stdout == "Testing"


def test_wide_adds_repository_reason_object_and_revision(tracked: FakeCluster, run: Run) -> None:
    head, row = (line.split() for line in run("get", "-o", "wide").stdout.splitlines())

    assert {"REPO", "REASON", "OBJECT", "REVISION"} < set(head)
    assert {"web", "TestsRunning", "dev-to-staging", MERGED[:12]} < set(row)


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("command", [["get"], ["show", "web-412"]])
def test_managed_fields_are_left_out(tracked: FakeCluster, run: Run, form: str, command: list[str]) -> None:
    metadata = tracked.objects["PullRequestTracker", "shop", "web-412"]["metadata"]
    metadata["managedFields"] = [{"manager": "pilotage"}]

    assert "managedFields" not in run(*command, "-o", form).stdout


def test_a_selector_is_left_to_the_api_server(tracked: FakeCluster, run: Run) -> None:
    run("get", "-l", "pilotage.dev/state=TestsFailed", "-A")

    assert tracked.selectors == ["pilotage.dev/state=TestsFailed"]
    assert run("get", "web-412", "-l", "a=b").exit_code == 2


def changed(number: int, kind: str = "MODIFIED", version: str = "2", **status: Any) -> WatchEvent:
    """Return an event of a watch."""
    metadata = {"name": f"web-{number}", "namespace": "shop", "uid": f"u-{number}", "resourceVersion": version}
    return WatchEvent(type=kind, object={"metadata": metadata, "spec": tracker_spec(number), "status": status})


def test_watching_shows_each_change_and_outlives_an_api_server(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listwatch, "PAUSE_SECONDS", 0.0)
    tracked.watches = [
        [changed(412, state="Promoting"), changed(7, version="3", state="Testing"), changed(412, "BOOKMARK", "4")],
        ApiUnavailable("refused"),
        ApiGone("too old"),
        [changed(412, version="6", state="Completed")],
        KeyboardInterrupt(),
    ]

    result = run("get", "412", "-w", "-o", "jsonpath={.status.state}{'\\n'}")

    assert result.stdout.split() == ["Testing", "Promoting", "Testing", "Completed"]
    assert tracked.watched == ["1", "4", "4", "1", "6"]
    assert result.exit_code == 130


def test_rows_that_follow_stand_under_the_same_columns(tracked: FakeCluster, run: Run) -> None:
    tracked.watches = [[changed(412, state="Promoting")], KeyboardInterrupt()]

    head, first, then = run("get", "-w").stdout.splitlines()

    assert head.index("STATE") == first.index("Testing") == then.index("Promoting")


def test_the_resource_of_short_commands_is_that_of_the_model() -> None:
    assert resource_of(PullRequestTracker.definition) == TRACKERS
    assert resource_of(Environment.definition) == ENVIRONMENTS


def test_opening_prints_the_address_and_refuses_what_is_no_page(tracked: FakeCluster, run: Run) -> None:
    assert run("open", "412").stdout == "https://github.com/acme/web/pull/412\n"
    assert run("open", "412", "--workflow").stdout == "http://127.0.0.1:8233/w\n"
    status = json.loads(json.dumps(tracked.objects["PullRequestTracker", "shop", "web-412"]["status"]))
    status["pullRequest"]["url"] = "file:///etc/passwd"
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=status)
    assert run("open", "412").exit_code == 3


def test_a_wide_list_is_not_cut_at_the_edge_of_a_terminal_and_a_narrow_one_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    row = ["web-412", "x" * 60]
    listed(("NAME", "TITLE"), [row])
    assert max(map(len, capsys.readouterr().out.splitlines())) == 40
    listed(("NAME", "TITLE"), [row], whole=True)
    assert capsys.readouterr().out.splitlines()[1].split() == row


def test_what_goes_to_stderr_is_broken_at_blanks_on_a_terminal_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "error: " + "there is no such thing " * 5
    note(text)
    assert capsys.readouterr().err == f"{text}\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    note(text)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(lines).split() == text.split()


def test_a_sentence_is_broken_between_its_parts_on_a_terminal_and_not_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = f"https://jenkins.example.com/{'x' * 100}"
    paragraph(f"one two {link} three")
    assert capsys.readouterr().out == f"one two {link} three\n"

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    paragraph(f"one two {link} {'three ' * 10}")

    lines = capsys.readouterr().out.splitlines()
    assert f"  {link}" in lines
    assert max(len(line) for line in lines if link not in line) <= 40


@pytest.mark.parametrize(
    "command", ["`pilotage -n shop restart web-412`", "pilotage --context far -n shop promote web-412 --reason x"]
)
def test_a_command_is_broken_nowhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    text = f"the promotion is over and has ended: {command}"
    paragraph(text)
    note(text)
    printed = capsys.readouterr()
    for lines in (printed.out.splitlines(), printed.err.splitlines()):
        assert lines[-1].strip() == command
        assert " ".join(lines).split() == text.split()


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
    ids=["a terminal", "NO_COLOR", "no colours"],
)
def test_colours_are_for_terminals_that_have_them_and_people_who_want_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], coloured: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    rows = [["web-412", "TestsFailed"]]
    for show in (listed, table):
        show(("NAME", "STATE"), rows)
        out = capsys.readouterr().out
        assert "TestsFailed" in out
        # NO_COLOR is about colours: a head may be bold.
        assert bool(re.search(r"\x1b\[3\dm", out)) is coloured, show
        assert "\x1b" not in out or variables["TERM"] != "dumb"
