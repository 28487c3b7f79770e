"""The server's side of watchword doctor: whether fwknopd does here what it is there for.

In here: options, exit status, what is printed, for people and as JSON.
Not in here: looking (server_examination), the client's side (tool_doctor).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from watchword.dialects.fwknop import translate
from watchword.errors import OperatorError
from watchword.service.daemon import own_files
from watchword.service.doctor import server_diagnosis
from watchword.service.doctor.findings import Finding, Severity
from watchword.service.doctor.server_examination import Examination
from watchword.service.tool import questions as tool_questions

_STATUS = {Severity.FINE: 0, Severity.REMARK: 0, Severity.WARNING: 1, Severity.FAULT: 3}
UNUSABLE = 2


def answer(arguments: argparse.Namespace) -> int:
    """Look, print, and say by the exit status how bad it is."""
    try:
        configuration = translate.load(own_files.sources(), tool_questions.given(arguments))
    except OperatorError as error:
        _print(list(server_diagnosis.configuration(error.complaints)), as_json=arguments.json)
        return UNUSABLE
    control = tool_questions.socket_of(arguments)
    found = list(Examination(configuration, control, probe=arguments.probe).look())
    _print(found, as_json=arguments.json)
    return _STATUS[max(each.severity for each in found)]


def _print(found: Sequence[Finding], *, as_json: bool) -> None:
    worst = max((each.severity for each in found), default=Severity.FINE)
    if as_json:
        told = [
            {
                "severity": each.severity.word,
                "topic": each.topic,
                "message": each.sentence,
                "remedy": each.remedy or None,
            }
            for each in found
        ]
        print(json.dumps({"worst": worst.word, "findings": told}, indent=2))
        return
    for each in sorted(found, key=lambda each: -each.severity):
        print(f"{each.severity.word:<8} {each.topic}: {each.sentence}")
        if each.remedy:
            print(f"         remedy: {each.remedy}")
