"""The story, scene by scene. Whatever it claims, it has just checked.

In here: what is done, in which order, and what is claimed of it.
Not in here: how it is done (demo.stage) and looked at (demo.checks).
"""

from __future__ import annotations

import time
from typing import Final

from demo.checks import View, answers, answers_within, falls_silent_within, last_answer, views
from demo.narrator import Narrator
from demo.sshd import USER
from demo.stage import Stage
from demo.waiting import StageError

GRANT_SECONDS: Final = 8
"""How long a knock opens the door for, unless it says something else."""
SHORT_SECONDS: Final = 4
"""How long the knock opens the door for during which the daemon is killed."""
GREETING: Final = "hello from the server"


def listed(seen: list[View]) -> str:
    return "\n".join(map(str, seen))


class Story:
    """What is carried from one scene to the next."""

    def __init__(self, stage: Stage, narrator: Narrator) -> None:
        self.stage = stage
        self.tell = narrator
        self.session = stage.ssh.session(stage.caller, stage.server.four)
        self.packet = ""
        """The caller's knock as it was on the wire, in hexadecimal."""

    def play(self) -> None:
        self.before()
        self.hide()
        self.knock()
        self.replay()
        self.what_the_server_knows()
        self.daemon_dies()
        self.ipv6()
        self.one_port_only()

    # --- what several scenes do -------------------------------------------

    def knocks(self, *more: str) -> float:
        """The caller knocks; Unix time at which it began."""
        command = ("-n", "server", *more)
        self.tell.shell("caller", f"fwknop {' '.join(command)}")
        began = time.time()
        done = self.stage.fwknop(*command)
        if done.returncode:
            raise StageError(f"fwknop cannot knock: {(done.stdout + done.stderr).strip()}")
        return began

    def logs_in(self, address: str, words: str) -> None:
        """The caller runs a command over ssh; claim that it ran."""
        command = f"echo {GREETING}"
        self.tell.shell("caller", f"ssh {USER}@{address} {command}")
        said = self.stage.ssh.ask(self.stage.caller, address, command)
        self.tell.show(said)
        self.tell.claim(words, said == GREETING, said)

    def hidden_from(self, *names: str) -> None:
        """Claim that these find no sign of the server, over both families."""
        stations = {"caller": self.stage.caller, "stranger": self.stage.stranger}
        seen = views([stations[name] for name in names], self.stage.server)
        who = " and ".join(names)
        self.tell.claim(
            f"nmap from {who} finds nothing: no host, no port, closed or open (IPv4, IPv6)",
            len(seen) == 2 * len(names) and all(each.nothing for each in seen),
            listed(seen),
        )

    def goes_on(self, words: str) -> None:
        """Claim that the login of the first scene still works."""
        self.tell.claim(words, self.session.echoes(f"still here at {time.time()}"))

    # --- the scenes --------------------------------------------------------

    def before(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("Before: anybody can find the server")
        tell.say(
            f"""A server ({stage.server.four}, {stage.server.six}) runs sshd. A caller and a
            stranger reach it over a router. Nothing is hidden yet."""
        )
        tell.shell("stranger", f"nmap -p 22,25,80,443 {stage.server.four}")
        seen = views([stage.caller, stage.stranger], stage.server)
        tell.show(listed(seen))
        tell.claim(
            "caller and stranger both find ssh open, over IPv4 and IPv6",
            len(seen) == 4 and all(each.up and each.ports.get(22) == "open" for each in seen),
            listed(seen),
        )
        self.goes_on("the caller is logged in by ssh, and stays so from here on")

    def hide(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("One key on both sides, and the server vanishes")
        command = (
            "-A", "tcp/22", "-s", "-D", stage.server.four, "-n", "server",
            "--key-gen", "--use-hmac", "--save-rc-stanza",
        )  # fmt: skip
        tell.shell("caller", f"fwknop {' '.join(command)}")
        made = stage.fwknop(*command)
        if made.returncode or not stage.stanza_file.exists():
            raise StageError(f"fwknop cannot make keys: {(made.stdout + made.stderr).strip()}")
        self.write_stanza()
        tell.say("fwknopd.conf on the server; its access.conf got the same keys:")
        tell.show(stage.configure("ALL"))
        tell.shell("server", "fwknopd")
        stage.start_fwknopd()
        self.hidden_from("caller", "stranger")
        tell.claim(
            "a loop of login attempts by the stranger does not get a single TCP answer",
            last_answer(stage.stranger.host, stage.server.four, 2) == 0,
        )
        self.goes_on("the login from before goes on: hiding cuts nobody off")

    def write_stanza(self) -> None:
        """Copy the keys of the client's stanza to access.conf, as an operator does."""
        saved = self.stage.stanza_file.read_text("utf-8").splitlines()
        keys = [line for line in saved if line.split()[:1] in (["KEY_BASE64"], ["HMAC_KEY_BASE64"])]
        self.tell.claim("the stanza holds two keys", len(keys) == 2, len(keys))
        stanza = ["SOURCE ANY", "OPEN_PORTS tcp/22", f"FW_ACCESS_TIMEOUT {GRANT_SECONDS}", *keys]
        self.stage.write_access("\n".join(stanza) + "\n")

    def knock(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("One packet opens one port, for one address, for a time")
        tap = stage.tap()
        self.knocks()
        self.packet = tap.packet()
        sealed = bytes.fromhex(self.packet).decode("ascii", "replace")
        tell.show(f"{sealed[:72]}...")
        tell.claim(
            f"one UDP packet of {len(sealed)} bytes went by, and no second one",
            len(sealed) >= 140 and not tap.hears_more(),
            sealed,
        )
        self.logs_in(stage.server.four, "the caller logs in")
        tell.claim(
            "meanwhile the stranger gets no answer from ssh",
            not answers(stage.stranger.host, stage.server.four),
        )
        self.hidden_from("stranger")

    def replay(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("The same packet again, from somebody who heard it")
        tell.say(
            """The stranger was on the way and has the packet. It says "open for the address this
            comes from", so it would be worth something."""
        )
        stage.send_again(self.packet)
        line = stage.log_line("Replay detected from source IP", stage.stranger.four)
        tell.show(line)
        tell.claim("the server refuses it as a replay", bool(line), stage.log())
        tell.claim(
            "the stranger still gets no answer",
            not answers(stage.stranger.host, stage.server.four),
        )
        self.explain()

    def explain(self) -> None:
        stage, tell = self.stage, self.tell
        packet = bytes.fromhex(self.packet).decode("ascii", "replace")
        tell.shell("server", f"watchword explain -s {stage.stranger.four} {packet[:16]}...")
        said = stage.watchword("explain", *stage.files, "-s", stage.stranger.four, packet)
        tell.show(said.stdout)
        tell.claim("explain says why", "replay" in said.stdout.lower(), said.stdout + said.stderr)

    def what_the_server_knows(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("What the server says about it")
        tell.show(stage.log_line("Added", stage.caller.four))
        tell.say("The grant ends by itself:")
        tell.claim(
            f"after {GRANT_SECONDS} s the door is shut again for new connections",
            falls_silent_within(stage.caller.host, stage.server.four, GRANT_SECONDS + 1),
        )
        line = stage.log_line("Removed rule")
        tell.show(line)
        tell.claim("the log names the end", bool(line), stage.log())
        self.goes_on("the login from before goes on: the end of a grant cuts nobody off")

    def daemon_dies(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("The daemon is killed while a grant is open")
        began = self.knocks("-f", str(SHORT_SECONDS))
        tell.claim("the door is open", answers_within(stage.caller.host, stage.server.four, 2))
        tell.shell("server", "fwknopd --fw-list")
        grants = stage.fwknopd("--fw-list")
        tell.show(grants.stdout.partition("\ntable ")[0])
        tell.claim(
            "the list of grants names the caller and nobody else",
            stage.caller.four in grants.stdout and stage.stranger.four not in grants.stdout,
            grants.stdout + grants.stderr,
        )
        tell.shell("server", "kill -9 fwknopd")
        stage.kill_fwknopd()
        tell.claim("no daemon runs any more", stage.fwknopd("-S").returncode == 1)
        lasted = last_answer(stage.caller.host, stage.server.four, SHORT_SECONDS + 1) - began
        tell.claim(
            f"the grant of {SHORT_SECONDS} s ended on time all the same, "
            f"{max(lasted, 0):.1f} s after the knock",
            SHORT_SECONDS - 1 < lasted < SHORT_SECONDS + 1,
            f"last answer after {lasted:.2f} s",
        )
        self.hidden_from("stranger")
        self.goes_on("the login from before goes on")
        tell.shell("server", "fwknopd")
        stage.start_fwknopd()

    def ipv6(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("The same over IPv6")
        self.knocks("-D", stage.server.six)
        self.logs_in(stage.server.six, "the caller logs in over IPv6")
        tell.claim(
            "the grant is for that address only: over IPv4 there is no answer",
            not answers(stage.caller.host, stage.server.four),
        )

    def one_port_only(self) -> None:
        stage, tell = self.stage, self.tell
        tell.scene("Hiding one port only is another thing, and looks like it")
        tell.shell("server", "fwknopd -K")
        tell.show(stage.stop_fwknopd())
        tell.show(stage.configure("tcp/22"))
        tell.shell("server", "fwknopd")
        stage.start_fwknopd()
        seen = views([stage.stranger], stage.server)
        tell.show(listed(seen))
        expected = {22: "filtered", 25: "closed", 80: "closed", 443: "closed"}
        tell.claim(
            "the stranger sees a host, and ssh filtered beside closed ports",
            len(seen) == 2 and all(each.up and each.ports == expected for each in seen),
            listed(seen),
        )
        self.goes_on("the login from the first scene goes on to the last")
