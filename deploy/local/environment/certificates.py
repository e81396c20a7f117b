"""A throw-away certificate authority, the API server's certificate and the service-account key."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = datetime.timedelta(days=3650)
NAMES = ("localhost", "kubernetes", "kubernetes.default.svc")
ADDRESSES = ("127.0.0.1", "10.0.0.1")


def write_certificates(directory: Path) -> None:
    """Write ca.crt, apiserver.crt, apiserver.key and service-account.key into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    authority_key, server_key = _key(), _key()
    authority = _certificate("pilotage-local-ca", authority_key, issuer_key=authority_key, issuer=None)
    server = _certificate("kube-apiserver", server_key, issuer_key=authority_key, issuer=authority)
    (directory / "ca.crt").write_bytes(_pem(authority))
    (directory / "apiserver.crt").write_bytes(_pem(server))
    _write_key(directory / "apiserver.key", server_key)
    _write_key(directory / "service-account.key", _key())


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back, so that a clock that was just corrected does not refuse it.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_usage(authority=authority), critical=True)
        # Python 3.13 verifies strictly and refuses a chain without both key identifiers.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not authority:
        addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
        names = x509.SubjectAlternativeName([*(x509.DNSName(name) for name in NAMES), *addresses])
        builder = builder.add_extension(names, critical=False)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    # Not PKCS#8: the API server reads the service-account public key out of this file only in the older form.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
