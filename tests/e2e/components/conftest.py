"""The stories of components and waves, each test in a shop of its own."""

from collections.abc import Callable

import pytest

from deploy.local.environment.assembly import LocalEnvironment
from tests.e2e.cluster import Cluster
from tests.e2e.components.stories import StoryShop

OpenStory = Callable[[str, str], StoryShop]


@pytest.fixture(scope="session")
def story(local: LocalEnvironment, cluster: Cluster) -> OpenStory:
    """Make a shop from the samples of a story, under a name that nobody else may use."""
    return lambda folder, name: StoryShop(folder, name, local, cluster)
