"""What ``fwknopd --dump-config`` and ``--dump-serv-err-codes`` print.

In here: the order and layout of variables and stanzas, and which of them are
secrets.
Not in here: reading (translate).

Our own variables follow the original's, which keep their numbers. A flag that
is set and means nothing yet is shown as set. Source: fwknopd server, section
5; access.conf, section 9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_table import FLAGS, SECRETS
from watchword.dialects.fwknop.fwknopd_conf import Values, leading_number
from watchword.dialects.fwknop.fwknopd_conf_table import VARIABLES
from watchword.dialects.fwknop.lines import shown, shown_file
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.translate_webhooks import URL, masked
from watchword.dialects.fwknop.voice_words import ERROR_CODES
from watchword.errors import Place
from watchword.model.policy import Terms

_NOT_SET: Final = "<not set>"
_HIDDEN: Final = "<see the access.conf file>"
_LONG: Final = 100_000  # characters; a list of networks is shown whole
_ROWS: Final = (
    "DESTINATION", "OPEN_PORTS", "RESTRICT_PORTS", "KEY", "KEY_BASE64", "KEY_LEN", "HMAC_KEY",
    "HMAC_KEY_BASE64", "HMAC_KEY_LEN", "HMAC_DIGEST_TYPE", "FW_ACCESS_TIMEOUT", "MAX_FW_TIMEOUT",
    "ENABLE_CMD_EXEC", "ENABLE_CMD_SUDO_EXEC", "CMD_SUDO_EXEC_USER", "CMD_SUDO_EXEC_GROUP",
    "CMD_EXEC_USER", "CMD_EXEC_GROUP", "CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE", "CMD_CYCLE_TIMER",
    "REQUIRE_USERNAME", "REQUIRE_SOURCE_ADDRESS", "FORCE_NAT (ip)", "FORCE_NAT (proto)",
    "FORCE_NAT (port)", "FORCE_SNAT (ip)", "FORCE_MASQUERADE", "DISABLE_DNAT", "FORWARD_ALL",
    "ACCESS_EXPIRE", "GPG_HOME_DIR", "GPG_EXE", "GPG_DECRYPT_ID", "GPG_DECRYPT_PW",
    "GPG_REQUIRE_SIG", "GPG_IGNORE_SIG_VERIFY_ERROR", "GPG_REMOTE_ID", "GPG_FINGERPRINT_ID",
)  # fmt: skip
_ZERO_IF_UNSET: Final = ("CMD_CYCLE_TIMER", "FORCE_NAT (port)")


class Dumpable(Protocol):
    """The part of a configuration that is shown."""

    @property
    def values(self) -> Mapping[str, str | None]: ...
    @property
    def stanzas(self) -> Sequence[Mapping[str, str]]: ...
    @property
    def origins(self) -> Mapping[str, Place]: ...


def dump_config(configuration: Dumpable, *, origins: bool = False) -> str:
    """The text of ``--dump-config``, with a newline at the end. No keys are in it.

    ``origins``: the file and line that set a value stand behind it.
    """
    lines = ["Current fwknopd config settings:"]
    for number, (name, value) in enumerate(configuration.values.items()):
        shown_value = _NOT_SET if value is None else shown(value, _LONG)
        place = configuration.origins.get(name) if origins else None
        where = f"  ({shown_file(str(place))})" if place else ""
        lines.append(f"{number:3}. {name:<28} =  '{shown_value}'{where}")
    lines += ["", "Current fwknopd access settings:"]
    for number, stanza in enumerate(configuration.stanzas, start=1):
        lines += [f"SOURCE ({number}):  {stanza['SOURCE']}", "=" * 62]
        lines += [f"{name:>27}:  {stanza[name]}" for name in _ROWS]
        lines.append("")
    return "\n".join([*lines, ""]) + "\n"


def error_codes() -> str:
    """The text of ``--dump-serv-err-codes``, with a newline at the end."""
    return "".join(
        f"err code: {code}, err string: '{text}'\n" for code, text in ERROR_CODES.items()
    )


def variable_values(values: Values, options: ServerOptions) -> dict[str, str | None]:
    """Each variable that is to be listed, with its value or default."""
    override = ",".join(options.override_config) or None
    found: dict[str, str | None] = {
        "CONFIG_FILE": options.config_file,
        "OVERRIDE_CONFIG": override,
    }
    run_dir = values.text("FWKNOP_RUN_DIR")
    derived = {
        "FWKNOP_PID_FILE": f"{run_dir}/fwknopd.pid",
        "DIGEST_FILE": f"{run_dir}/digest.cache",
    }
    for name, variable in VARIABLES.items():
        if variable.listed or name in values.given:
            found[name] = values.text(name) or derived.get(name)
    if found.get(URL):
        found[URL] = masked(found[URL] or "")
    if options.verbose:
        found["VERBOSE"] = str(leading_number(values.text("VERBOSE")) + options.verbose)
    return found


def stanza_values(stanza: Stanza, terms: Terms | None) -> dict[str, str]:
    """Each row of a stanza's dump. ``terms`` is None if the stanza is out of use."""
    rows = {"SOURCE": shown(stanza.source.value, _LONG)}
    rows |= {name: _row(name, stanza) for name in _ROWS}
    if terms is None:
        return rows
    mac = terms.mac_key
    rows["KEY_LEN"] = str(len(terms.credential.key) if terms.credential else 0)
    rows["HMAC_KEY_LEN"] = str(len(mac) if mac else 0)
    rows["HMAC_DIGEST_TYPE"] = str(int(terms.mac_digest) if mac else 0)
    if terms.cycle is None or "FW_ACCESS_TIMEOUT" not in stanza.given:
        rows["FW_ACCESS_TIMEOUT"] = str(terms.default_seconds if terms.cycle is None else 30)
    rows["MAX_FW_TIMEOUT"] = str(terms.max_seconds)
    rows["REQUIRE_SOURCE_ADDRESS"] = "Yes" if terms.source_required else "No"
    if terms.expires is not None:
        rows["ACCESS_EXPIRE"] = _local_time(terms.expires)
    return rows


def _row(name: str, stanza: Stanza) -> str:
    # The original decodes a base64 key into the other variable and shows both.
    line = stanza.last_of(name, f"{name}_BASE64")
    if name in SECRETS:
        return _HIDDEN if line else _NOT_SET
    if name in FLAGS:
        return "Yes" if line and line.value[:1] in ("y", "Y") else "No"
    if line is None:
        return "0" if name in _ZERO_IF_UNSET else _NOT_SET
    return shown(line.value, _LONG)


def _local_time(seconds: float) -> str:
    """As C's asctime has it, in the local time zone as the original."""
    try:
        return datetime.fromtimestamp(seconds).ctime()  # noqa: DTZ006
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f}"
