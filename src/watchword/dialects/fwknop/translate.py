"""From fwknopd's files and command line to settings and policy.

In here: what is read and translated after what, and the one place where everything
that is wrong is raised together.
Not in here: the variables, and what the command line overrides (server_values), reading
each file (fwknopd_conf, access_conf), opening files (edges), acting on any of it (service).

Source: fwknopd server, sections 1 to 3; access.conf, sections 1 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from watchword.dialects.fwknop import (
    access_conf_perl,
    fwknopd_conf_verify,
    policy_tests,
    translate_alerts,
    translate_answers,
    translate_callers,
    translate_default,
    translate_doors,
    translate_hidden,
    translate_knocks,
    translate_log,
    translate_nat,
    translate_sharing,
    translate_sources,
    translate_watching,
    translate_webhooks,
)
from watchword.dialects.fwknop.access_conf import AccessFiles, Stanza
from watchword.dialects.fwknop.access_conf_commands import Accounts
from watchword.dialects.fwknop.access_conf_nat import ServerNat, inside
from watchword.dialects.fwknop.access_conf_stanza import offered
from watchword.dialects.fwknop.dump import stanza_values, variable_values
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown, shown_file
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.server_files import Sources, noting
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.server_places import places_of
from watchword.dialects.fwknop.server_values import COMMAND_LINE, read_values
from watchword.dialects.fwknop.translate_accounts import accounts_of, surroundings, with_actions
from watchword.dialects.fwknop.translate_firewall import firewall
from watchword.dialects.fwknop.translate_guard import Offer
from watchword.dialects.fwknop.translate_policy import policy_of, terms_of, with_signatures
from watchword.dialects.fwknop.translate_requests import requests
from watchword.dialects.fwknop.translate_sources import sources
from watchword.errors import Complaint, Place
from watchword.model.firewalls import FirewallSettings
from watchword.model.knocking import Knocking
from watchword.model.old_knocks import Signatures
from watchword.model.policy import Policy
from watchword.model.policy_tests import PolicyTest
from watchword.model.settings import ControlSettings, Settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything the daemon is told by files and command line."""

    settings: Settings
    policy: Policy
    complaints: tuple[Complaint, ...]
    """None of them fatal; in the order of files and lines, at most a hundred and one."""
    values: Mapping[str, str | None]
    """Effective value of each variable, in the order of ``--dump-config``; None: not set."""
    stanzas: tuple[Mapping[str, str], ...]
    """What each stanza says, in the order of ``--dump-config``, without its keys."""
    files: tuple[str, ...] = ()
    """Every file that was read, once each, in the order of reading, POLICY_TESTS left out."""
    key_files: tuple[str, ...] = ()
    """Those of ``%include_keys``, in the order of the stanzas."""
    origins: Mapping[str, Place] = field(default_factory=dict)
    """What set each variable that is set: a line of a file, or the command line."""
    tests: tuple[PolicyTest, ...] = ()
    """What the policy has to answer, for it to be used (POLICY_TESTS)."""
    knocking: Knocking | None = None
    """Doors that knocks open, with where they listen (KNOCKD_CONF); None: there are none."""


def load(sources: Sources, options: ServerOptions) -> Configuration:
    """Read every file, and the command line over them.

    Raises OperatorError with all complaints of all files if any of them is
    fatal. Nothing else is raised, whatever the files hold.
    """
    complaints = Complaints()
    read: dict[str, None] = {}
    plain, sources = sources, noting(sources, read)
    values = read_values(sources, options, complaints)
    if options.config_file not in read:
        if options.access_file or options.access_folder:  # else which are meant would be a guess
            _stanzas(sources, values, complaints)
        complaints.settle()
    stanzas = _stanzas(sources, values, complaints)
    accounts = with_actions(accounts_of(sources, values), sources, values, complaints)
    nat = translate_nat.server_nat(values, complaints)
    around = surroundings(sources, values)
    found = terms_of(stanzas, values, complaints, around=around, accounts=accounts, nat=nat)
    policy = with_signatures(policy_of(values, found, nat, complaints), sources, values, complaints)
    offers = _offers(stanzas, accounts, nat)
    values = translate_default.with_default(values, offers, sources.is_program, complaints)
    fwknopd_conf_verify.remark_idle(values, complaints)
    settings = _whole_settings(values, options, sources, complaints, offers)
    settings, said = _with_answers(settings, stanzas, offers, values, complaints)
    policy = translate_answers.policy(policy, settings.firewall, said)
    firewall = _for_stanzas(settings.firewall, policy, values, complaints)
    if settings.requests is not None:
        policy = replace(policy, proxies=settings.requests.proxies)
    doors = translate_doors.knocking(values, sources.read, complaints)
    if doors is not None:
        firewall, policy = _for_doors(doors, firewall, policy, values, complaints)
    _verify(values, settings, policy, complaints)
    translate_hidden.verify(firewall, policy, values, complaints)
    tests = _tests(plain, values, complaints)
    return Configuration(
        settings=replace(settings, firewall=firewall),
        policy=policy,
        complaints=complaints.settle(),
        values=variable_values(values, options),
        stanzas=tuple(stanza_values(stanza, term) for stanza, term in found),
        files=tuple(read),
        key_files=tuple(each.key_path for each in stanzas if each.key_path),
        origins={name: value.place for name, value in values.given.items()},
        tests=tests,
        knocking=doors,
    )


