"""The sandbox's own endpoints as a chaos run uses them: faults while it runs, and a journal read bit by bit."""

import json
import urllib.request
from typing import Any

from deploy.local.demo.world import CALL_TIMEOUT_SECONDS, SandboxClient

# An entry is complete once its request was answered; this many are read again for that.
_REREAD = 400


class ChaosSandbox(SandboxClient):
    """Call the sandbox. Blocking."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._entries: dict[int, dict[str, Any]] = {}

    def script(self) -> list[dict[str, Any]]:
        """Return the rules with their uses."""
        return list(json.loads(self._get("/_script")))

    def remove_rule(self, number: int) -> None:
        """Take one rule out of the script."""
        request = urllib.request.Request(f"{self._url}/_script?id={number}", method="DELETE")
        with self._opener.open(request, timeout=CALL_TIMEOUT_SECONDS):
            return

    def calm(self) -> None:
        """Take every rule out of the script."""
        request = urllib.request.Request(f"{self._url}/_script", method="DELETE")
        with self._opener.open(request, timeout=CALL_TIMEOUT_SECONDS):
            return

    def follow(self) -> None:
        """Read what is new in the journal, which keeps only its newest entries."""
        after = max(0, max(self._entries, default=0) - _REREAD)
        for line in self._get(f"/_journal?after={after}").splitlines():
            entry = json.loads(line)
            self._entries[entry["number"]] = entry

    def followed(self) -> list[dict[str, Any]]:
        """Return every entry read so far, in order of arrival."""
        return [self._entries[number] for number in sorted(self._entries)]

    def _get(self, path: str) -> bytes:
        with self._opener.open(self._url + path, timeout=CALL_TIMEOUT_SECONDS) as response:
            return bytes(response.read())
