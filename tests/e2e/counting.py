"""What the workers counted of calls to SCM hosts, to be held against what the hosts were asked."""

from collections.abc import Callable, Sized

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.shop import Shop, until

WORKERS = ("worker-1", "worker-2")


def until_counted(shop: Shop, asked: Callable[[], Sized]) -> None:
    """Wait until every call that the host was asked for the shop is counted once."""
    until(lambda: (len(asked()), counted(shop)), lambda seen: seen[0] == seen[1] > 0, "every call is counted once", 30)


def counted(shop: Shop) -> int:
    """Return how many calls the workers counted for the shop's repositories."""
    pages = [httpx.get(f"{shop.environment.http_url(one)}/metrics", trust_env=False).text for one in WORKERS]
    families = [family for page in pages for family in text_string_to_metric_families(page)]
    return sum(
        round(sample.value)
        for family in families
        for sample in family.samples
        if sample.name == "scm_calls_total" and sample.labels["git_repository_namespace"] == shop.namespace
    )
