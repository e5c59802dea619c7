"""Accuracy of automatic gates: F1 against manual labels of a mouse spleen.

python benchmarks/automatic_gates.py

The template, `automatic_gates/68983.toml`, was committed before this file existed. Every score of every version of it
stays in `results/automatic_gates.json`, the first one included; the file needs `../shared/data/flowjo` beside the
checkout and is skipped with a message where that is absent.
"""

from __future__ import annotations

import argparse
import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RECORD = HERE / "results" / "automatic_gates.json"
TEMPLATE = HERE / "automatic_gates" / "68983.toml"
DATA = HERE.parent.parent / "shared" / "data" / "flowjo" / "flowsom_68983"
LABELS = ("NK cells", "NK T cells", "B cells", "gd T cells", "CD4 T cells", "CD8 T cells")
PEER = {
    "flowDensity 1.41.0": {"mean": 0.928, "gd T cells": 0.698},
    "openCyto 2.11.0": {"mean": 0.813, "gd T cells": 0.0},
}


def f1(found: np.ndarray, truth: np.ndarray) -> float:
    """Harmonic mean of precision and recall; 0 where nothing is right."""
    both = int(np.count_nonzero(found & truth))
    return 2 * both / (int(found.sum()) + int(truth.sum())) if both else 0.0


def score_labels() -> dict[str, Any] | None:
    """F1 of each labelled population of file 68983 with the committed template."""
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating import apply_template, load_template
    from immunoprofile.gating.automatic import PoolSample, resolve_template

    if not DATA.is_dir():
        print("reference data not found: ../shared/data/flowjo/flowsom_68983")
        return None
    with (DATA / "labels.csv").open(newline="") as stream:
        labels = np.array([row["label"] for row in csv.DictReader(stream)])
    events = read_fcs(DATA / "68983.fcs")
    template = load_template(TEMPLATE)
    resolved = resolve_template(template, [PoolSample("68983", events)])["68983"].template
    members = apply_template(resolved, events)
    scores = {name: round(f1(members.mask(name), labels == name), 4) for name in LABELS}
    scores["mean"] = round(float(np.mean([scores[name] for name in LABELS])), 4)
    return {
        "set": "FlowSOM 68983, 19,225 events, labels of the workspace's manual gates",
        "template_version": template.version,
        "template_sha256": template.digest,
        "f1": scores,
        "fallbacks": [g.path for g in resolved.gates if g.origin == "fallback"],
    }


def append(entry: dict[str, Any]) -> None:
    """Add a score to the record, unless the last one of its kind is the same."""
    from immunoprofile import __version__

    record = json.loads(RECORD.read_text()) if RECORD.exists() else []
    earlier = [{k: v for k, v in e.items() if k not in {"date", "immunoprofile"}} for e in record]
    if entry not in earlier[-1:]:
        stamp = {"date": datetime.now(UTC).date().isoformat(), "immunoprofile": __version__}
        RECORD.write_text(json.dumps([*record, stamp | entry], indent=1) + "\n")


def main() -> None:
    """Score, print, keep."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    entry = score_labels()
    if entry is None:
        return
    for name, value in entry["f1"].items():
        print(f"{name:12} F1 {value:.4f}")
    for name, values in PEER.items():
        print(f"{name}: mean {values['mean']:.3f}, gd T cells {values['gd T cells']:.3f}")
    print("fallbacks:", ", ".join(entry["fallbacks"]) or "none")
    append(entry)


if __name__ == "__main__":
    main()
