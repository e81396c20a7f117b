"""Events of a promotion reach a receiver outside the cluster, also one that is killed meanwhile."""

import json
import socket
import threading
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from crds.rules.secrets import CONSENT_LABEL
from deploy.local.demo.world import TRACKER
from providers.webhooks.signatures import require_signed_id
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import Shop, until

COMPLETED = "Completed"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


class Server(ThreadingHTTPServer):
    allow_reuse_port = True


class Receiver:
    """A webhook's receiver that can be killed, and started again at the same address."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        # Keeps the port from others while nothing listens there.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._kept.bind(("127.0.0.1", 0))
        self._port = self._kept.getsockname()[1]
        self._server: Server | None = None

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

        self._server = Server(("127.0.0.1", self._port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def kill(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def close(self) -> None:
        self.kill()
        self._kept.close()


def declare(shop: Shop, url: str, **more: Any) -> None:
    metadata = {"name": "chat", "namespace": shop.namespace}
    labelled = {**metadata, "labels": {CONSENT_LABEL: "true"}}
    shop.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": labelled, "stringData": {"secret": SECRET}})
    spec = {"type": "Webhook", "url": url, "secretRef": {"name": "chat"}, **more}
    shop.cluster.apply({"apiVersion": "pilotage.dev/v1alpha1", "kind": "EventSink", "metadata": metadata, "spec": spec})


def sent_events(receiver: Receiver) -> set[tuple[str, str]]:
    """Return reason and message of what the receiver took."""
    return {(one["type"], one["data"]["message"]) for one in receiver.taken}


def shown_events(shop: Shop) -> set[tuple[str, str]]:
    """Return reason and message of the tracker's events in Kubernetes."""
    found = shop.cluster.list("Event", shop.namespace)
    return {(one["reason"], one["message"]) for one in found if one["involvedObject"]["name"] == TRACKER}


def kinds(events: set[tuple[str, str]]) -> set[str]:
    return {kind for kind, _ in events}


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
        shown = partial(shown_events, opened)
        until(
            lambda: sent_events(receiver), lambda seen: COMPLETED in kinds(seen) and seen == shown(), "all events", 60
        )
        status = until(
            lambda: opened.cluster.get("EventSink", opened.namespace, "chat")["status"],
            lambda seen: seen.get("waiting") == 0 and "lastSuccess" in seen,
            "the sink is ready again",
            60,
        )
    finally:
        receiver.close()
    once = list({one["id"]: one for one in receiver.taken}.values())
    times = [one["timestamp"] for one in once]
    assert times == sorted(times)
    assert {one["data"]["tracker"] for one in once} == {TRACKER}
    assert {"Merged", "Arrived", "TestsStarted", "TestsPassed", "Promoted", COMPLETED} <= kinds(sent_events(receiver))
    # It may have gone while it answered, or before it was called.
    assert (status["dropped"], "ProviderUnavailable: " in status["lastError"]["message"]) == (0, True), status
