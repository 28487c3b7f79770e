"""What the hand goes by: the policy of now, one that may come, and the one before for a moment.

In here: reading the files anew when the operator asked for it, and taking up what was read.
Not in here: what is held against a policy (counter, workshop), what files mean (dialects).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from watchword.dialects.fwknop.translate import Configuration
from watchword.errors import HostError
from watchword.model.openings import Feature
from watchword.model.policy import Policy
from watchword.model.settings import Settings
from watchword.ports import Clock, FirewallBackend, ProgramRunner
from watchword.service.daemon import assembly
from watchword.service.daemon.firewall_news import Told, nobody
from watchword.service.daemon.hand import Hand

LINGERS: Final = 15.0  # seconds: what was decided before a reload may still wait for its turn


@dataclass(slots=True)
class Rules:
    """One configuration, and what carries it out."""

    configuration: Configuration
    firewall: FirewallBackend
    hand: Hand
    policy: Policy
    """Limited to what the firewall can open, once that was asked."""
    prepared: bool = False
    """Whether the firewall hides what is to be hidden."""

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    def learn(self, features: frozenset[Feature]) -> None:
        families = {4: Feature.IPV4, 6: Feature.IPV6}
        able = tuple(version for version, feature in families.items() if feature in features)
        self.policy = replace(self.policy, families=able)


class Rulebook:
    """The rules of now and those that were read last."""

    def __init__(
        self,
        configuration: Configuration,
        read: Callable[[], Configuration],
        programs: ProgramRunner,
        clock: Clock,
        told: Told = nobody,
    ) -> None:
        """``told`` hears what firewalls have to tell."""
        self.asked = 0
        """How often the operator asked for a reload that was not read yet."""
        self.ending = False
        """Whether the operator ends the daemon."""
        self.number = 0
        self.coming: Rules | None = None
        self._read = read
        self._programs = programs
        self._told = told
        self._clock = clock
        self._before: tuple[Rules, float] | None = None
        firewall = assembly.firewall_for(configuration.settings, clock, told)
        self.now = self._rules(configuration, firewall)

    def _rules(self, configuration: Configuration, firewall: FirewallBackend) -> Rules:
        policy = configuration.policy
        return Rules(configuration, firewall, Hand(policy, self._programs), policy)

    def of(self, number: int) -> Rules | None:
        """The rules that were taken up as the number-th, if they are in force or just were."""
        if number == self.number:
            return self.now
        if self._before is None or number != self.number - 1:
            return None
        rules, until = self._before
        return rules if self._clock.now().steady < until else None

    def reread(self) -> Configuration:
        """Read the files; what they say is what may come. Blocks, for seconds perhaps.

        Raises OperatorError, HostError: they cannot be used, or nobody asked for that.
        """
        if self.asked < 1:
            raise HostError("nobody asked for the files to be read anew")
        self.asked -= 1
        self.coming = None
        configuration = self._read()
        firewall = self.now.firewall
        moves = configuration.settings.firewall != self.now.settings.firewall
        if moves:
            firewall = assembly.firewall_for(configuration.settings, self._clock, self._told)
        coming = self._rules(configuration, firewall)
        if not moves:
            coming.policy = replace(coming.policy, families=self.now.policy.families)
            coming.prepared = self.now.prepared
        self.coming = coming
        return configuration

    def take(self) -> int:
        """Go by what was read last, from now on; which number that is. Raises HostError."""
        if self.coming is None:
            raise HostError("nothing was read that could be taken up")
        self._before = (self.now, self._clock.now().steady + LINGERS)
        self.now, self.coming = self.coming, None
        self.number += 1
        return self.number

    def refuse(self) -> None:
        """Forget what was read last."""
        self.coming = None
