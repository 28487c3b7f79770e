"""What a server is tried with: nothing is lost, nothing spoils anything else."""

from __future__ import annotations

import pytest

from watchword.conformance import keyrings, openpgp_trials, repertoire, servers
from watchword.conformance.findings import Finding
from watchword.conformance.golden import (
    all_of_kind,
    credentials_in,
    every_id,
    files_of_kind,
    gpg_not_written,
    gpg_refused,
    load,
)
from watchword.conformance.repertoire import plan, stand_for_all
from watchword.conformance.rounds import Round, pack
from watchword.conformance.strictness import LISTED_IN_OTHER_WORDS, NOT_OPENED_FOR_OPENPGP
from watchword.conformance.trials import SENDER, Knock, Must, Target, Trial, stanza, targets_of
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.services import Service
from watchword.spa import Lock, SpaError

EVERYTHING, UNSEEN = plan(everything=True)
SELECTED, UNSELECTED = plan()
ROUNDS = pack(EVERYTHING)


LONG_LEGACY_KEYS = {
    vector["id"]
    for vector in all_of_kind("positive")
    if vector["encryption"]["mode"] == 8 and vector["encryption"]["key_len"] > 16
}


def names(trials: list[Trial]) -> set[str]:
    return {knock.name for trial in trials for knock in trial.knocks}


def musts(trials: list[Trial], group: str) -> dict[str, Must]:
    return {
        knock.name: knock.must for trial in trials if trial.group == group for knock in trial.knocks
    }


def test_everything_tries_every_packet_or_says_why_not() -> None:
    told = names(EVERYTHING) | {each.name for each in UNSEEN}
    files = {*files_of_kind("positive"), *files_of_kind("negative"), "gpg", "server"}
    there = every_id(*files).keys() - {each["id"] for each in gpg_not_written()}
    assert there - told == set()
    assert names(EVERYTHING) & {each.name for each in UNSEEN} == set()
    assert {each.name for each in UNSEEN if each.why == repertoire.NOT_SAYABLE} == {
        "key-cbc-0", "key-legacy-0", "neg-empty-key", "neg-key33", "neg-key64", "neg-key128",
        "perl-neg-key40", "neg-hmac-key137", "neg-hmac-type-1", "neg-hmac-type0",
        "neg-hmac-type8", "neg-mode-1", "neg-mode0", "neg-mode4", "neg-mode7", "neg-mode9",
    } | LONG_LEGACY_KEYS  # fmt: skip


def test_every_name_is_there_once() -> None:
    told = [knock.name for trial in EVERYTHING for knock in trial.knocks]
    assert len(told) == len(set(told))


def test_the_selection_has_every_mode_digest_hmac_type_version_and_error() -> None:
    chosen = [vector for vector in all_of_kind("positive") if vector["id"] in names(SELECTED)]
    assert {vector["encryption"]["mode"] for vector in chosen} == {1, 2, 3, 5, 6, 8}
    assert {vector["digest"]["type"] for vector in chosen} == set(range(1, 8))
    assert {vector["hmac"]["type"] for vector in chosen if vector["hmac"]} == set(range(1, 8))
    assert {vector["fields"]["message_type"] for vector in chosen} == set(range(7))
    assert {"2.0.2", "1.9.12", "3.0.0"} <= {vector["fields"]["version"] for vector in chosen}
    refused = [vector for vector in all_of_kind("negative") if vector["id"] in names(SELECTED)]
    assert len({vector["error"] for vector in refused}) == 37
    assert len(names(SELECTED)) < 240


def test_the_selection_says_how_much_it_leaves_out() -> None:
    [left] = [each for each in UNSELECTED if each.group == "selection"]
    assert left.name == f"{len(names(EVERYTHING) - names(SELECTED))} packets more"
    assert not [each for each in UNSEEN if each.group == "selection"]


def test_a_vector_stands_for_others_only_if_it_has_nothing_of_its_own() -> None:
    first, second = ({**vector, "file": "x"} for vector in load("digests")[:2])
    assert second["encryption"]["mode"] != first["encryption"]["mode"]
    assert stand_for_all([first, second, first, second]) == [first, second]


