"""Events with their populations as AnnData (.h5ad), a file a sample, in the layout that scverse's cytometry tools read.

`var` is called by marker (by detector where there is none) and has the columns ``channel`` and ``marker``; X holds the
uncompensated linear values, the layer ``compensated`` those that gates look at; `obs` has a column of TRUE and FALSE a
population; ``uns["meta"]["spill"]`` is the matrix, its rows and columns named as `var` is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunoprofile.cohort.coded import refuse_names_among_codes
from immunoprofile.cohort.profile import study_templates
from immunoprofile.errors import OutputError, printable
from immunoprofile.fcs import Channel, Events, read_fcs, read_fcs_datasets
from immunoprofile.gating import GatingTemplate, Membership, apply_template
from immunoprofile.provenance import refuse_existing, write_bytes
from immunoprofile.report.exports.formats import Exported
from immunoprofile.spillover import Spillover, compensate, read_spillover
from immunoprofile.study import Sample, Study


def export_events(study: Study, out: Path, *, force: bool = False) -> Exported:
    """Write ``SAMPLE.h5ad`` for each sample of a study, gated by its panel's template.

    Raises
    ------
    OutputError
        A file exists already (unless `force`), AnnData is not installed, or the folder holds codes: the files are
        made of the study's own and hold its names.
    FcsError, PanelMismatchError, SpilloverError
        A sample cannot be read or gated: those before it are written.
    """
    refuse_names_among_codes(out)
    try:
        import anndata
    except ImportError as problem:
        raise OutputError(
            f"events as AnnData need {problem.name}, which is not installed",
            path=out,
            remedy='Install it with: pip install "immunoprofile[anndata]"',
            code="EXPORT-LIBRARY",
        ) from problem
    templates = study_templates(study)
    work = [(s, templates[s.panel or ""]) for s in study.samples if s.control is None]
    paths = [out / f"{_file_name(s.sample_id)}.h5ad" for s, _ in work]
    if not force:
        refuse_existing(*paths, remedy="Give another folder with --out, or --force to write over them.")
    for (sample, template), path in zip(work, paths, strict=True):
        write_bytes(path, _render(anndata, sample, template))
    return Exported(tuple(paths), ("gates are those of the template, without overrides and automatic cuts",))


def _file_name(sample_id: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in printable(sample_id, 100)).lstrip(".")


def _render(anndata: Any, sample: Sample, template: GatingTemplate) -> bytes:
    events = read_fcs(sample.file) if sample.dataset is None else read_fcs_datasets(sample.file)[sample.dataset - 1]
    replaced = None if sample.spillover is None else read_spillover(sample.spillover)
    members = apply_template(template, events, spillover=replaced)
    data = describe_events(anndata, events, members, replaced or events.spillover)
    data.uns["sample"] = {
        "sample_id": sample.sample_id,
        "subject_id": sample.subject_id or "",
        "visit": sample.visit or "",
        "panel": sample.panel or "",
        "fcs_sha256": events.sha256,
        "template": f"{template.id}@{template.version}",
        "template_sha256": template.digest,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.h5ad"
        data.write_h5ad(path, compression="gzip")
        return path.read_bytes()


def describe_events(anndata: Any, events: Events, members: Membership, spillover: Spillover | None) -> Any:
    """The AnnData of one sample."""
    names = variable_names(events.channels)
    var = pd.DataFrame(
        {
            "channel": [c.detector for c in events.channels],
            "marker": [c.marker or "" for c in events.channels],
            "kind": [c.kind for c in events.channels],
            "$PnR": [float(c.range) for c in events.channels],
        },
        index=pd.Index(names),
    )
    ids = {members.plan.template.id_of(p): members.mask(p) for p in members.paths[1:]}
    obs = pd.DataFrame(ids, index=pd.Index([str(i) for i in range(members.n_events)]))
    data = anndata.AnnData(X=events.linear(), obs=obs, var=var)
    meta: dict[str, Any] = {"version": events.version}
    if spillover is not None:
        data.layers["compensated"] = np.asarray(compensate(events, spillover))
        called = dict(zip(var["channel"], names, strict=True))
        detectors = [called[d] for d in spillover.detectors]
        rows = [called.get(f, f) for f in spillover.fluorochromes]
        meta["spill"] = pd.DataFrame(spillover.matrix, index=rows, columns=detectors)
    data.uns["meta"] = meta
    return data


def variable_names(channels: Sequence[Channel]) -> list[str]:
    """The marker of each channel, or its detector where there is no marker or another channel has the same."""
    given = [c.marker or c.detector for c in channels]
    taken = [*given, *(c.detector for c in channels if c.marker and c.marker != c.detector)]
    return [n if n == c.detector or taken.count(n) == 1 else c.detector for n, c in zip(given, channels, strict=True)]
