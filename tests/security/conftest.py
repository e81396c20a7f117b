"""What tests of this folder share."""

import gc
import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture
def quiet() -> Iterator[None]:
    """Write no line for each call."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def own_garbage_only() -> Iterator[None]:
    """Leave what tests of other modules made in this process out of what is collected."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
