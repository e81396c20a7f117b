"""What stands for a Temporal server in stories that need none."""

import asyncio

import pytest

from tests.worlds.played import Played
from tests.worlds.stage import VirtualTime


@pytest.fixture
async def played() -> Played:
    """Play where a workflow's decisions are the claim; `tests/conftest.py` gives such a test a loop of virtual time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTime)
    return Played(loop)
