"""People steer a promotion by labels and comments at the host, and labels are put right; with the real processes."""

import json

from tests.e2e.cluster import Document
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import Shop, until
from workflows.identity import PULL_REQUEST_POKE_SIGNAL


def look(shop: Shop) -> None:
    """Have the tracker look at what people asked for, as a webhook does."""
    name, input_ = f"--name={PULL_REQUEST_POKE_SIGNAL}", '--input=""'
    shop.temporal("workflow", "signal", f"--workflow-id={shop.status()['workflow']['id']}", name, input_)


def label(shop: Shop, actor: str, *, add: str = "", remove: str = "") -> None:
    """Change a label as a person would."""
    change = {"add": [add] if add else [], "remove": [remove] if remove else []}
    shop.sandbox.post("/_github/label", {"repo": f"acme/{shop.name}", "number": 412, "actor": actor, **change})
    look(shop)


def comment(shop: Shop, actor: str, body: str) -> None:
    """Comment as a person would."""
    body_of = {"repo": f"acme/{shop.name}", "number": 412, "actor": actor, "body": body}
    shop.sandbox.post("/_github/comment", body_of)
    look(shop)


def ours(shop: Shop) -> set[str]:
    return {one for one in shop.pull()["labels"] if one.startswith("pilotage/")}


def until_rejected(shop: Shop, reason: str, command: str) -> None:
    """Wait for the event by which a command is refused."""

    def messages() -> list[str]:
        found: list[Document] = shop.cluster.list("Event", shop.namespace)
        return [event["message"] for event in found if event["reason"] == reason]

    until(messages, lambda found: any(command in message for message in found), f"{reason} of {command}", 30)


def test_people_who_may_write_steer_by_labels_and_comments_and_others_change_nothing(shop: OpenShop) -> None:
    opened = shop("labels").open(integration={"result": ["FAILURE", "FAILURE", "SUCCESS"]})
    opened.apply_all().until_state("TestsFailed")
    failed = {"pilotage/tests-failed", "pilotage/env/dev"}
    until(lambda: ours(opened), lambda found: found == failed, "the state's label", 30)

    # A reader's label changes nothing, nor does a stranger's comment.
    label(opened, "mallory", add="pilotage/hold")
    until_rejected(opened, "LabelRejected", "mallory")
    comment(opened, "eve", "/pilotage hold please")
    until_rejected(opened, "CommentRejected", "eve")
    until(lambda: ours(opened), lambda found: found == failed, "the reader's label is taken off", 30)
    assert opened.status()["state"] == "TestsFailed"

    # A label is not ahead of a test that failed, and one of the state that is deleted comes back; others' stay.
    label(opened, "grace", add="pilotage/completed")
    until_rejected(opened, "LabelRejected", "pilotage/completed")
    until(lambda: ours(opened), lambda found: found == failed, "put back", 30)
    assert opened.patches() == []
    label(opened, "grace", remove="pilotage/tests-failed")
    comment(opened, "grace", "/pilotage hold it smells")
    status = opened.until_state("Held")
    assert "grace" in str(status["waitingFor"])
    held = {"pilotage/held", "pilotage/hold", "pilotage/env/dev"}
    until(lambda: ours(opened), lambda found: found == held, "held at the host", 30)
    assert "feature" in opened.pull()["labels"]

    label(opened, "grace", remove="pilotage/hold")
    opened.until_state("TestsFailed")
    label(opened, "grace", add="pilotage/retest")
    status = opened.until(lambda seen: seen.get("promotions"), "promoted to staging")
    assert status["promotions"][0]["promoted"] is True
    until(lambda: ours(opened), lambda found: not found & {"pilotage/retest", "pilotage/hold"}, "answered", 30)


def test_sync_repairs_once_and_then_finds_nothing_to_do(shop: OpenShop) -> None:
    opened = shop("sync").open(integration={"result": "FAILURE"})
    opened.apply_all().until_state("TestsFailed")
    until(lambda: ours(opened), lambda found: "pilotage/tests-failed" in found, "the state's label", 30)
    body = {"repo": f"acme/{opened.name}", "number": 412, "actor": "grace", "add": ["pilotage/env/prod"]}
    opened.sandbox.post("/_github/label", {**body, "remove": ["pilotage/tests-failed"]})
    first = json.loads(opened.pilotage("sync", "web-412", "-o", "json"))
    assert (first["initialState"], first["finalState"]) == ("", "TestsFailed")
    assert (first["labelsAdded"], first["labelsRemoved"]) == (["pilotage/tests-failed"], ["pilotage/env/prod"])
    second = json.loads(opened.pilotage("sync", "web-412", "-o", "json"))
    assert (second["labelsAdded"], second["labelsRemoved"], second["errors"]) == ([], [], [])
    assert "labels and tracker agree" in opened.pilotage("sync", "web-412")
