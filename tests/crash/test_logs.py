"""The brief account of the logs names what matters, once, and how often."""

from pathlib import Path

from tests.chaos.logs import read_troubles

RUN = "4fe29953-9ccd-4225-a507-81e84b48459"
FAILED = (
    f"Failed activation on workflow EnvironmentWorkflow with ID environment/app{{number}} and run ID {RUN}{{number}}"
)
LOG = "\n".join(
    [
        "2026-11-21T05:16:29.077780Z [info     ] worker runs                    [worker.serving.process] queues=['a']",
        "2026-11-21T05:16:35.563243Z [warning  ] Completing activity as failed  [temporalio.activity] attempt=1",
        "Traceback (most recent call last):",
        "temporalio.exceptions.ApplicationError: ApiUnavailable: it cannot be reached",
        *[
            line
            for number in (1, 2)
            for line in (
                f"2026-11-21T05:17:0{number}.563243Z [warning  ] {FAILED.format(number=number)} [temporalio] a=1",
                "Traceback (most recent call last):",
                '  File "environment.py", line 1, in run',
                "KeyError: 'lane'",
                "RuntimeError: no lane",
            )
        ],
        "2026-11-21T05:17:09.597066Z [error    ] the last one",
        "",
    ]
)


def test_errors_and_failed_workflow_tasks_are_counted_by_their_text(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker-1.log").write_text(LOG)
    (tmp_path / "logs" / "etcd-1.log").write_text(LOG)
    failed = "Failed activation on workflow EnvironmentWorkflow with ID … and run ID …: RuntimeError: no lane"
    assert read_troubles(tmp_path) == {failed: 2, "the last one": 1}
