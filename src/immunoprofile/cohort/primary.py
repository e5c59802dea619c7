"""Can the primary question be asked at all? Known before the first file is opened, so refused before it is."""

from __future__ import annotations

from collections.abc import Mapping

from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.gating import GatingTemplate
from immunoprofile.study import Study


def check_primary(study: Study, templates: Mapping[str, GatingTemplate]) -> None:
    """Refuse primary endpoints that no template reports, or whose measure is not computed.

    Raises
    ------
    StudyError
        All of them, each with what there is instead.
    """
    reported = {
        (t.id_of(path), t.id_of(top)) for t in templates.values() for path, tops in t.reported().items() for top in tops
    }
    problems = []
    for number, primary in enumerate(study.analysis.primary):
        where = f"analysis.primary[{number}]"
        wanted = f"{primary.pop_id} of {primary.denom_id}"
        if (primary.pop_id, primary.denom_id) not in reported:
            hint = closest(wanted, sorted(f"{p} of {d}" for p, d in reported))
            what = f'no template of this study reports "{printable(wanted)}"'
            problems.append(Problem(what, str(study.path), where, remedy=hint, code="PRIMARY-UNKNOWN"))
        if primary.measure != "logit_frac":
            what = f'measure "{primary.measure}" is not computed from FCS files'
            hint = "Use logit_frac; the verb compare takes other measures from tables that hold them."
            problems.append(Problem(what, str(study.path), where, remedy=hint, code="PRIMARY-MEASURE"))
    if problems:
        raise StudyError.of(problems)