def _offers(stanzas: Sequence[Stanza], accounts: Accounts, nat: ServerNat) -> list[Offer]:
    return [
        Offer(each.source.place, offered(each, accounts), inside(each, nat)) for each in stanzas
    ]


def _with_answers(
    settings: Settings,
    stanzas: Sequence[Stanza],
    offers: Sequence[Offer],
    values: Values,
    complaints: Complaints,
) -> tuple[Settings, Sequence[translate_answers.Asked]]:
    """The settings, with answers let out as the stanzas want it, and what each of them wants."""
    opening = [
        stanza
        for stanza, offer in zip(stanzas, offers, strict=True)
        if offer.services is None or offer.services
    ]
    said = translate_answers.asked(opening, values)
    firewall = translate_answers.firewall(settings.firewall, values, said, complaints)
    chains = translate_answers.chains(settings.log.chains, firewall)
    return replace(settings, firewall=firewall, log=replace(settings.log, chains=chains)), said


def _for_stanzas(
    firewall: FirewallSettings, policy: Policy, values: Values, complaints: Complaints
) -> FirewallSettings:
    """The firewall, with what the stanzas want of it."""
    return replace(
        firewall,
        snat=translate_nat.snat(policy, complaints),
        seen_as=any(terms.nat.sources for terms in policy.stanzas),
        **translate_callers.firewall(policy),
        **translate_sharing.firewall(policy, values),
    )


def _for_doors(
    doors: Knocking,
    firewall: FirewallSettings,
    policy: Policy,
    values: Values,
    complaints: Complaints,
) -> tuple[FirewallSettings, Policy]:
    """Both, with the doors that knocks open."""
    firewall = translate_doors.hiding(
        firewall, doors, values, complaints, blacklist=policy.blacklist
    )
    policy = translate_doors.with_doors(policy, doors)
    everybody = firewall.answers_apart and values.flag("ENABLE_IPT_OUTPUT")
    return firewall, replace(policy, door_answers=everybody)


def _whole_settings(
    values: Values,
    options: ServerOptions,
    sources: Sources,
    complaints: Complaints,
    offers: Sequence[Offer],
) -> Settings:
    return replace(
        _settings(values, options, offers, complaints),
        control=_control(values, sources, complaints),
        mail=translate_alerts.mail(values, complaints, sources.is_program),
        webhooks=translate_webhooks.webhooks(values, complaints, sources.read),
    )


def settings_only(sources: Sources, options: ServerOptions) -> Settings:
    """What is known without the stanzas, for commands that look at what a daemon has done.

    Looks at fwknopd.conf, and at the stanzas where it is for them to say which firewall, or which
    of its chains; passes over what is wrong with them, as ``server_places.places`` does.
    """
    complaints = Complaints()
    values = read_values(sources, options, complaints)
    if not translate_default.is_chosen(values):
        values = _with_firewall(sources, values, complaints)
    settings = _settings(values, options, (), complaints)
    if not (settings.firewall.in_iptables or values.text("NFT_OUTPUT_FROM")):
        return settings
    stanzas, offers = _translated(sources, values, complaints)
    return _with_answers(settings, stanzas, offers, values, complaints)[0]


def fingerprinting(sources: Sources, options: ServerOptions) -> tuple[str, Signatures]:
    """The log that is looked at for systems, and by which signatures. Raises OperatorError."""
    complaints = Complaints()
    values = read_values(sources, options, Complaints())
    found = translate_knocks.signatures(values, sources.read, complaints, needed=True)
    complaints.settle()
    return options.fw_log or values.text("IPT_SYSLOG_FILE"), found