def test_what_cannot_be_seen_stands_for_nothing() -> None:
    """Else the first packet with a timeout, which opens for one second, would be the only one."""
    assert "cli-fw-timeout-1" in {each.name for each in UNSEEN}
    assert musts(SELECTED, "client packets")["cli-fw-timeout-60"] is Must.OPEN


def test_what_is_demanded_of_each_group() -> None:
    assert set(musts(EVERYTHING, "hmac").values()) == {Must.OPEN}
    assert set(musts(EVERYTHING, "lenient").values()) == {Must.EITHER}
    assert set(musts(EVERYTHING, "not enabled").values()) == {Must.SHUT}
    assert set(musts(EVERYTHING, "garbage").values()) == {Must.SHUT}
    either = {name for name, must in musts(EVERYTHING, "refusal").items() if must is Must.EITHER}
    assert either == {"neg-ts-2038", "neg-ts-uint32max"}


def test_no_replay_may_open_anything() -> None:
    replays = musts(EVERYTHING, "replay") | musts(EVERYTHING, "http")
    assert {name for name, must in replays.items() if must is Must.SHUT} == {
        *(f"srv-replay-variants #{number}" for number in (2, 3, 4, 5)),
        *(f"srv-replay-variants-hmac #{number}" for number in (2, 3, 4)),
        "srv-replay #2", "srv-replay-other-source #2", "srv-http-replay #2",
        "srv-http-prefix-replay #2",
    }  # fmt: skip
    assert musts(EVERYTHING, "gpg")["srv-gpg-replay #2"] is Must.SHUT
    offences = {knock.name: knock.offence for trial in EVERYTHING for knock in trial.knocks}
    assert offences["srv-replay #2"] == "it accepts a replay"
    assert offences["srv-replay-variants #2"] == "it accepts a replay in other words"
    assert offences["srv-legacy-long #2"] == "it opens"


def test_what_is_recorded_at_a_server_opens_what_its_log_says() -> None:
    [knock] = [
        knock
        for trial in EVERYTHING
        for knock in trial.knocks
        if knock.name == "srv-wire396-pt255-hmac"
    ]
    assert len(knock.targets) == 14
    assert knock.targets[-1] == Target("1.2.3.4", Service.parse("tcp/22"))


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("192.0.2.10,tcp/22,udp/53,tcp/22", ["192.0.2.10 tcp/22", "192.0.2.10 udp/53"]),
        ("0.0.0.0,tcp/22", [f"{SENDER} tcp/22"]),
        ("127.0.0.2,tcp/22", []),
        ("255.255.255.255,tcp/22", []),
        ("010.0.0.1,tcp/22", []),
        ("10.0.0.1,tcp/00022", ["10.0.0.1 tcp/22"]),
    ],
)
def test_what_a_message_asks_for_is_looked_at_from_whom_it_names(
    message: str, wanted: list[str]
) -> None:
    assert [f"{each.address} {each.service}" for each in targets_of(message)] == wanted


def test_a_stanza_says_everything_about_a_credential() -> None:
    credential = Credential(Secret(b"k" * 20), CipherMode.CTR, Secret(b"h" * 30), Digest.SHA3_512)
    [read] = credentials_in(stanza(credential))
    assert read == credential
    legacy = Credential(Secret(b"k" * 16), CipherMode.LEGACY)
    assert list(credentials_in(stanza(legacy))) == [legacy]


def test_what_becomes_of_openpgp_packets() -> None:
    came = musts(EVERYTHING, "gpg")
    either = {name for name, must in came.items() if must is Must.EITHER}
    shut = {name for name, must in came.items() if must is Must.SHUT}
    assert either == NOT_OPENED_FOR_OPENPGP.keys() | LISTED_IN_OTHER_WORDS
    assert {name for name in shut if name.startswith("srv-")} == {
        "srv-gpg-unsigned-required", "srv-gpg-hmac-wrong", "srv-gpg-prefix", "srv-gpg-replay #2",
    }  # fmt: skip
    refused = {each["id"] for each in gpg_refused()} - openpgp_trials.NOT_TRIED.keys()
    assert {name for name in shut if not name.startswith("srv-")} == refused | {
        "gpg-unsigned", "gpg-unsigned-hmac", "gpg-untrusted", "gpg-nat", "gpg-cmd-192",
    }  # fmt: skip
    assert len(came) == 12 + 26 + 17 - 3


