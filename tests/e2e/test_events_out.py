"""Events of a promotion reach a receiver outside the cluster, also one that is killed meanwhile."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from crds.rules.secrets import CONSENT_LABEL
from deploy.local.demo.world import TRACKER
from providers.webhooks.signatures import require_signed_id
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import Shop, until

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


class Receiver:
    """A webhook's receiver that can be killed, and started again at the same address."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    def start(self) -> "Receiver":
        taken = self.taken

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                require_signed_id(headers, body, SECRET, datetime.now(UTC))
                taken.append({"id": headers["webhook-id"], **json.loads(body)})
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def kill(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def declare(shop: Shop, url: str, **more: Any) -> None:
    metadata = {"name": "chat", "namespace": shop.namespace}
    labelled = {**metadata, "labels": {CONSENT_LABEL: "true"}}
    shop.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": labelled, "stringData": {"secret": SECRET}})
    spec = {"type": "Webhook", "url": url, "secretRef": {"name": "chat"}, **more}
    shop.cluster.apply({"apiVersion": "pilotage.dev/v1alpha1", "kind": "EventSink", "metadata": metadata, "spec": spec})


def test_a_receiver_that_was_away_gets_every_event_in_order(shop: OpenShop) -> None:
    receiver, opened = Receiver().start(), shop("events").open()
    try:
        opened.document("Environment", "staging")["spec"]["final"] = True
        declare(opened, receiver.url)
        opened.apply_all()
        until(lambda: list(receiver.taken), bool, "the first event", 60)
        receiver.kill()
        # Nothing waits for it.
        opened.until_state("Completed")
        conditions = until(
            lambda: opened.conditions("EventSink", "chat"),
            lambda seen: seen.get("Ready", {}).get("reason") == "Unavailable",
            "the sink is not ready",
            60,
        )
        assert (conditions["Ready"]["status"], conditions["Stalled"]["status"]) == ("False", "False")
        receiver.start()
        # A changed sink is tried at once.
        declare(opened, receiver.url, repositoryRefs=[{"name": "web"}])
        until(lambda: receiver.taken[-1]["type"], lambda seen: seen == "Completed", "the last event", 60)
        status = until(
            lambda: opened.cluster.get("EventSink", opened.namespace, "chat")["status"],
            lambda seen: seen.get("waiting") == 0 and "lastSuccess" in seen,
            "the sink is ready again",
            60,
        )
    finally:
        receiver.kill()
    once = list({one["id"]: one for one in receiver.taken}.values())
    times = [one["timestamp"] for one in once]
    assert times == sorted(times)
    assert {one["data"]["tracker"] for one in once} == {TRACKER}
    sent = {(one["type"], one["data"]["message"]) for one in once}
    shown = opened.cluster.list("Event", opened.namespace)
    assert sent == {(one["reason"], one["message"]) for one in shown if one["involvedObject"]["name"] == TRACKER}
    assert {"Merged", "Arrived", "TestsStarted", "TestsPassed", "Promoted", "Completed"} <= {kind for kind, _ in sent}
    assert (status["dropped"], "no connection" in status["lastError"]["message"]) == (0, True)
