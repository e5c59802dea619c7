"""FCS keywords by what they may give away: a person, a time, a place, a machine, or whatever somebody typed."""

from __future__ import annotations

import re

from immunoprofile.verification.traces import traces_of

_HARMLESS = re.compile(
    r"\$(?:(?:BEGIN|END)(?:ANALYSIS|DATA|STEXT)|ABRT|BYTEORD|COMP|CSMODE|CYT|DATATYPE|DFC[0-9]+TO[0-9]+|LOST|MODE|NEXTDATA"
    r"|PAR|SPILLOVER|TIMESTEP|TOT|TR|UNICODE|VOL|FLOWRATE"
    r"|P[0-9]+(?:ANALYTE|B|CALIBRATION|D|DATATYPE|DET|E|F|FEATURE|G|L|N|O|P|R|S|T|TAG|TYPE|V))"
    r"|SPILL|SPILLOVER|P[0-9]+(?:BS|MS|DISPLAY)|FJ_\$?(?:P[0-9]+[A-Z]+|TIMESTEP)|FSC ASF|LASER[0-9]+(?:NAME|DELAY|ASF)"
    r"|THRESHOLD|AUTOBS|APPLY COMPENSATION|WINDOW EXTENSION"
)
"""Keywords that describe the instrument's channels and the file's own layout; every other is listed."""

_PERSON = re.compile(
    r"\$(?:SRC|SMNO|OP|EXP|LAST_MODIFIER|CARRIERID|PLATEID|LOCATIONID|WELLID)|@.*"
    r"|.*(?:PATIENT|SUBJECT|DONOR|SAMPLE[ _]?ID|NAME|USER|OPERATOR|BIRTH|DOB|SEX|GENDER|MRN|TECHNICIAN|INVESTIGATOR).*"
)
_TIME = re.compile(r"\$(?:DATE|BTIM|ETIM|BEGINDATETIME|ENDDATETIME|LAST_MODIFIED)|.*(?:DATE|TIME).*")
_MACHINE = re.compile(r"\$(?:CYTSN|SYS|INST)|.*(?:CYTNUM|SERIAL|HOST|COMPUTER|SYSTEM|VERSION|GUID).*")
_PLACE = re.compile(r"\$FIL|FIL|.*(?:PATH|FILE|FOLDER).*")
_KINDS = (("place", _PLACE), ("time", _TIME), ("machine", _MACHINE), ("person", _PERSON))


def kind_of_keyword(key: str, value: str = "") -> str | None:
    """What a keyword of an FCS file may give away; None where it describes the file or its channels only."""
    name = key.upper()
    if _HARMLESS.fullmatch(name):
        traces = list(traces_of(value)) if not re.fullmatch(r"SPILL|\$?SPILLOVER|\$COMP", name) else []
        return traces[0].kind if traces else None
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(name)), "text")
