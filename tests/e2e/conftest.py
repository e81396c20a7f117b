"""One local environment for the whole folder, and no longer: real servers, the stand-ins, two workers and a watcher."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from deploy.local.environment.assembly import PIECES, LocalEnvironment
from tests.e2e.cluster import Cluster
from tests.e2e.shop import Shop
from tests.otlp import SpanReceiver

# The defaults are for CI systems that take minutes and for people who fix things in their own time. What few tests wait
# for is looked at less often: each shop that waits for a person or a host costs all these looks meanwhile.
TIMINGS = {
    "poll_initial": 0.5,
    "poll_maximum": 1.0,
    "poll_gap": 0.3,
    # Merges are found in the repository's list.
    "merge_initial": 600.0,
    "merge_maximum": 600.0,
    "list_initial": 0.5,
    "list_maximum": 5.0,
    "tidy_interval": 20.0,
    "reference_initial": 0.5,
    "reference_maximum": 2.0,
    "observe_initial": 0.5,
    "observe_maximum": 4.0,
    "delivery_refresh": 3.0,
    "check_initial": 1.0,
    "check_maximum": 10.0,
    "activity_start_to_close": 10.0,
    "listing_lag": 2.0,
    "passing": 5.0,
    "publish_gap": 0.2,
    "publish_within": 1.0,
    "settling": 0.3,
    "compare_initial": 0.3,
    "drift_interval": 6.0,
    "drift_confirm": 0.5,
}
# Lists lag as the real ones do, but less than Pilotage is configured for.
SANDBOX_ARGUMENTS = ("--list-lag", "1", "--run-seconds", "0.8", "--argocd-sync-seconds", "0.3")

OpenShop = Callable[[str], Shop]


@pytest.fixture(scope="package")
def traces() -> Iterator[SpanReceiver]:
    """What the processes of the environment trace."""
    with SpanReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def local(tmp_path_factory: pytest.TempPathFactory, traces: SpanReceiver) -> Iterator[LocalEnvironment]:
    """The environment; a test that kills a part of it starts that part again."""
    with LocalEnvironment(
        tmp_path_factory.mktemp("e2e"),
        # A fifth less work for Temporal than a file; where it dies, tests have an environment of their own.
        temporal_in_memory=True,
        process_environment={
            "PILOTAGE_TIMINGS": json.dumps(TIMINGS),
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces.endpoint,
            "PILOTAGE_LOG_FORMAT": "json",
        },
        sandbox_arguments=SANDBOX_ARGUMENTS,
    ) as environment:
        environment.start(*PIECES, workers=2, watchers=1)
        yield environment


@pytest.fixture(scope="package")
def cluster(local: LocalEnvironment) -> Iterator[Cluster]:
    """A client of the API server."""
    connected = Cluster(local.kubernetes)
    yield connected
    connected.close()


@pytest.fixture(scope="package")
def new_shop(local: LocalEnvironment, cluster: Cluster) -> OpenShop:
    """Make a shop of a name that no other test uses, to be closed by its maker."""
    return lambda name: Shop(name, local, cluster)


@pytest.fixture
def shop(new_shop: OpenShop) -> Iterator[OpenShop]:
    """Make shops that are closed after the test."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(closing(new_shop(name)))


@pytest.fixture(scope="package")
def shipped(local: LocalEnvironment, cluster: Cluster) -> Shop:
    """The shop of the samples as they are shipped, with every system that they name."""
    return Shop("main", local, cluster, as_shipped=True)
