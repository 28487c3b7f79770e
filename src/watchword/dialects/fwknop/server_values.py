"""What each variable of fwknopd is set to, whoever sets it: its files, or the command line.

In here: which files are read and in which order, and what the command line says in their place.
Not in here: how one file is read (fwknopd_conf), what a value has to be (fwknopd_conf_verify), what
all of them mean (translate).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.dialects.fwknop import fwknopd_conf, fwknopd_conf_verify
from watchword.dialects.fwknop.fwknopd_conf import Value, Values
from watchword.dialects.fwknop.lines import not_opened, shown_file
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.errors import HostError, OperatorError, Place

COMMAND_LINE = Place("command line", 0)


def read_values(sources: Sources, options: ServerOptions, complaints: Complaints) -> Values:
    """What the files set, the later ones over the earlier, and the command line over them."""
    given: dict[str, Value] = {}
    for file in (options.config_file, *options.override_config):
        try:
            text = sources.read(file)
        except (OperatorError, HostError) as error:
            complaints.opened(file)
            complaints.refuse(
                not_opened("Config", file),
                Place(file, 0),
                shown_file(str(error)),
            )
        else:
            fwknopd_conf.read(text, file, given, complaints)
    given.update(_overrides(options))
    values = Values(given, Place(options.config_file, 0))
    fwknopd_conf_verify.verify(values, complaints)
    return values


def _overrides(options: ServerOptions) -> Iterator[tuple[str, Value]]:
    """Variables that the command line sets."""
    table = (
        ("ACCESS_FILE", "--access-file", options.access_file),
        ("ACCESS_FOLDER", "--access-folder", options.access_folder),
        ("DIGEST_FILE", "--digest-file", options.digest_file),
        ("FWKNOP_PID_FILE", "--pid-file", options.pid_file),
        ("FWKNOP_RUN_DIR", "--run-dir", options.run_dir),
        ("PCAP_INTF", "--interface", options.interface),
        ("PCAP_FILTER", "--pcap-filter", options.pcap_filter),
        ("PCAP_FILE", "--pcap-file", options.pcap_file),
        ("ENABLE_PCAP_ANY_DIRECTION", "--pcap-any-direction", options.pcap_any_direction),
        ("ENABLE_UDP_SERVER", "--udp-server", options.udp_server),
        ("ENABLE_NFQ_CAPTURE", "--nfq-capture", options.nfq_capture),
        ("LOCALE", "--locale", options.locale),
        ("GPG_HOME_DIR", "--gpg-home-dir", options.gpg_home_dir),
        ("GPG_EXE", "--gpg-exe", options.gpg_exe),
        ("SUDO_EXE", "--sudo-exe", options.sudo_exe),
    )
    for name, option, said in table:
        if said:
            yield name, Value(option, "Y" if said is True else str(said), COMMAND_LINE)


def auth_mode(sources: Sources, options: ServerOptions) -> str:
    """AUTH_MODE of fwknop 1.9, whatever else is in the file. A file that is missing is passed over:
    then it is the default."""
    return read_values(sources, options, Complaints()).text("AUTH_MODE")
