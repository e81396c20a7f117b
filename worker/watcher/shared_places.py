"""Which Environment has each application, of all namespaces: an older one keeps it from those that came later."""

from collections.abc import Iterable, Mapping

from crds.api.pauses import giving_way
from crds.api.reflector import Key
from crds.resource import Resource
from crds.rules.field_errors import FieldError
from crds.rules.shared_applications import Claimant, Named, names_of, owners_of, server_of, taken_errors
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment


class SharedPlaces:
    """Know which Environment has each application, of all namespaces that this watcher sees."""

    def __init__(self) -> None:
        self.changed = True
        self._owners: dict[Named, Claimant] = {}
        self._servers: dict[tuple[str, str], str] = {}

    async def look(self, environments: Mapping[Key, Resource], instances: Mapping[Key, Resource]) -> set[str]:
        """Look again where something changed; return the namespaces in which an application got another owner.

        Who looks meanwhile judges by what was known before, and is judged again if that was other.
        """
        if not self.changed:
            return set()
        self.changed = False
        try:
            found = [one for one in environments.values() if isinstance(one, Environment)]
            servers = {
                (key.namespace, key.name): server_of(one)
                for key, one in instances.items()
                if isinstance(one, ArgoCDInstance)
            }
            owners = await owners_of(found, servers)
            # What is compared is what stands here now: another look may have ended since this one began.
            before, self._owners, self._servers = self._owners, owners, servers
            return await _namespaces_of(found, servers, before, owners)
        except BaseException:
            self.changed = True
            raise

    def errors(self, environment: Environment) -> list[FieldError]:
        """Find the applications of an Environment that an older one has."""
        return taken_errors(environment, self._owners, self._servers)


async def _namespaces_of(
    environments: Iterable[Environment],
    servers: Mapping[tuple[str, str], str],
    before: Mapping[Named, Claimant],
    now: Mapping[Named, Claimant],
) -> set[str]:
    """Return the namespaces of those that name an application which has another owner than before, or none any more."""
    return {
        environment.metadata.namespace or ""
        async for environment in giving_way(environments)
        if any(before.get(name) != now.get(name) for name in names_of(environment, servers).values())
    }
