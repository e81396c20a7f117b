"""The stories of components and waves, each test in a shop of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from deploy.local.environment.assembly import LocalEnvironment
from tests.e2e.cluster import Cluster
from tests.e2e.components.stories import StoryShop

OpenStory = Callable[[str, str], StoryShop]


@pytest.fixture
def story(local: LocalEnvironment, cluster: Cluster) -> Iterator[OpenStory]:
    """Make shops from the samples of a story, each under a name of its own, that are closed after the test."""
    with ExitStack() as stack:
        yield lambda folder, name: stack.enter_context(closing(StoryShop(folder, name, local, cluster)))
