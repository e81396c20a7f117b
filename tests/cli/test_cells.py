"""Lists and tables stay aligned and fit a terminal, whatever characters titles have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.cli.conftest import Run, tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli.cells import fitting, padded, width
from worker.cli.output import aligned, listed

WIDE = "修复购物车在结账时崩溃的问题并添加测试以及更多的文字说明内容这里"
TEXTS = st.text(st.sampled_from("ab 修復é日🚀\u0301"), max_size=60)


@given(TEXTS)
def test_a_width_is_that_of_a_terminal(text: str) -> None:
    assert width(text) == cell_len(text)
    assert width(padded(text, 200)) == 200


@given(TEXTS, st.integers(1, 60))
def test_a_cut_text_fits_and_leaves_no_room_for_another_character(text: str, columns: int) -> None:
    cut = fitting(text, columns)
    assert width(cut) <= columns
    assert cut == text if width(text) <= columns else width(cut) >= columns - 1


def test_a_table_in_a_pipe_is_aligned() -> None:
    lines = aligned(("TEST", "LINK"), [["日本語テスト", "http://x"], ["plain", "http://y"]])
    assert {width(line[: line.index("http")]) for line in lines[1:]} == {15}


def test_no_line_of_a_list_is_wider_than_the_terminal(
    cluster: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pull_request = {"title": WIDE, "number": 412}
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={"pullRequest": pull_request})
    assert width(run("get").stdout.splitlines()[1].rpartition("   ")[2]) == 39
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    listed(("NAME", "TITLE"), [["web-412", WIDE], ["web-413", "plain"]])
    assert [width(line) for line in capsys.readouterr().out.splitlines()] == [14, 60, 14]