def test_the_selection_has_every_recipient_signer_hmac_and_error_of_openpgp() -> None:
    chosen = [each for each in (*load("gpg"), *gpg_refused()) if each["id"] in names(SELECTED)]
    every = [each for each in (*load("gpg"), *gpg_refused()) if "packet_len" in each]
    assert {each["recipient"] for each in chosen} == {each["recipient"] for each in every}
    assert {each.get("signer") for each in chosen} == {each.get("signer") for each in every}
    assert {each["hmac"]["type"] for each in chosen if each["hmac"]} == {1, 2, 3, 5, 7}
    codes = {each["decode"]["require_good_sig"].get("code", 0) for each in chosen}
    assert codes == {0, 8, 12, 14, 26, 31, 34, 53, 60, 132, 137, 138}


def test_without_gpg_a_server_is_judged_for_the_rest_and_the_table_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sat: list[Round] = []
    monkeypatch.setattr(keyrings, "obstacle", lambda: "there is no gpg")

    def sit(_program: list[str], one: Round, _rings: None) -> list[Finding]:
        sat.append(one)
        return []

    monkeypatch.setattr(servers, "sit", sit)
    found = list(servers.judge(["fwknopd"]))
    passed_over = {each.name for each in found if each.detail == "there is no gpg"}
    assert passed_over == musts(SELECTED, "gpg").keys()
    assert names([trial for one in sat for trial in one.trials]) == names(SELECTED) - passed_over
    assert not any(one.openpgp for one in sat)


# --- rounds --------------------------------------------------------------------


def test_every_trial_is_in_one_round() -> None:
    packed = [trial for each in ROUNDS for trial in each.trials]
    assert sorted(map(id, packed)) == sorted(map(id, EVERYTHING))


def plaintext(knock: Knock, locks: list[Lock]) -> bytes:
    for lock in locks:
        try:
            if lock.fits(knock.payload):
                return lock.open(knock.payload).plaintext
        except SpaError:
            continue
    return b""


def locks_of(one: Round) -> list[Lock]:
    return [Lock(each) for trial in one.trials for each in trial.credentials if len(each.key) <= 32]


def test_no_round_has_the_same_content_in_two_trials() -> None:
    for each in ROUNDS:
        locks = locks_of(each)
        contents = [
            {plaintext(knock, locks) for knock in trial.knocks} - {b""} for trial in each.trials
        ]
        assert sum(map(len, contents)) == len(set().union(*contents))


def test_no_round_has_a_stanza_that_opens_what_another_trial_wants_refused() -> None:
    for each in ROUNDS:
        locks = locks_of(each)
        for trial in each.trials:
            if trial.group == "refusal":
                [knock] = trial.knocks
                assert knock.must is Must.EITHER or not plaintext(knock, locks)


def test_a_server_vector_shares_its_round_with_its_own_files_only() -> None:
    for each in ROUNDS:
        if not all(trial.shares for trial in each.trials):
            assert len({(trial.access, trial.settings) for trial in each.trials}) == 1


@pytest.mark.parametrize("group", ["hmac", "gpg"])
def test_two_trials_with_the_same_content_get_two_rounds(group: str) -> None:
    trial = next(trial for trial in EVERYTHING if trial.group == group)
    assert len(pack([trial, trial])) == 2


def test_an_openpgp_packet_with_its_prefix_put_back_is_tried_where_nobody_sent_it_before() -> None:
    [there] = [one for one in ROUNDS if "srv-gpg-prefix" in names(one.trials)]
    [prefixed] = [
        trial.knocks[0].payload for trial in there.trials if "srv-gpg-prefix" in names([trial])
    ]
    sent = [knock.payload for trial in there.trials for knock in trial.knocks]
    assert prefixed[2:] not in sent
    assert names(EVERYTHING) > {"srv-gpg-replay", "srv-gpg-remote-id"}


def test_the_packet_over_ipv6_is_opened_by_its_stanza() -> None:
    trial = repertoire._over_six()
    [knock] = trial.knocks
    assert plaintext(knock, [Lock(each) for each in trial.credentials])
