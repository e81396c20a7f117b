"""A call searches for no module: what it needs is loaded, and what is not installed is known to be absent."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from providers.http import HttpClients, HttpOptions
from providers.models import Route
from tests.providers.listener import answering


class Asked(MetaPathFinder):
    """Note what is searched for, and find nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self.names.append(fullname)
        return None


async def test_a_call_searches_for_no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering() as (port, _):
        http = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
        async with http.client(Route()) as client:
            await client.get(f"http://127.0.0.1:{port}/")
            asked = Asked()
            monkeypatch.setattr(sys, "meta_path", [asked, *sys.meta_path])
            await client.get(f"http://127.0.0.1:{port}/")
        await http.aclose()
    assert asked.names == []
