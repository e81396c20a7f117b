"""The guide to add an SCM provider is true: its provider is built from the page, and keeps the ports' contract."""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from pydantic import ValidationError

from deploy.local.sandbox import seed, server, state
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.errors import ProviderError
from providers.http import HttpClients, HttpOptions
from providers.ports import ScmHost
from tests.providers import test_sandbox_contract as contract
from tests.providers.hosts import Answer, FakeHost, answer, recorded_round_trips

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending" / "adding-an-scm-provider.md"
_BLOCK = re.compile(
    r'^```(?P<language>\w+) file="(?P<file>\S+)"(?: (?P<how>adds|row)="(?P<what>\S+)")?\n(?P<code>.*?)^```$',
    re.M | re.S,
)
_NAMED = re.compile(r"`(\w+)` (?:of|in)\s+`([\w/]+\.py)`")
_HOST = re.compile(r"azureDevOps|AZURE_DEVOPS|AzureDevOps")
"""As each table of hosts names one of them."""
_LINK = re.compile(r"\]\(([^)#]+)")
TOKEN = "sandbox-codebarn-token"


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block of code on the page; `what` is empty where it is a whole file."""

    language: str
    file: str
    what: str
    code: str

    @property
    def module(self) -> str:
        """The name under which the file is imported."""
        return self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def blocks() -> list[Block]:
    return [
        Block(language=found["language"], file=found["file"], what=found["what"] or "", code=found["code"])
        for found in _BLOCK.finditer(PAGE.read_text())
    ]


def block(file: str, what: str) -> Block:
    """Return the one block of a file that adds something."""
    (found,) = (one for one in blocks() if (one.file, one.what) == (file, what))
    return found


def names_of(module: ModuleType) -> dict[str, Any]:
    return dict(vars(module))


class Guide:
    """The provider of the page, in place as it would be if somebody had followed the page."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        for one in blocks():
            if not one.what and one.language == "python":
                place = folder / one.file
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(one.code)
        for package in ("providers", "worker.opening", "deploy.local.sandbox"):
            holder = importlib.import_module(package)
            patch.setattr(holder, "__path__", [*holder.__path__, str(folder / package.replace(".", "/"))])
        importlib.invalidate_caches()
        self.block = self.add("crds/v1alpha1/scm_host.py", "class")["CodebarnHost"]
        self.provider = self._with_field("crds/v1alpha1/scm_host.py", "ScmProviderSpec")
        self.repository = self._with_field("crds/v1alpha1/git_repository.py", "GitRepositorySpec")
        self.add("providers/registry.py", "function")
        self.row("providers/registry.py", "SCM_HOSTS")
        self.row("deploy/local/sandbox/traffic.py", "SYSTEMS")
        self.row("deploy/local/sandbox/state.py", "_OTHER_HOSTS")
        patch.setattr(state, "_SYSTEMS", state._SYSTEMS | set(state._OTHER_HOSTS))
        stand_in, build_app = importlib.import_module("deploy.local.sandbox.codebarn"), server.build_app

        def build_with_it(memory: state.SandboxState) -> Any:
            app = build_app(memory)
            stand_in.add_routes(app)
            return app

        patch.setattr(server, "build_app", build_with_it)
        options = importlib.import_module("providers.codebarn.options").CodebarnOptions
        opened = self.add("tests/providers/hosts.py", "function", CodebarnOptions=options)["codebarn"]
        rows = self.row("tests/providers/test_sandbox_contract.py", "SCM_HOSTS", codebarn=opened)
        self.open: Callable[[str, HttpClients, bool], ScmHost] = rows["codebarn"]

    def add(self, file: str, what: str, **known: Any) -> dict[str, Any]:
        """Run a block in the module that it is added to, and keep what it defines there."""
        one = block(file, what)
        module = importlib.import_module(one.module)
        before = names_of(module)
        names = {**before, **known}
        exec(compile(one.code, one.file, "exec"), names)  # noqa: S102 -- the page is part of the repository
        for name in names.keys() - before.keys() - {"__builtins__"}:
            self._patch.setattr(module, name, names[name], raising=False)
        return names

    def row(self, file: str, table: str, **known: Any) -> Any:
        """Add a row to a table of a module; return the table."""
        one = block(file, table)
        module = importlib.import_module(one.module)
        names, old = {**names_of(module), **known}, getattr(module, table)
        opening, closing = "{}" if isinstance(old, Mapping) else "()"
        added = eval(f"{opening}{one.code}{closing}", names)  # noqa: S307 -- the page is part of the repository
        new: Any = {**old, **added} if isinstance(old, Mapping) else (*old, *added)
        self._patch.setattr(module, table, new)
        return new

    def _with_field(self, file: str, kind: str) -> Any:
        """Return the spec of a resource with the field of the page."""
        one = block(file, "field")
        module = importlib.import_module(one.module)
        names = names_of(module)
        code = f"class Extended({kind}):\n    {one.code.strip()}\n"
        exec(compile(code, one.file, "exec"), names)  # noqa: S102 -- the page is part of the repository
        return names["Extended"]


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        yield Guide(tmp_path_factory.mktemp("guide"), patch)
    for name in set(sys.modules) - before:
        if "codebarn" in name:
            del sys.modules[name]


@pytest_asyncio.fixture
async def sandbox(guide: Guide) -> AsyncIterator[Sandbox]:
    contents = {**seed.default_seed(), "codebarn": {"tokens": {TOKEN: {"login": "pilotage-bot"}}}}
    async with running_sandbox(seed=contents) as running:
        yield running


@pytest_asyncio.fixture
async def http() -> AsyncIterator[HttpClients]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    yield clients
    await clients.aclose()


