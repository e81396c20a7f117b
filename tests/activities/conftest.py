"""The environment in which activities are run without a server."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.common import RetryPolicy
from temporalio.testing import ActivityEnvironment


@pytest.fixture
def environment() -> ActivityEnvironment:
    """Return an environment of a first attempt with unlimited retries."""
    return ActivityEnvironment()


def bounded_environment(*, attempt: int = 1, attempts: int = 3, initial: float = 10) -> ActivityEnvironment:
    """Return an environment whose activity may be tried a few times."""
    environment = ActivityEnvironment()
    policy = RetryPolicy(initial_interval=timedelta(seconds=initial), maximum_attempts=attempts)
    environment.info = replace(environment.info, attempt=attempt, retry_policy=policy)
    return environment
