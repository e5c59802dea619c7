"""From gated bits to tables: 252 samples x 60 populations x 5 denominators, in memory and written; and intensities.

    python benchmarks/population_tables.py [--repeats 5]

Intensities are of 20 populations in 14 markers over a million events in a file, beside gating the same file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gate_one_file import RESULTS, make_file, make_gates, versions
from immunoprofile.columns import POPULATIONS
from immunoprofile.fcs import Channel, read_fcs
from immunoprofile.gating import (
    ROOT,
    Compensation,
    Dimension,
    Gate,
    GatingTemplate,
    Marker,
    Plan,
    Rectangle,
    Report,
    apply_template,
    compile_plan,
    read_gatingml,
    run_plan,
)
from immunoprofile.gating.membership import Membership
from immunoprofile.populations import measure_intensities, tabulate
from immunoprofile.scales import Identity
from immunoprofile.tables import join_frames, write_descriptions, write_table

SAMPLES, POPULATIONS_A_SAMPLE, DENOMINATORS = 252, 60, 5
EVENTS = 1_000_000
MARKERS_ASKED, POPULATIONS_ASKED = 14, 20


def make_template() -> GatingTemplate:
    """A chain of five gates over 60 populations, each reported over the five."""
    dimension = Dimension("M", Identity())
    chain: list[str] = []
    gates = []
    for number in range(DENOMINATORS + POPULATIONS_A_SAMPLE):
        parent = chain[-1] if chain else ROOT
        name = f"Population {number}"
        path = name if parent == ROOT else f"{parent}/{name}"
        role = {0: "leukocytes", 1: "lymphocytes"}.get(number)
        shape = Rectangle((dimension,), ((0.0, None),))
        gates.append(Gate(name, path, parent, f"pop_{number}", shape, name, "CL:0000084", "T cell", role))
        if number < DENOMINATORS:
            chain.append(path)
    reports = tuple(Report(g.path, tuple(chain)) for g in gates[DENOMINATORS:])
    return GatingTemplate("t", "1", "", "draft", (Marker("M", ("M",)),), Compensation("none"), tuple(gates), reports)


def make_memberships() -> list[Membership]:
    """Memberships with counts that differ from sample to sample."""
    channels = (Channel("M", "M", 0, 262144, 32, "fluorescence"),)
    plan: Plan = compile_plan(make_template(), channels)
    rng = np.random.default_rng(20240501)
    made = []
    for _ in range(SAMPLES):
        counts = {ROOT: 200_000}
        for gate in plan.template.gates:
            counts[gate.path] = int(counts[gate.parent] * rng.uniform(0.3, 0.95))
        made.append(Membership(plan, 0, np.zeros((2, 0), dtype=np.uint64), counts, {}, ()))
    return made


def tables(repeats: int) -> dict[str, object]:
    """Seconds from memberships to the joined table, and to files."""
    memberships = make_memberships()

    def in_memory() -> object:
        return join_frames(POPULATIONS, [tabulate(m, _describe(i)) for i, m in enumerate(memberships)])

    frame = in_memory()
    with tempfile.TemporaryDirectory() as folder:

        def written() -> None:
            write_table("populations", in_memory(), Path(folder))
            write_descriptions(["populations"], Path(folder))

        return {
            "rows": len(frame),
            "in_memory_s": _times(in_memory, repeats),
            "written_s": _times(written, repeats),
        }


def _describe(number: int) -> dict[str, object]:
    return {
        "study_id": "B",
        "sample_id": f"S{number:03d}",
        "subject_id": f"P{number // 14:02d}",
        "visit": f"V{number % 14}",
        "day": number % 14,
        "panel": "p",
        "fcs_sha256": "0" * 64,
        "lymph_abs_1e9_per_l": 1.5,
    }


def intensities(repeats: int) -> dict[str, object]:
    """Seconds of CPU for a million events, beside gating them."""
    with tempfile.TemporaryDirectory() as folder:
        fcs, gates = Path(folder) / "a.fcs", Path(folder) / "gates.xml"
        make_file(fcs, EVENTS)
        make_gates(gates)
        template, events = read_gatingml(gates), read_fcs(fcs)
        kept = tuple(Report(g.path) for g in template.gates[:POPULATIONS_ASKED])
        template = GatingTemplate(
            template.id, template.version, template.title, template.status, template.markers, template.compensation,
            template.gates, kept,
        )  # fmt: skip
        members = apply_template(template, events)
        table = measure_intensities(members, events, "s").frame()
        return {
            "populations": int(table["pop_id"].nunique()),
            "markers": int(table["marker"].nunique()),
            "million_values": float(table["n_events"].sum() / 1e6),
            "intensities_s": _times(lambda: measure_intensities(members, events, "s").frame(), repeats),
            "gating_s": _times(lambda: run_plan(members.plan, events), repeats),
        }


def _times(call: Callable[[], object], repeats: int) -> dict[str, float]:
    wall, cpu = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return {"wall": statistics.median(wall), "cpu": statistics.median(cpu)}


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    found = {"versions": versions(), "tables": tables(repeats), "intensities": intensities(repeats)}
    print(json.dumps(found, indent=2))
    (RESULTS / "population_tables.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
