"""A host that answers what each test declares."""

import pytest

from tests.providers.hosts import FakeHost


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()
