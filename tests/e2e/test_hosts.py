"""The main job at every SCM host: dev → staging → prod, with what the host shows of it."""

from contextlib import closing

import pytest

from deploy.local.demo.hosts import GITHUB, HOSTS
from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.cluster import Cluster, Document
from tests.e2e.counting import until_counted
from tests.e2e.shop import Shop, until

NUMBER = 412


@pytest.mark.parametrize("host", list(HOSTS))
def test_a_change_is_promoted_to_prod_and_its_pull_request_shows_it(
    local: LocalEnvironment, cluster: Cluster, host: str
) -> None:
    with closing(Shop(f"at-{host.lower()}", local, cluster, host=host)) as shop:
        _give_token(shop, host)
        shop.open(merged=False).apply_all()
        shop.until_state("AwaitingMerge")
        shop.sandbox.post("/_github/merge", {"repo": f"acme/{shop.name}", "number": NUMBER, "sha": MERGE_SHA})
        shop.deploy("dev", MERGE_SHA)
        shop.until_waiting("PromoteCommand")
        shop.pilotage("promote", f"web-{NUMBER}")
        shop.until_state("Completed")
        pull = shop.until_presented("Completed")
        assert shop.running() == {"dev": MERGE_SHA, "staging": MERGE_SHA, "prod": MERGE_SHA}
        assert shop.patches() == [("staging", MERGE_SHA), ("prod", MERGE_SHA)]
        _check_shown(shop, host, pull)
        assert shop.conditions("GitRepository", "web")["Ready"]["status"] == "True"
        # What was shown was asked of this host, and nothing of another one.
        assert shop.journal(HOSTS[host].system)
        assert shop.journal(GITHUB) == []
        until_counted(shop, lambda: _calls(shop, host))


def _give_token(shop: Shop, host: str) -> None:
    """Give the shop a token of its own: connections of other shops are checked every ten minutes, some at this host."""
    token, name = f"token-of-{shop.name}", "username" if host == "gitlab" else "login"
    shop.sandbox.post("/_seed", {HOSTS[host].system: {"tokens": {token: {name: "pilotage-bot"}}}})
    shop.document("Secret", f"{host.lower()}-scm-token")["stringData"] = {"token": token}


def _calls(shop: Shop, host: str) -> list[Document]:
    """Return what the host was asked with the shop's token, by the journal."""
    [token] = {one["auth_sha256"] for one in shop.journal(HOSTS[host].system)}
    return [one for one in shop.sandbox.journal(HOSTS[host].system) if one["auth_sha256"] == token]


def _check_shown(shop: Shop, host: str, pull: Document) -> None:
    comments = [str(body) for body in pull["comments"]]
    assert [body for body in comments if body.startswith("### Pilotage: Completed")] == [comments[0]]
    if HOSTS[host].labels:
        assert {"pilotage/completed", "promoted/staging", "promoted/prod"} <= set(pull["labels"])
        ours = {one for one in pull["labels"] if one.startswith("pilotage/")}
        assert ours == {"pilotage/completed", "pilotage/env/prod"}
    deployed = [("staging", "success"), ("prod", "success")] if HOSTS[host].deployments else []
    until(lambda: _deployments(shop), lambda seen: seen == deployed, f"{host}: all deployments are shown", 30)
    green = {"pilotage/dev": "success", "pilotage/staging": "success", "pilotage/prod": "success"}
    until(lambda: _newest_statuses(shop), lambda seen: seen == green, f"{host}: all statuses are green", 30)


def _newest_statuses(shop: Shop) -> dict[str, str]:
    rows = shop.sandbox.state()["github"][f"acme/{shop.name}"]["statuses"].get(MERGE_SHA, ())
    return {row["context"]: row["state"] for row in rows}


def _deployments(shop: Shop) -> list[tuple[str, str]]:
    shown = shop.sandbox.state()["github"][f"acme/{shop.name}"]["deployments"]
    return [(one["environment"], one["states"][-1]) for one in shown if one["sha"] == MERGE_SHA]