def _with_firewall(sources: Sources, values: Values, complaints: Complaints) -> Values:
    _, offers = _translated(sources, values, complaints)
    return translate_default.with_default(values, offers, sources.is_program, complaints)


def _translated(
    sources: Sources, values: Values, complaints: Complaints
) -> tuple[Sequence[Stanza], Sequence[Offer]]:
    stanzas = _stanzas(sources, values, complaints)
    for stanza in stanzas:
        access_conf_perl.translate(stanza, complaints, hears=translate_knocks.is_heard(values))
    nat = translate_nat.server_nat(values, complaints)
    return stanzas, _offers(stanzas, accounts_of(sources, values), nat)


def _stanzas(sources: Sources, values: Values, complaints: Complaints) -> Sequence[Stanza]:
    files = AccessFiles(sources.read, sources.list_folder, complaints)
    folder, file = values.text("ACCESS_FOLDER"), values.text("ACCESS_FILE")
    if folder:
        files.load_folder(folder, values.place("ACCESS_FOLDER"))
        missing = "Fatal, could not find any valid access.conf stanzas"
    else:
        files.load_file(file, values.place("ACCESS_FILE"))
        missing = f"[*] Could not find valid SOURCE stanza in access file: '{shown_file(file)}'"
    if not files.stanzas and not complaints.fatal:
        complaints.refuse(
            missing, Place(folder or file, 0), "add a stanza: SOURCE ANY, OPEN_PORTS and keys"
        )
    return files.stanzas


def _settings(
    values: Values, options: ServerOptions, offers: Sequence[Offer], complaints: Complaints
) -> Settings:
    places = places_of(values)
    return Settings(
        sources=sources(values, complaints),
        requests=requests(values, complaints),
        firewall=firewall(values, offers, complaints),
        log=translate_log.log(values, options.verbose, complaints),
        run_dir=places.run_dir,
        state_dir=places.state_dir,
        pid_file=places.pid_file,
        digest_file=places.digest_file,
        metrics=translate_watching.metrics(values, complaints),
        audit_log=values.flag(translate_watching.AUDIT),
        commands_at_once=values.number("MAX_COMMANDS"),
        locale=translate_log.locale(values),
        rotate=options.rotate_digest_cache,
        apart=values.flag("PRIVILEGE_SEPARATION"),
        packet_limit=options.packet_limit,
        dry_run=options.test,
    )


def _control(values: Values, sources: Sources, complaints: Complaints) -> ControlSettings:
    """Who may use the control socket. For the group nothing is guessed: it has to be there."""
    name, changes = values.text("CONTROL_GROUP"), values.flag("CONTROL_GROUP_CHANGES")
    if not name or name.upper() == "NONE":
        if changes:
            complaints.remark(
                "CONTROL_GROUP_CHANGES has no effect without CONTROL_GROUP",
                values.place("CONTROL_GROUP_CHANGES"),
                "name the group in CONTROL_GROUP, or remove the line",
            )
        return ControlSettings()
    group = sources.group(name)
    if group is None:
        complaints.refuse(
            f"CONTROL_GROUP has '{shown(name)}', and there is no such group",
            values.place("CONTROL_GROUP"),
            "make it (groupadd), or remove the line: then only root may ask",
        )
    return ControlSettings(group, group_changes=changes)


def _tests(sources: Sources, values: Values, complaints: Complaints) -> tuple[PolicyTest, ...]:
    """The operator's expectations. They hold no secret, so the file may be anybody's to read."""
    file = values.text("POLICY_TESTS")
    if not file or file.upper() == "NONE":
        return ()
    return tuple(policy_tests.read(sources.read, file, complaints))


def _verify(values: Values, settings: Settings, policy: Policy, complaints: Complaints) -> None:
    """What is not wrong in one variable or stanza, but in what follows from it."""
    translate_sources.verify(values, complaints)
    if not values.flag("ENABLE_DIGEST_PERSISTENCE"):
        complaints.remark(
            "with ENABLE_DIGEST_PERSISTENCE N replayed packets are not detected",
            values.place("ENABLE_DIGEST_PERSISTENCE"),
            "remove the line",
        )
    if "ACCESS_FOLDER" in values.given and values.place("ACCESS_FILE") == COMMAND_LINE:
        complaints.remark(
            "--access-file has no effect: ACCESS_FOLDER wins", values.place("ACCESS_FOLDER")
        )
    translate_callers.verify(policy, complaints)
    translate_knocks.verify(values, policy.stanzas, complaints)
    translate_sources.verify_interfaces(policy.stanzas, settings.sources, complaints)
