"""What the settings of a run have to satisfy together, in the original's order.

In here: the checks of client, section 4.
Not in here: what one value may be (client_values), the packet's own fields
(client_request).

Every check raises OperatorError with the sentence that the original prints.
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_routes
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import Allow, AllowKind, Given
from watchword.dialects.fwknop.client_values import is_yes, server
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode
from watchword.wire.spa.checks import check_allow

_NO_DESTINATION = "Must use --destination unless --test mode is used"
_SERVER = "name the server with -D, or a section of the rc file with -n"
_ALLOW = "-s lets in the address that the packet comes from, -a ADDRESS that one"


def check_files(line: CommandLine) -> None:
    """Which files may be used together (section 2.4)."""
    if not line.no_rc_file:
        if line.no_home_dir and line.rc_file is None:
            raise OperatorError(
                "Warning: in --no-home-dir mode, must set --rc-file path.",
                hint="name one with --rc-file, or use --no-rc-file",
            )
        return
    clashes = {
        "Cannot set stanza name in --no-rc-file mode.": line.named is not None,
        "Cannot save an rc stanza in --no-rc-file mode.": line.save_stanza,
        "Cannot list stanzas in --no-rc-file mode.": line.stanza_list,
    }
    for message, clash in clashes.items():
        if clash:
            raise OperatorError(message, hint="leave one of the two out")


def stanza_to_save(line: CommandLine) -> str:
    """The section that ``--save-rc-stanza`` writes: that of -n, else the server's name."""
    name = line.named or line.given.server
    if not name:
        raise OperatorError(_NO_DESTINATION, hint="or name the stanza with -n")
    return name


def _missing(line: CommandLine, option: str, variable: str, otherwise: str) -> str:
    """Where to say what nothing says: a section that was named has it no more than the options."""
    if not line.named:
        return otherwise
    if line.save_stanza:
        return f"what is saved is not read before: give {option} once more"
    return f"give {option}, or add {variable} to [{line.named}]"


def verify(line: CommandLine, settings: Given) -> None:
    """Checks 3 to 11 of section 4."""
    replay = line.last or line.perl.last_host is not None
    shown = line.version or line.show_last or line.perl.show_host is not None
    exempt = line.test or line.key_gen or shown or replay
    if not exempt and not settings.server:
        raise OperatorError(_NO_DESTINATION, hint=_missing(line, "-D", "SPA_SERVER", _SERVER))
    if not exempt and settings.allow is None:
        raise OperatorError(
            "Must use one of [-s|-R|-a] to specify IP for SPA access.",
            hint=_missing(line, "-s, -R or -a", "ALLOW_IP", _ALLOW),
        )
    if settings.allow is not None:
        _check_allow(settings.allow)
    client_routes.check(line, settings)
    _check_cryptography(settings)
    _check_server(line, settings)
    if not (line.key_gen or shown or replay):
        _check_resolution(line, settings)


def _check_allow(allow: Allow) -> None:
    if allow.kind is AllowKind.ADDRESS:
        try:
            check_allow(allow.text)
        except ValueError as error:
            raise OperatorError(
                "Invalid allow IP specified for SPA access", hint=str(error)
            ) from None


def _check_resolution(line: CommandLine, settings: Given) -> None:
    """Whom to ask, if anybody is asked; only such runs pay for looking at it."""
    if settings.allow is not None and settings.allow.kind is AllowKind.RESOLVE:
        from watchword.dialects.fwknop.client_whereabouts import wish  # noqa: PLC0415

        wish(line, settings)


def _check_cryptography(settings: Given) -> None:
    gpg = uses_gpg(settings)
    if gpg and not settings.elsewhere.get("GPG_RECIPIENT", "").strip():
        raise OperatorError(
            "Must specify --gpg-recipient-key when GPG is used.",
            hint="gpg --list-keys shows the keys there are",
        )
    if settings.mode is CipherMode.ASYMMETRIC and not gpg:
        raise OperatorError(
            "Must specify GPG recipient/signing keys when Asymmetric encryption mode is used.",
            hint="use -g and --gpg-recipient-key, or another mode with -M",
        )
    if settings.mode is CipherMode.LEGACY and settings.use_hmac:
        raise OperatorError(
            "Legacy encryption mode is incompatible with HMAC usage.",
            hint="leave --use-hmac and the HMAC key out, or better: use -M CBC",
        )


def _check_server(line: CommandLine, settings: Given) -> None:
    """A port may be written with the server's name, but then nowhere else (section 17, -D)."""
    if not settings.server:
        return
    try:
        port = server(settings.server).port
    except ValueError as error:
        raise OperatorError(
            str(error), hint="write -D server.example, or -D server.example:62201"
        ) from None
    if port is None or settings.server != line.given.server:
        return
    if line.given.rand_port or line.given.server_port not in (None, port):
        raise OperatorError(
            f"-D names port {port}, and another option names a different one",
            hint="give the port once",
        )


def uses_gpg(settings: Given) -> bool:
    return is_yes(settings.elsewhere.get("USE_GPG", "N"))
