"""A GitHub App as its owner has it: the Secret that Pilotage reads, and what GitHub knows of its key."""

from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.sandbox import seed


@dataclass(frozen=True, kw_only=True)
class GitHubApp:
    """A key pair, both halves as PEM."""

    private_key: str
    public_key: str

    @property
    def secret(self) -> dict[str, str]:
        """The Secret of an installation that is known."""
        return {
            "appID": str(seed.GITHUB_APP_ID),
            "installationID": str(seed.GITHUB_INSTALLATION_ID),
            "privateKey": self.private_key,
        }

    @property
    def known(self) -> dict[str, object]:
        """What the sandbox is seeded with, so that it checks signatures."""
        installations = {str(seed.GITHUB_INSTALLATION_ID): {"account": "acme"}}
        return {"id": seed.GITHUB_APP_ID, "installations": installations, "public_key": self.public_key}


@cache
def github_app(name: str) -> GitHubApp:
    """Return an App of this name; the same one each time, since keys take long to make."""
    assert name
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return GitHubApp(private_key=private.decode(), public_key=public.decode())
