"""Read, compensate, gate and count one file: immunoprofile beside FlowKit, equal counts asked for.

python benchmarks/gate_one_file.py [--events 1000000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
EVENTS = 1_000_000  # only a run of this size is written to the results
FLUORS = 14
SCATTER = ("FSC-A", "FSC-H", "SSC-A")
G = "http://www.isac-net.org/std/Gating-ML/v2.0/gating"
T = "http://www.isac-net.org/std/Gating-ML/v2.0/transformations"
D = "http://www.isac-net.org/std/Gating-ML/v2.0/datatypes"


def make_file(path: Path, n: int, copies: int = 1) -> None:
    """18 channels: scatter, time, and 14 fluorochromes of two levels each, spilled into one another.

    The n events are written `copies` times over.
    """
    from immunoprofile.fcs import ChannelSpec, write_fcs
    from immunoprofile.spillover import Spillover

    rng = np.random.default_rng(20240501)
    detectors = tuple(f"F{i}-A" for i in range(1, FLUORS + 1))
    spill = rng.uniform(0, 0.12, (FLUORS, FLUORS))
    np.fill_diagonal(spill, 1)
    high = rng.random((n, FLUORS)) < 0.45
    true = np.where(high, rng.lognormal(9.0, 0.6, (n, FLUORS)), rng.lognormal(5.0, 0.9, (n, FLUORS)))
    noisy = true @ spill + rng.normal(0, 120, (n, FLUORS))
    scatter = rng.normal([90000, 80000, 60000], [25000, 22000, 20000], (n, 3))
    values = np.column_stack([scatter, noisy, np.linspace(0, 6e5, n)]).astype(np.float32)
    values = np.tile(values, (copies, 1)) if copies > 1 else values
    channels = [ChannelSpec(d) for d in (*SCATTER, *detectors, "Time")]
    write_fcs(path, values, channels, spillover=Spillover(detectors, spill), keywords={"$TIMESTEP": "0.01"})


def _dim(
    name: str, low: float | None = None, high: float | None = None, tag: str = "dimension", extra: str = ""
) -> str:
    linear = name in SCATTER
    comp = "uncompensated" if linear else "FCS"
    bounds = "".join(f' gating:{k}="{v}"' for k, v in (("min", low), ("max", high)) if v is not None)
    scale = "lin" if linear else "logicle"
    return (
        f'<gating:{tag} gating:compensation-ref="{comp}" gating:transformation-ref="{scale}"{bounds}{extra}>'
        f'<data-type:fcs-dimension data-type:name="{name}"/>'
    )


def _polygon(gate: str, parent: str, x: str, y: str, vertices: list[tuple[float, float]]) -> str:
    points = "".join(
        "<gating:vertex>" + "".join(f'<gating:coordinate data-type:value="{v}"/>' for v in vertex) + "</gating:vertex>"
        for vertex in vertices
    )
    dims = "".join(_dim(n) + "</gating:dimension>" for n in (x, y))
    up = f' gating:parent_id="{parent}"' if parent else ""
    return f'<gating:PolygonGate gating:id="{gate}"{up}>{dims}{points}</gating:PolygonGate>'


def _rectangle(gate: str, parent: str, *bounds: tuple[str, float | None, float | None]) -> str:
    dims = "".join(_dim(n, low, high) + "</gating:dimension>" for n, low, high in bounds)
    up = f' gating:parent_id="{parent}"' if parent else ""
    return f'<gating:RectangleGate gating:id="{gate}"{up}>{dims}</gating:RectangleGate>'


def _quadrant(gate: str, parent: str, x: str, y: str, x_at: float, y_at: float) -> str:
    dividers = "".join(
        _dim(n, tag="divider", extra=f' gating:id="{gate}{axis}"')
        + f"<gating:value>{at}</gating:value></gating:divider>"
        for n, axis, at in ((x, "x", x_at), (y, "y", y_at))
    )
    parts = "".join(
        f'<gating:Quadrant gating:id="{gate}_{a}{b}">'
        f'<gating:position gating:divider_ref="{gate}x" gating:location="{x_at + (0.1 if a == "p" else -0.1)}"/>'
        f'<gating:position gating:divider_ref="{gate}y" gating:location="{y_at + (0.1 if b == "p" else -0.1)}"/>'
        "</gating:Quadrant>"
        for a in "pn"
        for b in "pn"
    )
    return (
        f'<gating:QuadrantGate gating:id="{gate}" gating:parent_id="{parent}">{dividers}{parts}</gating:QuadrantGate>'
    )


def make_gates(path: Path) -> None:
    """A lymphocyte-like tree of 20 gates: polygons, rectangles, quadrants and booleans on logicle and linear axes."""
    blob = [(0.42, 0.42), (0.70, 0.40), (0.95, 0.55), (0.93, 0.90), (0.66, 0.95), (0.43, 0.80)]
    low = [(-0.2, -0.2), (0.58, -0.2), (0.60, 0.45), (0.45, 0.60), (-0.2, 0.58)]
    gates = [
        _polygon("cells", "", "FSC-A", "SSC-A", [(0.12, 0.02), (0.55, 0.05), (0.75, 0.30), (0.60, 0.55), (0.15, 0.45)]),
        _polygon("singlets", "cells", "FSC-A", "FSC-H", [(0.1, 0.0), (0.9, 0.35), (0.9, 0.75), (0.1, 0.45)]),
        _rectangle("live", "singlets", ("F1-A", None, 0.62)),
        _rectangle("cd45", "live", ("F2-A", 0.40, None)),
        _rectangle("t", "cd45", ("F3-A", 0.60, None), ("F4-A", None, 0.62)),
        _polygon("cd4", "t", "F5-A", "F6-A", [(0.55, -0.2), (1.1, -0.2), (1.1, 0.62), (0.7, 0.60), (0.55, 0.5)]),
        _polygon("cd8", "t", "F5-A", "F6-A", [(-0.2, 0.62), (0.5, 0.62), (0.55, 0.8), (0.5, 1.1), (-0.2, 1.1)]),
        _quadrant("mem4", "cd4", "F7-A", "F8-A", 0.60, 0.61),
        _quadrant("mem8", "cd8", "F7-A", "F8-A", 0.60, 0.61),
        _polygon("treg", "cd4", "F9-A", "F10-A", [(0.52, -0.2), (1.2, -0.2), (1.2, 0.62), (0.95, 0.62), (0.52, 0.42)]),
        _rectangle("treg_naive", "treg", ("F11-A", 0.60, None)),
        _polygon("act4", "cd4", "F12-A", "F13-A", blob),
        _polygon("act8", "cd8", "F12-A", "F13-A", blob),
        _polygon("b", "cd45", "F3-A", "F4-A", [(-0.2, 0.60), (0.55, 0.60), (0.60, 0.75), (0.55, 1.1), (-0.2, 1.1)]),
        _quadrant("bmem", "b", "F14-A", "F11-A", 0.60, 0.60),
        _polygon("plasma", "b", "F13-A", "F14-A", blob),
        _polygon("nk", "cd45", "F3-A", "F12-A", low),
        _rectangle("nk_bright", "nk", ("F14-A", 0.60, 0.95), ("F10-A", None, 0.60)),
        '<gating:BooleanGate gating:id="non_treg" gating:parent_id="cd4"><gating:not>'
        '<gating:gateReference gating:ref="treg"/></gating:not></gating:BooleanGate>',
        '<gating:BooleanGate gating:id="act_treg" gating:parent_id="cd4"><gating:and>'
        '<gating:gateReference gating:ref="treg"/><gating:gateReference gating:ref="act4"/>'
        "</gating:and></gating:BooleanGate>",
    ]
    assert len(gates) == 20
    path.write_text(
        f'<?xml version="1.0"?><gating:Gating-ML xmlns:gating="{G}" xmlns:transforms="{T}" xmlns:data-type="{D}">'
        '<transforms:transformation transforms:id="logicle">'
        '<transforms:logicle transforms:T="262144" transforms:W="0.5" transforms:M="4.5" transforms:A="0"/>'
        "</transforms:transformation>"
        '<transforms:transformation transforms:id="lin"><transforms:flin transforms:T="262144" transforms:A="0"/>'
        f"</transforms:transformation>{''.join(gates)}</gating:Gating-ML>"
    )


def ours(fcs: Path, gates: Path) -> dict[str, int]:
    """File to counts with this program, one thread."""
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating import apply_template, read_gatingml

    members = apply_template(read_gatingml(gates), read_fcs(fcs))
    counts = members.counts()
    return {path.rpartition("/")[2]: n for path, n in counts.items() if path != "All events"}


def flowkits(fcs: Path, gates: Path, cached: bool) -> dict[str, int]:
    """File to counts with FlowKit."""
    import flowkit

    sample = flowkit.Sample(str(fcs))
    strategy = flowkit.parse_gating_xml(str(gates))
    results = strategy.gate_sample(sample, cache_events=cached)
    report = results.report
    named = report
    return dict(zip(named["gate_name"], named["count"].astype(int), strict=True))


def timed(call: Callable[[], dict[str, int]]) -> tuple[float, float, dict[str, int]]:
    """Wall seconds, CPU seconds, counts."""
    wall, cpu = time.perf_counter(), time.process_time()
    counts = call()
    return time.perf_counter() - wall, time.process_time() - cpu, counts


def main() -> None:
    """Run everything interleaved, print and write the medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=EVENTS)
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fcs, gates = Path(folder) / "bench.fcs", Path(folder) / "gates.xml"
        make_file(fcs, options.events)
        make_gates(gates)
        small = Path(folder) / "small.fcs"
        make_file(small, 5000)
        ways: dict[str, Callable[[Path], dict[str, int]]] = {
            "immunoprofile": lambda f: ours(f, gates),
            "flowkit": lambda f: flowkits(f, gates, cached=False),
            "flowkit_cached": lambda f: flowkits(f, gates, cached=True),
            "read_only": lambda f: {"bytes": len(f.read_bytes())},
        }
        for way in ways.values():
            way(small)
        runs = {name: [] for name in ways}
        for _ in range(options.repeats):
            for name, way in ways.items():
                runs[name].append(timed(lambda w=way: w(fcs)))
    counts = {name: r[-1][2] for name, r in runs.items()}
    differ = sorted(
        k for k in counts["immunoprofile"] if len({counts[n].get(k) for n in ways if n != "read_only"}) != 1
    )
    medians = {
        name: {"wall_s": statistics.median(x[0] for x in r), "cpu_s": statistics.median(x[1] for x in r)}
        for name, r in runs.items()
    }
    own = medians["immunoprofile"]
    result = {
        "benchmark": "gate_one_file",
        "events": options.events,
        "channels": FLUORS + 4,
        "populations": len(counts["immunoprofile"]) + 1,
        "counts_that_differ": differ,
        "median": medians,
        "times_flowkit_cpu": medians["flowkit"]["cpu_s"] / own["cpu_s"],
        "times_flowkit_wall": medians["flowkit"]["wall_s"] / own["wall_s"],
        "times_flowkit_cached_cpu": medians["flowkit_cached"]["cpu_s"] / own["cpu_s"],
        "multiple_of_reading_wall": own["wall_s"] / medians["read_only"]["wall_s"],
        "versions": versions(),
        "machine": {"system": platform.system(), "machine": platform.machine()},
    }
    if options.events == EVENTS:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "gate_one_file.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def versions() -> dict[str, str]:
    """Versions of what ran."""
    from importlib import metadata

    return {n: metadata.version(n) for n in ("immunoprofile", "flowkit", "flowio", "numpy", "numba")} | {
        "python": platform.python_version()
    }


if __name__ == "__main__":
    main()
