"""Evaluate expressions in a process of their own, which is ended where one takes too long or too much."""

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from crds.rules.flux_expressions import ExpressionError

SECONDS = 1.0
"""Of one evaluation; one takes a millisecond."""
START_SECONDS = 20.0
"""Of the first one in a new process, which imports the library."""
ENDS_LIMIT = 3
"""So often in a row one is ended before it is refused: it held up all others for a second and a new process. Once may
be the machine's fault."""
REFUSED_SECONDS = 600.0
_ENDED_KEPT = 1000
_CONTEXT_BYTES = 64 * 1024


class Expressions:
    """Evaluate one expression after the other; blocks, so call it outside of the event loop."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """Expressions that were ended: how often in a row, and when last."""

    def evaluate(self, expression: str, values: Mapping[str, Any]) -> str:
        """Return the context that an expression makes. Raises ExpressionError."""
        request = json.dumps({"expression": expression, "values": values}).encode() + b"\n"
        with self._lock:
            self._refuse_ended(expression)
            try:
                answer = self._ask(request)
            except ExpressionError:
                self._note_end(expression)
                raise
            self._ended.pop(expression, None)
        if "error" in answer:
            raise ExpressionError(answer["error"])
        return answer["context"]

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _refuse_ended(self, expression: str) -> None:
        times, at = self._ended.get(expression, (0, 0.0))
        if times >= ENDS_LIMIT and self._clock() - at < REFUSED_SECONDS:
            minutes = round(REFUSED_SECONDS / 60)
            raise ExpressionError(f"took too long, or too much memory, {times} times within the last {minutes} minutes")

    def _note_end(self, expression: str) -> None:
        times, _ = self._ended.pop(expression, (0, 0.0))
        self._ended[expression] = times + 1, self._clock()
        if len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)

    def _ask(self, request: bytes) -> dict[str, str]:
        seconds = SECONDS if self._process is not None and self._process.poll() is None else START_SECONDS
        process = self._started()
        try:
            answer = _exchange(process, request, seconds)
        except (OSError, ValueError):
            self._end()
            raise ExpressionError("takes too long, or too much memory") from None
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker.flux.evaluator"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _exchange(process: subprocess.Popen[bytes], request: bytes, seconds: float) -> dict[str, str]:
    """Send a line and read one. Raises OSError and ValueError."""
    if process.stdin is None or process.stdout is None:
        raise OSError("no pipes")
    process.stdin.write(request)
    process.stdin.flush()
    answer = b""
    while not answer.endswith(b"\n"):
        if not select.select([process.stdout], [], [], seconds)[0] or len(answer) > _CONTEXT_BYTES:
            raise TimeoutError
        chunk = os.read(process.stdout.fileno(), _CONTEXT_BYTES)
        if not chunk:
            raise ConnectionError
        answer += chunk
    found: dict[str, str] = json.loads(answer)
    return found
