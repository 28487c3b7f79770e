"""What only the options of the perl client 1.9 can say (client, section 17).

Not in here: the options (client_perl_table), reading values (client_perl_notes),
what follows from them (client_perl_settled).
"""

from __future__ import annotations

from watchword.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


@record
class Perl:
    """What only the perl client's options say."""

    quiet: bool = False
    debug: bool = False
    home_dir: str | None = None
    locale: str | None = None
    """Empty: that of the environment. None: nothing was said."""
    last_host: str | None = None
    show_host: str | None = None
    show_last: bool = False
    """Show the last options in the perl client's words."""
    save_dst: bool = False
    save_packet: bool = False
    max_packet: int | None = None
    max_answer: int | None = None
    server_auth: bool = False
    """Whether a UNIX password goes with the packet."""
    server_mode: str = "pcap"
    nat: str | None = None
    nat_local: bool = False
    allows_name: bool = False
    """Whether it is a name that is to be let in, which has to be looked up."""
    spoofed: bool = False
    spoof_proto: str | None = None
    tcp_sock: bool = False
    http: bool = False
    gpg_default_key: bool = False
    gpg_verbose: bool = False
    gpg_options: bool = False
    gpg_agent_info: str | None = None
    gpg_prefix: bool = False
    salted: bool = False
    equals: bool = False
    user_rc: str | None = None
    offset: int | None = None
    """Lowest port of an encrypted sequence; None: the usual one."""
    rotate_proto: bool = False
    time_delay: float | None = None
    """Seconds between two hits; None: nothing was said."""
    knocking: tuple[str, ...] = ()
    """Options given that only knock sequences have a use for."""

    @property
    def knocks(self) -> bool:
        """Whether a sequence is asked for, and no packet."""
        return self.server_mode != "pcap"

    @property
    def wants_old_packet(self) -> bool:
        """Whether something was asked for that only packets of 1.9 can have."""
        return self.salted or self.equals or self.gpg_prefix


NO_PERL: Final = Perl()
"""Where none of these options was given."""
