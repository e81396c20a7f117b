"""The environments that changes pass from a policy on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from crds.rules.selection import WAY_LIMIT, PolicyIndex
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.promotion_policy import PromotionPolicy

STEPS_ALLOWED = 20_000
"""Hops that are followed for one policy: far more than people declare, and 20 ms."""
_OTHERS = ""
"""Stands for every repository that no policy names."""


class TooManyWays(Exception):
    """There are more ways than can be followed."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The environments that a change passes, in order."""

    environments: tuple[str, ...]
    loops: bool = False
    """Whether the last environment was passed before."""
    too_long: bool = False
    """Whether the last environment is one too many."""
    ends_final: bool = False
    """Whether the last environment is final, or not known."""


class Ways:
    """Follow changes from policy to policy; all that is asked of one object takes at most STEPS_ALLOWED.

    A change does not leave a final environment, so a policy from there is not followed.
    """

    def __init__(self, index: PolicyIndex, environments: Mapping[str, Environment]) -> None:
        self._index, self._environments, self._steps = index, environments, STEPS_ALLOWED

    def of_each(self, start: PromotionPolicy) -> tuple[Chain, ...]:
        """Follow every repository that a policy is for, those together whose ways are one. Raises TooManyWays."""
        if start.spec.repository_refs:
            return tuple(chain for one in start.spec.repository_refs for chain in self.of(start, one.name))
        chains, passed = self._follow(start, _OTHERS)
        # Another policy moves a repository that is named where this one begins.
        governed_elsewhere = self._index.named_at(start.spec.source_environment)
        apart = {one for environment in passed for one in self._index.named_at(environment)} - governed_elsewhere
        return (*chains, *(chain for one in sorted(apart) for chain in self.of(start, one)))

    def of(self, start: PromotionPolicy, repository: str) -> tuple[Chain, ...]:
        """Follow one repository to each end of its way; a tie is followed along each of its policies.

        An environment that ways meet in is left once, by the first of them: ties one after another would double the
        ways each time. Raises TooManyWays.
        """
        return self._follow(start, repository)[0]

    def _follow(self, start: PromotionPolicy, repository: str) -> tuple[tuple[Chain, ...], set[str]]:
        """Return the chains, and the environments that are passed."""
        chains: list[Chain] = []
        # The environments passed, each with those behind it that are still to be gone to.
        way = {start.spec.source_environment: iter([start.spec.target_environment])}
        reached = set(way)
        while way:
            self._take(1)
            here = next(way[next(reversed(way))], None)
            if here is None:
                way.popitem()
            elif here in way or here not in reached:
                reached.add(here)
                chain, onward = self._arrive((*way, here), repository)
                if chain is not None:
                    self._take(len(chain.environments))
                    chains.append(chain)
                if here not in way:
                    way[here] = iter(onward)
        return tuple(chains), reached - {start.spec.source_environment}

    def _arrive(self, way: tuple[str, ...], repository: str) -> tuple[Chain | None, list[str]]:
        """Return the chain that ends here, if one does, and where changes go on to."""
        here = way[-1]
        if here in way[:-1]:
            return Chain(environments=way, loops=True), []
        if len(way) > WAY_LIMIT + 1:
            return Chain(environments=way, too_long=True), []
        known = self._environments.get(here)
        final = known is not None and known.spec.final
        found = () if final else self._index.candidates(environment=here, repository=repository)
        if not found:
            return Chain(environments=way, ends_final=final or known is None), []
        return None, sorted({policy.spec.target_environment for policy in found})

    def _take(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise TooManyWays
