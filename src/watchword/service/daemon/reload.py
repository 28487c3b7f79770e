"""Changes a running server over to what the files say now, whole or not at all.

In here: the order of that, and what is told if it cannot be done.
Not in here: what the files mean (dialects), the parts (running), the signal (daemon).
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from watchword import __version__
from watchword.dialects.fwknop.translate import Configuration
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.daemon_events import Complained, HostTrouble, ReloadRefused, Starting
from watchword.model.settings import Settings
from watchword.recognise.spa import SpaRecogniser
from watchword.service.daemon import assembly
from watchword.service.daemon.control import Rights
from watchword.service.daemon.firewall_news import reporting
from watchword.service.daemon.running import Running, complain
from watchword.service.daemon.sources import close
from watchword.service.daemon.surroundings import set_locale

_AT_START_ONLY = ("state_dir", "run_dir", "pid_file", "audit_log")


class Reload:
    """Reads the files anew, and has the server go by them."""

    def __init__(self, running: Running, reconfigure: Callable[[], Configuration]) -> None:
        self._running = running
        self._reconfigure = reconfigure

    async def __call__(self) -> None:
        """Once. What is wrong with the files is told, and the server goes on as it was."""
        running = self._running
        try:
            await self._change_over(*await asyncio.to_thread(self._read_anew))
        except OperatorError as error:
            await self._refuse(error.complaints)
        except HostError as error:
            await self._refuse((Complaint(str(error), hint=error.hint),))
        else:
            running.figures.reloaded("taken", running.clock.now().wall)
        gc.collect()  # cancelled tasks hold the old gate in circles, and with it the old policy

    def _read_anew(self) -> tuple[Configuration, SpaRecogniser]:
        """What the files say now, ready for packets. Takes seconds for megabytes of stanzas, so a
        thread does it; it touches nothing that is in use."""
        configuration = self._reconfigure()
        assembly.check_hmacs(configuration.policy)
        return configuration, SpaRecogniser(configuration.policy)

    async def _refuse(self, complaints: tuple[Complaint, ...]) -> None:
        running = self._running
        running.means.refused()
        await running.watching.give_up()
        running.figures.reloaded("refused", running.clock.now().wall)
        running.reporter.report(ReloadRefused(complaints))

    async def _change_over(self, configuration: Configuration, recogniser: SpaRecogniser) -> None:
        running = self._running
        old, new = running.settings, configuration.settings
        moves = new.firewall != old.firewall
        firewall = running.enforcer.firewall
        if moves:
            firewall = running.means.firewall(new, running.clock, reporting(running.reporter))
        features = await running.enforcer.features(firewall)
        assembly.check_hidden(new.firewall, firewall.name, features)
        policy = assembly.fitted(configuration.policy, firewall.name, features)
        await running.watching.prepare(new)
        fresh = await running.sources.open(new.sources)
        try:
            prepared = running.doors.prepare(configuration)
        except HostError:
            await close(fresh.values())
            raise
        if moves:
            try:
                elsewhere = assembly.place_of(old.firewall) != assembly.place_of(new.firewall)
                await running.enforcer.replace_firewall(firewall, elsewhere=elsewhere)
            except HostError:
                prepared.give_up()
                await close(fresh.values())
                raise
        await running.gates.finish()  # what waits was asked under the old policy
        self._take_over(configuration, old)
        running.listen_to_doors(prepared, policy)
        await running.gates.change(new, policy, recogniser)
        running.staying.follow(running.gates.policy)
        if moves:
            running.announce(0)
            running.keep()
        await self._watch()
        over = running.sources.take_over(new.sources, fresh)
        running.listen(fresh)
        await close(over)

    async def _watch(self) -> None:
        try:
            await self._running.watching.take_over()
        except HostError as error:  # too late to refuse: packets are decided by the new policy
            self._trouble("metrics", error)

    def _take_over(self, configuration: Configuration, old: Settings) -> None:
        running = self._running
        running.means.taken()
        running.configuration = configuration
        running.reporter.follow(configuration.settings.log)
        running.hearers.take_over(configuration.settings)
        set_locale(configuration.settings, running.reporter)
        running.reporter.report(Starting(__version__, again=True))
        complain(configuration, running.reporter)
        for name in _AT_START_ONLY:
            if getattr(old, name) != getattr(configuration.settings, name):
                text = f"{name.upper()} was changed; that is taken up at the next start only"
                running.reporter.report(Complained(Complaint(text, fatal=False)))
        try:
            for mended in running.control.admit(Rights.of(configuration.settings.control)):
                running.reporter.report(Complained(mended))
        except HostError as error:
            self._trouble("control socket", error)

    def _trouble(self, part: str, error: HostError) -> None:
        self._running.reporter.report(HostTrouble(part, str(error), error.hint))
