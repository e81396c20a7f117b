"""Providers are opened as they are declared, at a host that serves TLS: each field changes what is called, and how."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.commit_statuses import CommitStatusPosts
from activities.models.commit_statuses import (
    CommitVerdict,
    PostCommitStatusInput,
    PostCommitStatusResult,
    PostOutcome,
    StatusSlot,
)
from deploy.local.environment.certificates import write_certificates
from tests.activities.cluster import Cluster, shop
from tests.workflows.commit_status.world import NOON, SentVerdicts
from worker.opening.resources import ClusterOpener, open_clients
from worker.settings import Settings

SHA = "a" * 40


@dataclass
class Host:
    """A host behind TLS that notes what it is asked."""

    address: str = ""
    authority: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    """Of what was written, read as JSON."""
    delay_seconds: float = 0.0
    through_proxy: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay_seconds)
        self.asked.append(request)
        if request.can_read_body:
            self.bodies.append(await request.json())
        if request.path.endswith("/access_tokens"):
            return web.json_response({"token": "ghs_minted", "expires_at": "2100-01-31T10:00:00Z"}, status=201)
        return web.json_response({"id": 77, "statuses": []}, status=200 if request.method == "GET" else 201)

    def authorization(self) -> str:
        return self.asked[-1].headers["Authorization"]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    write_certificates(tmp_path)
    read = {name: (tmp_path / name).read_bytes() for name in ("ca.crt", "apiserver.crt", "apiserver.key")}
    made = Host(authority=read["ca.crt"], certificate=read["apiserver.crt"], key=read["apiserver.key"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    context.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    made.address = f"https://127.0.0.1:{server.port}"
    yield made
    await server.close()


@pytest.fixture(scope="module")
def app_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


async def post(
    cluster: Cluster, *, flux: bool = False, settings: dict[str, Any] | None = None
) -> PostCommitStatusResult:
    slot = StatusSlot(
        namespace="shop",
        provider="host",
        provider_uid="uid-host",
        flux=flux,
        repository="127.0.0.1/acme/web",
        commit=SHA,
        context="kustomization/webapp",
    )
    verdict = CommitVerdict(at=NOON, state="success", description="ok")
    return await post_verdict(cluster, slot, verdict, settings=settings)


async def post_verdict(
    cluster: Cluster,
    slot: StatusSlot,
    verdict: CommitVerdict,
    *,
    settings: dict[str, Any] | None = None,
    workflows: SentVerdicts | None = None,
) -> PostCommitStatusResult:
    """Post as the workflow of a slot does."""
    given = Settings(installation="tls", allowed_hosts=("127.0.0.1",), **(settings or {}))
    request = PostCommitStatusInput(namespace=slot.namespace, slot=slot, verdict=verdict, look_first=False)
    async with open_clients(given) as clients:
        opener = ClusterOpener(cluster.port(), clients, system_namespace="shop", flux_alerts=given.flux_alerts)
        posts = CommitStatusPosts(opener, workflows or SentVerdicts())
        return await ActivityEnvironment().run(posts.post_commit_status, request)


def declared(host: Host, *, kind: str = "gitea", token: dict[str, bytes] | None = None, **spec: Any) -> Cluster:
    """Return a cluster with a Provider of the host that trusts its authority."""
    cluster = shop()
    cluster.secrets["shop", "token"] = token or {"token": b"t-12345"}
    cluster.secrets["shop", "ca"] = {"ca.crt": host.authority}
    given = {"type": kind, "address": f"{host.address}/acme/web", "secretRef": {"name": "token"}}
    cluster.add("Provider", "host", {**given, "certSecretRef": {"name": "ca"}, **spec})
    return cluster


async def test_a_host_is_trusted_by_the_authority_of_the_provider_alone(host: Host) -> None:
    assert (await post(declared(host))).outcome is PostOutcome.POSTED
    assert host.asked[-1].path == f"/api/v1/repos/acme/web/statuses/{SHA}"
    with pytest.raises(ApplicationError, match="certificate"):
        await post(declared(host, certSecretRef=None))


async def test_a_client_proves_itself_by_the_certificate_of_the_provider(host: Host) -> None:
    cluster = declared(host)
    await post(cluster)
    assert host.asked[-1].transport is not None
    assert host.asked[-1].transport.get_extra_info("peercert") in (None, {})
    cluster.secrets["shop", "ca"] = {"ca.crt": host.authority, "tls.crt": host.certificate, "tls.key": host.key}
    await post(cluster)
    assert host.asked[-1].transport is not None
    assert host.asked[-1].transport.get_extra_info("peercert")


@pytest.mark.parametrize(
    ("kind", "token", "spec", "sent"),
    [
        ("gitea", {"token": b"t-12345"}, {}, "token t-12345"),
        ("gitea", {"username": b"jane", "password": b"p-12345"}, {}, "Basic jane:p-12345"),
        ("gitea", {"password": b"p-12345"}, {"username": "jane"}, "Basic jane:p-12345"),
        ("gitea", {"password": b"p-12345"}, {}, "token p-12345"),
        ("github", {"token": b"t-12345"}, {}, "Bearer t-12345"),
        ("bitbucket", {"token": b"t-12345"}, {}, "Bearer t-12345"),
        ("bitbucket", {"token": b"jane:p-12345"}, {}, "Basic jane:p-12345"),
        ("bitbucket", {"username": b"jane", "password": b"p-12345"}, {}, "Basic jane:p-12345"),
        ("bitbucket", {"password": b"p-12345"}, {"username": "jane"}, "Basic jane:p-12345"),
        ("bitbucketserver", {"username": b"jane", "password": b"p-12345"}, {}, "Basic jane:p-12345"),
        ("bitbucketserver", {"password": b"p-12345"}, {"username": "jane"}, "Basic jane:p-12345"),
        ("azuredevops", {"token": b"t-12345"}, {}, "Basic :t-12345"),
    ],
)
async def test_a_secret_is_read_by_the_keys_of_flux(
    host: Host, kind: str, token: dict[str, bytes], spec: dict[str, Any], sent: str
) -> None:
    addresses = {
        "bitbucketserver": f"{host.address}/scm/ACME/web.git",
        "azuredevops": f"{host.address}/umbrella/acme/_git/web",
    }
    cluster = declared(
        host, kind=kind, token=token, **spec, **({"address": addresses[kind]} if kind in addresses else {})
    )
    assert (await post(cluster)).outcome is PostOutcome.POSTED
    scheme, _, credential = host.authorization().partition(" ")
    assert f"{scheme} {base64.b64decode(credential).decode() if scheme == 'Basic' else credential}" == sent


@pytest.mark.parametrize("named", ["githubAppInstallationID", "githubAppInstallationOwner"])
async def test_an_app_of_github_mints_its_token_by_the_keys_of_flux(host: Host, named: str, app_key: bytes) -> None:
    values = {"githubAppInstallationID": b"77\n", "githubAppInstallationOwner": b"acme"}
    token = {"githubAppID": b"12345", "githubAppPrivateKey": app_key, named: values[named]}
    assert (await post(declared(host, kind="github", token=token))).outcome is PostOutcome.POSTED
    found = [] if named == "githubAppInstallationID" else ["/api/v3/repos/acme/web/installation"]
    assert [one.path for one in host.asked] == [
        *found,
        "/api/v3/app/installations/77/access_tokens",
        f"/api/v3/repos/acme/web/statuses/{SHA}",
    ]
    assert host.authorization() == "Bearer ghs_minted"


async def test_a_private_key_that_is_none_is_named_and_not_shown(host: Host) -> None:
    token = {"githubAppID": b"12345", "githubAppPrivateKey": b"s3cret-but-no-key", "githubAppInstallationID": b"77"}
    with pytest.raises(ApplicationError, match="App's private key in the Secret is no RSA") as refused:
        await post(declared(host, kind="github", token=token))
    assert "s3cret" not in str(refused.value)


APP = {"githubAppID": b"12345", "githubAppPrivateKey": b"-----BEGIN", "githubAppInstallationOwner": b"acme"}


@pytest.mark.parametrize(
    ("kind", "token", "text"),
    [
        ("github", {"username": b"jane"}, "neither key `token`, nor the keys `githubAppID` and `githubAppPrivateKey`"),
        ("github", {key: value for key, value in APP.items() if key != "githubAppID"}, "`githubAppID`"),
        ("github", {key: value for key, value in APP.items() if key != "githubAppPrivateKey"}, "`githubAppPrivateKey`"),
        ("gitlab", {"token": b" \n"}, "no key `token`"),
        ("gitea", {"username": b"jane"}, "nor the keys `username` and `password`"),
        ("bitbucket", {"username": b"jane"}, "nor the keys `username` and `password`"),
        ("bitbucketserver", {"tls.crt": b""}, "nor the keys `username` and `password`"),
        ("azuredevops", {"address": b"https://dev.azure.com/a/b/_git/c"}, "no key `token`"),
    ],
)
async def test_a_secret_that_proves_nothing_is_refused_by_the_keys_that_it_misses(
    host: Host, kind: str, token: dict[str, bytes], text: str
) -> None:
    with pytest.raises(ApplicationError, match="Secret `token`, which Provider/host names, has n") as refused:
        await post(declared(host, kind=kind, token=token))
    assert text in str(refused.value)
    assert host.asked == []


@pytest.mark.parametrize(
    ("spec", "ca", "text"),
    [
        ({}, {"token": b"t"}, "neither key `ca.crt`, nor the keys `tls.crt` and `tls.key`"),
        ({}, {"ca.crt": b"x", "tls.crt": b"x"}, "key `tls.crt` without key `tls.key`"),
        ({}, {"keyFile": b"x"}, "key `tls.key` without key `tls.crt`"),
        ({"proxySecretRef": {"name": "ca"}, "certSecretRef": None}, {"username": b"jane"}, "no key `address`"),
        ({"proxySecretRef": {"name": "ca"}, "certSecretRef": None}, {"address": b" "}, "no key `address`"),
    ],
)
async def test_half_of_a_certificate_and_a_proxy_without_an_address_are_refused_and_never_passed_over(
    host: Host, spec: dict[str, Any], ca: dict[str, bytes], text: str
) -> None:
    cluster = declared(host, **spec)
    cluster.secrets["shop", "ca"] = ca
    with pytest.raises(ApplicationError, match="Secret `ca`, which Provider/host names, has") as refused:
        await post(cluster)
    assert text in str(refused.value)
    assert host.asked == []


async def test_certificates_are_read_by_the_keys_that_flux_had_before(host: Host) -> None:
    cluster = declared(host)
    cluster.secrets["shop", "ca"] = {"caFile": host.authority, "certFile": host.certificate, "keyFile": host.key}
    assert (await post(cluster)).outcome is PostOutcome.POSTED
    assert host.asked[-1].transport is not None
    assert host.asked[-1].transport.get_extra_info("peercert")


@pytest.mark.parametrize("flux", [False, True], ids=["ours", "Flux's"])
async def test_an_address_in_the_secret_wins(host: Host, flux: bool) -> None:
    cluster = declared(host, token={"token": b"t-12345", "address": f"{host.address}/umbrella/shop\n".encode()})
    if flux:
        del cluster.objects["Provider", "shop", "host"]["spec"]["address"]
    settings = {"flux_alerts": True} if flux else None
    assert (await post(cluster, flux=flux, settings=settings)).outcome is PostOutcome.POSTED
    assert host.asked[-1].path == f"/api/v1/repos/umbrella/shop/statuses/{SHA}"


@pytest.mark.parametrize("kind", ["slack", "generic-hmac"])
async def test_a_provider_of_flux_that_cannot_post_is_refused_by_its_field(host: Host, kind: str) -> None:
    cluster = declared(host)
    spec = cluster.objects["Provider", "shop", "host"]["spec"]
    spec["type"] = kind
    with pytest.raises(ApplicationError, match=f"`{kind}` has no commit statuses"):
        await post(cluster, flux=True, settings={"flux_alerts": True})
    spec["type"] = "azuredevops"
    del spec["secretRef"]
    with pytest.raises(ApplicationError, match=r"names no Secret: set its spec\.secretRef"):
        await post(cluster, flux=True, settings={"flux_alerts": True})


async def test_a_call_takes_no_longer_than_the_provider_declares(host: Host) -> None:
    host.delay_seconds = 3.0
    with pytest.raises(ApplicationError, match=r"no answer within 1 s, spec\.timeout"):
        await post(declared(host, timeout="1s"))


async def test_a_suspended_provider_and_one_that_is_gone_post_nothing(host: Host) -> None:
    assert (await post(declared(host, suspend=True))).outcome is PostOutcome.SUSPENDED
    cluster = declared(host)
    cluster.remove("Provider", "host")
    assert (await post(cluster)).outcome is PostOutcome.GONE
    assert host.asked == []


@pytest.mark.parametrize(
    ("context", "renewed"),
    [
        ("kustomization/webapp/0c9c2e41", "kustomization/webapp/uid"),
        ("dev/kustomization/flux-system/webapp", "dev/kustomization/flux-system/webapp"),
    ],
    ids=["by default", "with a prefix"],
)
async def test_a_verdict_for_a_provider_that_was_made_again_goes_to_the_workflow_of_the_present_one(
    host: Host, context: str, renewed: str
) -> None:
    slot = StatusSlot(
        namespace="shop",
        provider="host",
        provider_uid="0c9c2e41-7d5a",
        repository="127.0.0.1/acme/web",
        commit=SHA,
        context=context,
    )
    verdict, workflows = CommitVerdict(at=NOON, state="success", description="ok"), SentVerdicts()
    found = await post_verdict(declared(host), slot, verdict, workflows=workflows)
    assert (found.outcome, found.handed_on) == (PostOutcome.GONE, True)
    assert workflows.sent == [(replace(slot, provider_uid="uid-host", context=renewed), verdict)]
    assert host.asked == []


async def test_a_proxy_is_what_is_connected_to(host: Host) -> None:
    seen: list[str] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head)
        name, _, port = head.split()[1].rpartition(":")
        upstream, down = await asyncio.open_connection(name, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                target.write(data)
            target.close()

        await asyncio.gather(copy(reader, down), copy(upstream, writer), return_exceptions=True)

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    cluster = declared(host, proxySecretRef={"name": "proxy"})
    cluster.secrets["shop", "proxy"] = {"address": proxy.encode(), "username": b"jane", "password": b"p-54321"}
    assert (await post(cluster)).outcome is PostOutcome.POSTED
    assert seen[0].startswith(f"CONNECT {host.address.removeprefix('https://')}")
    assert base64.b64encode(b"jane:p-54321").decode() in seen[0]
    server.close()


async def test_a_proxy_is_read_in_each_form_of_flux_the_newest_first(host: Host) -> None:
    reached: list[str] = []

    def listen(name: str) -> Any:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reached.append(name)
            writer.close()

        return answer

    servers = {name: await asyncio.start_server(listen(name), "127.0.0.1", 0) for name in ("ref", "key", "field")}
    proxies = {name: f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for name, server in servers.items()}
    cluster = declared(host, proxySecretRef={"name": "proxy"}, proxy=proxies["field"])
    cluster.secrets["shop", "token"]["proxy"] = proxies["key"].encode()
    cluster.secrets["shop", "proxy"] = {"address": proxies["ref"].encode()}
    spec = cluster.objects["Provider", "shop", "host"]["spec"]

    async def called() -> set[str]:
        with pytest.raises(ApplicationError, match=r"no complete answer|no connection"):
            await post(cluster, flux=True, settings={"flux_alerts": True})
        found = set(reached)
        reached.clear()
        return found

    assert await called() == {"ref"}
    del spec["proxySecretRef"]
    assert await called() == {"key"}
    cluster.secrets["shop", "token"] = {"token": b"t-12345"}
    assert await called() == {"field"}
    assert host.asked == []
    for server in servers.values():
        server.close()


async def test_to_read_a_secret_for_one_host_by_a_proxy_and_an_authority_of_ones_own(host: Host) -> None:
    """What a proxy answers for any host is trusted where the authority is its owner's as well."""
    reached: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append("the proxy")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    proxy = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    cluster = declared(host, proxySecretRef={"name": "proxy"})
    cluster.secrets["shop", "proxy"] = {"address": f"http://{proxy}".encode()}
    cluster.secret_hosts["shop", "token"] = host.address.removeprefix("https://")
    with pytest.raises(ApplicationError, match=rf"add `{proxy}` to its annotation pilotage\.dev/hosts"):
        await post(cluster)
    assert (reached, host.asked) == ([], [])
    cluster.secret_hosts["shop", "token"] += f",{proxy}"
    with pytest.raises(ApplicationError, match=r"no complete answer|no connection"):
        await post(cluster)
    assert reached
    server.close()


async def test_to_prove_oneself_by_a_certificate_that_is_for_another_host(host: Host) -> None:
    cluster = declared(host)
    cluster.secrets["shop", "ca"] = {"ca.crt": host.authority, "tls.crt": host.certificate, "tls.key": host.key}
    cluster.secret_hosts["shop", "ca"] = "git.example.com"
    with pytest.raises(ApplicationError, match="the Secret of the client's certificate may not be sent"):
        await post(cluster)
    assert host.asked == []


async def test_a_secret_without_consent_posts_nothing(host: Host) -> None:
    cluster = declared(host)
    cluster.without_consent.add(("shop", "token"))
    with pytest.raises(ApplicationError, match="does not consent"):
        await post(cluster)
    assert host.asked == []


async def test_providers_of_flux_need_no_label_where_the_operator_serves_them(host: Host) -> None:
    cluster = declared(host)
    cluster.without_consent |= {("shop", "token"), ("shop", "ca")}
    with pytest.raises(ApplicationError, match="PILOTAGE_FLUX_ALERTS"):
        await post(cluster, flux=True)
    assert (await post(cluster, flux=True, settings={"flux_alerts": True})).outcome is PostOutcome.POSTED
