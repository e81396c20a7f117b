"""`pilotage sync`, where no result comes of it."""

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.fake_cluster import FakeCluster

REFUSED = {"accepted": False, "message": "the tracker is Completed; `pilotage -n shop restart web-412` begins again"}


def test_a_refused_sync_has_no_result_that_is_still_to_come(tracked: FakeCluster, run: Run) -> None:
    tracked.answer_command = lambda _command: REFUSED
    refused = run("sync", "412")
    assert (refused.exit_code, refused.stderr) == (1, "")
    assert "web-412: sync (staging) refused: the tracker is Completed" in refused.stdout


def test_a_sync_without_a_result_in_time_names_where_it_will_be(tracked: FakeCluster, run: Run) -> None:
    late = run("sync", "412", "--timeout", "0.5")
    assert late.exit_code == 4
    assert "no result after 0.5 s; `pilotage -n shop show web-412` shows it" in late.stderr


@pytest.mark.parametrize(("accepted", "code"), [(True, 4), (False, 1)])
def test_programs_get_the_command_where_there_is_no_result(
    tracked: FakeCluster, run: Run, accepted: bool, code: int
) -> None:
    tracked.answer_command = lambda _command: {**REFUSED, "accepted": accepted}
    answer = run("sync", "412", "--timeout", "0.5", "-o", "json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["kind"], document["status"]["accepted"]) == (code, "PromotionCommand", accepted)
