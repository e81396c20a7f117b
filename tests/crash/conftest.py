"""Evidence for the tests that spoil it."""

from typing import Any

import pytest

from tests.crash.flawless import flawless_fields


@pytest.fixture
def flawless() -> dict[str, Any]:
    """The fields of an Evidence in which every promise was kept."""
    return flawless_fields()
