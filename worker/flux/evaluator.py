"""The process in which expressions of tenants are evaluated: a line of JSON in, a line of JSON out."""

import json
import resource
import sys
from typing import Any, TextIO

from crds.rules.flux_expressions import ExpressionError, evaluate

MEMORY_BYTES = 512 * 1024 * 1024
"""Address space: the library and a large event take a tenth of it."""


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer until there are no more requests."""
    for line in requests:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


def _answer(request: dict[str, Any]) -> dict[str, str]:
    try:
        return {"context": evaluate(request["expression"], request["values"])}
    except ExpressionError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "needs too much memory"}
    except Exception as error:  # noqa: BLE001 -- of any type, for a value that the library cannot hold
        return {"error": f"cannot be evaluated: {type(error).__name__}"}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    serve(sys.stdin, sys.stdout)
