"""Our GitHub adapter against a stateful GitHub that was not written here: npm's `emulate`.

Left out is where emulate is known to differ from the host: it has no commit statuses and no deployments, takes a second
pull request for the same branches, lists no changed files, lets an unknown token write, knows no ETags and no GraphQL,
by which we write files, and answers a stale head with 422.
"""

import asyncio
import base64
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from providers.errors import ProviderNotFound
from providers.http import HttpClients, HttpOptions
from providers.models import Ancestry, ChangeState, Merge, NewPullRequest
from providers.ports import ScmHost
from tests.conformance.material import NODE, package
from tests.providers.hosts import github

OWNER, NAME, TOKEN = "acme", "web", "emulated-token"
_STARTS_SECONDS = 30.0


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a GitHub of its own, with one repository."""
    seed: Path = tmp_path_factory.mktemp("emulate") / "seed.yaml"
    seed.write_text(
        json.dumps(
            {
                "tokens": {TOKEN: {"login": "bot", "scopes": ["repo", "user"]}},
                "github": {
                    "users": [{"login": "bot", "name": "Bot", "email": "bot@example.com"}],
                    "orgs": [{"login": OWNER, "name": "Acme", "members": [{"login": "bot", "role": "admin"}]}],
                    "repos": [{"owner": OWNER, "name": NAME, "auto_init": True}],
                },
            }
        )
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(NODE), str(package("emulate") / "dist" / "index.js"), "start", "-s", "github", "-p", str(port)]
    log = seed.with_suffix(".log").open("w")
    with subprocess.Popen([*command, "--seed", str(seed)], stdout=log, stderr=subprocess.STDOUT) as process:
        try:
            yield asyncio.run(_answering(f"http://127.0.0.1:{port}", process))
        finally:
            process.terminate()
            log.close()


async def _answering(url: str, process: "subprocess.Popen[bytes]") -> str:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(_STARTS_SECONDS):
        while True:
            assert process.poll() is None, "emulate ended"
            try:
                await client.get(f"{url}/user")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return url


@pytest_asyncio.fixture
async def scm(emulated: str) -> AsyncIterator[ScmHost]:
    """Our adapter of that repository."""
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    yield github(clients, base=emulated, token=TOKEN, owner=OWNER)
    await clients.aclose()


async def _branch(scm: ScmHost, emulated: str, name: str) -> str:
    """Make a branch with one commit of its own, and return its head."""
    branches = scm.branches
    assert branches is not None
    head = await branches.head("main")
    content = base64.b64encode(b"one\n").decode()
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        one = f"{emulated}/repos/{OWNER}/{NAME}"
        made = await client.post(f"{one}/git/refs", json={"ref": f"refs/heads/{name}", "sha": head})
        assert made.is_success, made.text
        body = {"message": f"Change {name}", "content": content, "branch": name}
        written = await client.put(f"{one}/contents/deep/{name}.txt", json=body)
        assert written.is_success, written.text
    found = await branches.head(name)
    assert found not in (None, head)
    return str(found)


async def test_a_change_is_read_opened_and_merged_at_its_tested_head(scm: ScmHost, emulated: str) -> None:
    branches, changes = scm.branches, scm.changes
    assert branches is not None
    assert changes is not None
    head = await _branch(scm, emulated, "merged")
    assert await branches.head("merged") == head
    assert await branches.read("deep/merged.txt", head) == b"one\n"
    assert await branches.read("absent.txt", head) is None
    assert [one.message for one in await branches.log("merged", 1)] == ["Change merged"]
    opened = await changes.create(NewPullRequest(head="merged", base="main", title="Umbrellas", body="of all sizes"))
    assert (opened.state, opened.head_sha) == (ChangeState.OPEN, head)
    assert [one.number for one in await changes.find_open("merged", "main")] == [opened.number]
    await changes.update(opened.number, title="More umbrellas")
    merged = await changes.merge(opened.number, Merge(head_sha=head))
    seen = await scm.pull_requests.get(opened.number)
    assert (seen.state, seen.merge_sha, seen.title) == (ChangeState.MERGED, merged, "More umbrellas")
    main = await branches.head("main")
    assert main is not None
    assert await scm.revisions.compare(head, main) in (Ancestry.AHEAD, Ancestry.IDENTICAL)


async def test_labels_and_comments_are_added_changed_and_removed(scm: ScmHost, emulated: str) -> None:
    changes = scm.changes
    assert changes is not None
    await _branch(scm, emulated, "shown")
    number = (await changes.create(NewPullRequest(head="shown", base="main", title="Shown"))).number
    assert set(await scm.labels.add(number, ["pilotage/testing", "promoted/staging"])) >= {"pilotage/testing"}
    await scm.labels.remove(number, "pilotage/testing")
    await scm.labels.remove(number, "pilotage/testing")
    assert await scm.labels.list(number) == ("promoted/staging",)
    made = await scm.comments.create(number, "first\n\n<!-- mark -->")
    await scm.comments.update(made, "second\n\n<!-- mark -->")
    assert [one.body for one in await scm.comments.own(number)] == ["second\n\n<!-- mark -->"]
    await changes.close(number)
    assert (await scm.pull_requests.get(number)).state is ChangeState.CLOSED


async def test_what_is_not_there_is_reported(scm: ScmHost) -> None:
    assert await scm.check() == f"{OWNER}/{NAME}"
    with pytest.raises(ProviderNotFound):
        await scm.pull_requests.get(9999)
    assert scm.branches is not None
    assert await scm.branches.head("no/such/branch") is None