@pytest.fixture
def open_scm(guide: Guide, sandbox: Sandbox, http: HttpClients) -> contract.OpenScm:
    return lambda valid: guide.open(sandbox.url, http, valid)


@pytest.fixture
def scm(open_scm: contract.OpenScm) -> ScmHost:
    return open_scm(True)


# Every test of the contract that asks for an SCM host, with the fixtures above in place of its own.
CONTRACT = {
    name: test
    for name, test in vars(contract).items()
    if name.startswith("test_") and {"scm", "open_scm"} & set(inspect.signature(test).parameters)
}
globals().update(CONTRACT)


def test_the_contract_is_run() -> None:
    assert len(CONTRACT) >= 9


def test_the_resource_of_the_page_names_the_keys_that_its_secret_holds(guide: Guide) -> None:
    spec = guide.provider.model_validate(
        {"codebarn": {"domain": "https://git.example.com:8443/barn"}, "secretRef": {"name": "token"}}
    )
    assert spec.codebarn.domain == "https://git.example.com:8443/barn"
    assert "The Secret holds `token`" in str(inspect.getdoc(guide.block))
    with pytest.raises(ValidationError):
        guide.block.model_validate({"domain": "not a host"})


async def test_what_people_declare_opens_the_host(guide: Guide, sandbox: Sandbox, http: HttpClients) -> None:
    opening = importlib.import_module("worker.opening.codebarn")
    registry = importlib.import_module("providers.registry")
    provider = guide.block.model_validate({"domain": f"{sandbox.url}/codebarn"})
    repository = {"scmProviderRef": {"name": "codebarn"}, "codebarn": {"owner": "acme", "name": "web"}}
    declared = SimpleNamespace(spec=guide.repository.model_validate(repository))
    credential = importlib.import_module("providers.models").Credential(data={"token": TOKEN})
    access = registry.Access(http=http, credential=credential)
    identity = importlib.import_module("tests.providers.hosts").IDENTITY
    for named, wanted in ((declared, "acme/web"), (None, "pilotage-bot")):
        host = registry.open_scm_host(opening.host_options(provider, named), access, identity)
        assert await host.check() == wanted


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        (answer({"login": "pilotage-bot"}), "200"),
        (answer({"message": "away"}, 502), "502"),
        (httpx.ConnectError("refused"), "503"),
        (httpx.ReadTimeout("slow"), "504"),
        (httpx.ReadError("cut"), "500"),
    ],
    ids=["answer", "answer that is no success", "no connection", "no answer in time", "no whole answer"],
)
async def test_each_shape_of_a_record_is_made_once(guide: Guide, shape: Answer, code: str) -> None:
    host = FakeHost()
    host.always(shape)
    labels = {
        "git_repository": "web",
        "git_repository_namespace": "shop",
        "scm_provider": "github",
        "scm_provider_kind": "ScmProvider",
        "api": "PullRequest",
        "operation": "check",
        "response_code": code,
    }
    before, all_before = REGISTRY.get_sample_value("scm_calls_total", labels) or 0, recorded_round_trips()
    with suppress(ProviderError):
        await guide.open("https://codebarn.example.com", host.http(), True).check()
    assert REGISTRY.get_sample_value("scm_calls_total", labels) == before + 1
    assert recorded_round_trips() == all_before + 1


async def test_an_answer_with_a_budget_sets_the_gauges(guide: Guide) -> None:
    host = FakeHost()
    host.always(answer({"login": "x"}, 200, x_ratelimit_limit="61", x_ratelimit_remaining="59"))
    await guide.open("https://codebarn.example.com", host.http(), True).labels.list(1)
    provider = {"scm_provider": "github", "scm_provider_namespace": "shop", "scm_provider_kind": "ScmProvider"}
    assert REGISTRY.get_sample_value("scm_calls_rate_limit_limit", provider) == 61
    assert REGISTRY.get_sample_value("scm_calls_rate_limit_remaining", provider) == 59


def test_files_of_the_page_are_as_the_house_writes_them(tmp_path: Path) -> None:
    for one in blocks():
        if not one.what and one.language == "python":
            place = tmp_path / one.file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(one.code)
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(tmp_path)]
    # Which packages are the product's own, and are imported last, it sees by the folders around.
    for command in (["format", "--check", "--diff"], ["check", "--ignore", "I001"]):
        made = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings], capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stdout + made.stderr


def test_files_and_pages_that_the_page_names_exist() -> None:
    text = PAGE.read_text()
    linked = [PAGE.parent / link for link in _LINK.findall(text) if "://" not in link]
    changed = [ROOT / one.file for one in blocks() if one.what]
    assert [str(path) for path in (*linked, *changed) if not path.exists()] == []


def test_what_the_page_names_in_a_file_stands_there() -> None:
    named = _NAMED.findall(PAGE.read_text())
    assert len(named) >= 8
    assert [(name, path) for name, path in named if name not in (ROOT / path).read_text()] == []


def test_the_page_names_each_file_that_lists_the_hosts() -> None:
    text = PAGE.read_text()
    files = [
        path.relative_to(ROOT)
        for folder in ("crds", "providers", "worker", "activities", "workflows", "deploy/local")
        for path in (ROOT / folder).rglob("*.py")
        if "azure_devops" not in str(path) and "flux" not in path.name and _HOST.search(path.read_text())
    ]
    # Flux's own types of hosts are another list, which Flux decides.
    listing = sorted(str(path) for path in files if path.parent != Path("activities/flux"))
    assert len(listing) >= 8
    assert [path for path in listing if path not in text] == []
