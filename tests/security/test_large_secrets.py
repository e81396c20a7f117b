"""To stop everybody's work by what a Secret holds: what is used of one is bounded, and long work is done in steps."""

import secrets
import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from activities.ports import MissingReason, ReferenceMissing
from activities.redaction import FORMS_LIMIT, known, reading_secrets, redact
from crds.fields import SecretReference
from providers.credentials import fingerprint, proof
from providers.errors import ProviderMisconfigured
from providers.models import Credential, Route
from providers.redaction import redacted_line, variants
from providers.trust import CA_LIMIT_BYTES, trusting
from tests.activities.cluster import Cluster
from tests.providers.test_endpoint import certificate_for
from tests.security.measuring import is_short, longest_step, seconds
from worker.opening.credentials import SECRET_LIMIT_BYTES, Credentials

pytestmark = pytest.mark.usefixtures("own_garbage_only")
TEXT = "aaaaaaaaaaab" * 200 + "…"
"""What a host answers at most, with the beginning of every value in it."""


def cluster_with(*held: dict[str, bytes]) -> Cluster:
    cluster = Cluster()
    for number, data in enumerate(held):
        cluster.secrets["shop", f"s{number}"] = data
    return cluster


async def read(cluster: Cluster, name: str) -> Credential:
    credentials = Credentials(cluster.port(), system_namespace="pilotage")
    return await credentials.read("shop", SecretReference(name=name), user="TestRunner/mine")


def values(number: int, length: int) -> dict[str, bytes]:
    """Return values that all begin alike, the kind that is looked for longest."""
    return {f"k{at}": f"aaaaaaaaaaa{secrets.token_hex(length)}"[:length].encode() for at in range(number)}


SHAPES = {
    "a long value": lambda: {"token": b"\xc3\xa9%\n" * (SECRET_LIMIT_BYTES // 4)},
    "many lines": lambda: {"key": b"".join(secrets.token_hex(8).encode() + b"\n" for _ in range(960))},
    "many values": lambda: values(FORMS_LIMIT // 3, 12),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_to_stop_everybodys_work_by_a_secret(shape: str) -> None:
    cluster = cluster_with(SHAPES[shape]())
    with reading_secrets():
        credential = await read(cluster, "s0")

        def use() -> None:
            known().remember(credential.data.values())
            forms = variants(credential.data.values())
            fingerprint(credential), proof(credential, "x")
            assert redacted_line(TEXT, forms)
            assert redact(TEXT)

        assert is_short(lambda: seconds(use))


@pytest.mark.parametrize("held", [{"token": b"x" * (SECRET_LIMIT_BYTES + 1)}, values(4000, 16)], ids=["long", "many"])
async def test_to_have_more_kept_out_of_texts_than_is_quick(held: dict[str, bytes]) -> None:
    with reading_secrets(), pytest.raises(ReferenceMissing) as refused:
        await read(cluster_with(held), "s0")
    assert refused.value.reason is MissingReason.INVALID
    assert "`s0`" in refused.value.message


async def test_to_have_it_done_by_many_secrets_of_one_activity() -> None:
    cluster = cluster_with(*(values(500, 16) for _ in range(20)))
    with reading_secrets():
        refused = 0
        for number in range(20):
            try:
                await read(cluster, f"s{number}")
            except ReferenceMissing:
                refused += 1
        assert 0 < refused < 20
        assert is_short(lambda: seconds(lambda: redact(TEXT)))
    with reading_secrets():
        # Another activity knows nothing of it.
        assert (await read(cluster, "s19")).name == "s19"


async def test_a_ca_next_to_the_credential_is_no_part_of_the_bound() -> None:
    held = {"token": b"a-token-of-ours", "ca.crt": b"c" * CA_LIMIT_BYTES}
    with reading_secrets():
        assert (await read(cluster_with(held), "s0")).data["token"] == "a-token-of-ours"
        assert redact("a-token-of-ours and ccccccccccccccccccccc") == "*** and ccccccccccccccccccccc"


def authorities(limit_bytes: int) -> str:
    """Return as many authorities as there is room for."""
    key = ec.generate_private_key(ec.SECP256R1())
    one = certificate_for("ca0.example.com", key).decode()
    number = limit_bytes // (len(one) + 8)
    return "".join(certificate_for(f"ca{at}.example.com", key).decode() for at in range(number))


async def test_to_stop_everybodys_work_by_authorities() -> None:
    pem = authorities(CA_LIMIT_BYTES)
    context = await trusting(Route(ca_pem=f"# ours\n{pem}# the end\n"))
    usual = await trusting(Route())
    assert context.cert_store_stats()["x509"] == usual.cert_store_stats()["x509"] + pem.count("BEGIN")
    assert is_short(lambda: longest_step(lambda: trusting(Route(ca_pem=pem))))
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("pem", ["c" * (CA_LIMIT_BYTES + 1), "no certificate", "-----BEGIN CERTIFICATE-----\nx\n"])
async def test_what_is_no_authority_or_too_many_is_refused(pem: str) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"ca\.crt"):
        await trusting(Route(ca_pem=pem))
