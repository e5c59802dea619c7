"""A small study that is in order; each test spoils one thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

STUDY = """\
[study]
id = "TRIAL"
samples = "samples.csv"
subjects = "subjects.csv"
platelets = "platelets.csv"
treatments = "treatments.csv"
bleeding = "bleeding.csv"
[panels.treg]
template = "treg"
[panels.b]
template = "gates/b.toml"
[visits]
baseline = "BL"
window = ["W4", "W8"]
[response]
rule = "iwg-2009"
data_cutoff_day = 112
[analysis]
primary = [{ pop_id = "treg", denom_id = "cd4", measure = "logit_frac" }]
strata = ["dose"]
seed = 7
"""
FILES = {
    "study.toml": STUDY,
    "samples.csv": """\
sample_id,file,subject_id,visit,day,panel,batch,control,collection_date
A-BL,fcs/a_bl.fcs,A,BL,-1,treg,1,,
A-W4,fcs/a_w4.fcs,A,W4,28,treg,1,,
A-W8,fcs/a_w8.fcs,A,W8,,treg,1,,2024-04-26
A-BL-B,fcs/a_bl_b.fcs,A,BL,-1,b,1,,
B-BL,fcs/b_bl.fcs,B,BL,-1,treg,2,,
CTRL,fcs/fmo.fcs,,,,treg,2,fmo:CD25,
""",
    "subjects.csv": """\
subject_id,first_infusion_date,infusion_days,dose,last_observation_day,end_reason
A,2024-03-01,0;7;14;21,2.0,112,
B,,0;7,1.0,20,lost to follow-up
""",
    "platelets.csv": """\
subject_id,day,date,platelets_1e9_per_l
A,,2024-02-29,5
A,14,,31
A,21,,35
B,-1,,<10
""",
    "treatments.csv": "subject_id,day,end_day,kind,role,change\nB,3,,ivig,rescue,\n",
    "bleeding.csv": "subject_id,day,scale,grade\nA,14,WHO,0\n",
    "gates/b.toml": "",
}


@pytest.fixture
def spoil(tmp_path: Path) -> Callable[..., Path]:
    """Write the study with files replaced, or with one text in a file replaced by another; its study.toml."""

    def write(*changes: tuple[str, str, str], **replaced: str | bytes | None) -> Path:
        files: dict[str, str | bytes | None] = dict(FILES)
        for name, old, new in changes:
            text = files[name]
            assert isinstance(text, str) and old in text
            files[name] = text.replace(old, new)
        for name, content in replaced.items():
            files[name if name in files else f"{name}.csv"] = content
        for name, content in files.items():
            if content is not None:
                path = tmp_path / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "study.toml"

    return write
