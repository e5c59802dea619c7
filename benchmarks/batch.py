"""A whole batch beside FlowKit, and what a thousand samples cost: seconds, memory, and the second run.

    python benchmarks/batch.py [--only speed workers thousand resume cluster] [--files 60]

`speed`: files x 100,000 events x 18 channels x 20 gates, from bytes to tables with digests and checks: everything (with
intensities and pictures), what `--counts-only` leaves, and the engine's counts alone; beside FlowKit's Session over the
same files (counts alone) and FlowKit with cached events in two processes. `workers`:
threads against processes. `thousand`: 1,000 small simulated files, resident memory while it runs, and the time of
running it again. `resume`: the verbs ``profile`` and ``run`` asked again for 1,000 samples that are finished, as whole
processes. `cluster`: Dask's two local workers against two local processes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from gate_one_file import RESULTS, flowkits, make_file, make_gates, ours, versions

EVENTS = 100_000
FILES = 60
# A worker of Dask looks into its own threads every 10 ms and ticks every 20 ms, and each time stops what it does.
CLUSTER = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
}


def make_batch(folder: Path, n_files: int) -> Path:
    """Copies of one file, each a byte of its own behind DATA's keywords, a sheet, and the template as TOML."""
    from immunoprofile.gating import read_gatingml
    from immunoprofile.gating.formats.toml_write import write_template

    make_file(folder / "0.fcs", EVENTS)
    make_gates(folder / "gates.xml")
    write_template(read_gatingml(folder / "gates.xml"), folder / "gates.toml")
    content = (folder / "0.fcs").read_bytes()
    for i in range(1, n_files):
        (folder / f"{i}.fcs").write_bytes(content)
    rows = "".join(f"S{i:03},{i}.fcs\n" for i in range(n_files))
    (folder / "samples.csv").write_text(f"sample_id,file\n{rows}", encoding="utf-8")
    return folder / "samples.csv"


def cpu_seconds() -> float:
    """CPU of this process and of those that it started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(call: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds by the clock and of CPU, and what came out."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    found = call()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu}, found


def profile(sheet: Path, template: str, out: Path, *, counts_only: bool = False, **hands: Any) -> Any:
    """The verb ``profile`` in an empty folder, beside `out`: what an earlier run left is not removed on its time."""
    from immunoprofile.cohort import Hands, profile_samples
    from immunoprofile.study import load_samples

    fresh = tempfile.mkdtemp(prefix=out.name, dir=out.parent)
    return profile_samples(load_samples(sheet), template, fresh, Hands(**hands), counts_only=counts_only)


def _session(folder: Path, n_files: int) -> dict[str, int]:
    """FlowKit's Session over all files: counts of the last one."""
    import flowkit

    samples = [flowkit.Sample(str(folder / f"{i}.fcs"), sample_id=f"S{i:03}") for i in range(n_files)]
    session = flowkit.Session(gating_strategy=flowkit.parse_gating_xml(str(folder / "gates.xml")), fcs_samples=samples)
    session.analyze_samples(use_mp=False)
    report = session.get_gating_results(f"S{n_files - 1:03}").report
    return dict(zip(report["gate_name"], report["count"].astype(int), strict=True))


def _cached(job: tuple[str, str]) -> dict[str, int]:
    return flowkits(Path(job[0]), Path(job[1]), cached=True)


def _two_processes(folder: Path, n_files: int) -> dict[str, int]:
    jobs = [(str(folder / f"{i}.fcs"), str(folder / "gates.xml")) for i in range(n_files)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_cached, jobs))[-1]


def _bare(folder: Path, n_files: int) -> dict[str, int]:
    """Our engine alone: counts, no digests, tables or checks."""
    from engine_limits import _batch

    return _batch([folder / f"{i}.fcs" for i in range(n_files)], folder / "gates.xml")[-1]


def speed(folder: Path, n_files: int) -> dict[str, Any]:
    """The whole batch of ours, counts and checks alone, our engine alone, each before, between and after FlowKit."""
    sheet, gates = make_batch(folder, n_files), str(folder / "gates.toml")
    profile(sheet, gates, folder / "warm")
    ours(folder / "0.fcs", folder / "gates.xml")
    ways: dict[str, Callable[[], Any]] = {
        "immunoprofile_whole": lambda: profile(sheet, gates, folder / "out", jobs=1),
        "immunoprofile_counts_only": lambda: profile(sheet, gates, folder / "few", counts_only=True, jobs=1),
        "immunoprofile_bare_engine": lambda: _bare(folder, n_files),
    }
    found: dict[str, Any] = {"files": n_files, "events": EVENTS, "channels": 18, "gates": 20}
    rounds = [{name: timed(way) for name, way in ways.items()}]
    found["flowkit_session"], theirs = timed(lambda: _session(folder, n_files))
    rounds.append({name: timed(way) for name, way in ways.items()})
    found["flowkit_cached_two_processes"], cached = timed(lambda: _two_processes(folder, n_files))
    rounds.append({name: timed(way) for name, way in ways.items()})
    results, few, counts = (rounds[0][name][1] for name in ways)
    assert few.populations.equals(results.populations)
    last = results.populations[results.populations["sample_id"] == f"S{n_files - 1:03}"]
    of_table = {path.rpartition("/")[2]: int(n) for path, n in zip(last["pop_path"], last["count"], strict=True)}
    found["counts_equal"] = counts == theirs == cached and all(of_table[k] == n for k, n in counts.items())
    found["rows"] = {name: len(frame) for name, frame in results.tables().items()}
    for name in ways:
        runs = sorted((r[name][0] for r in rounds), key=lambda t: t["cpu_s"])
        found[name] = runs[1] | {"cpu_s_of_each": [t["cpu_s"] for t in runs]}
        found[f"{name}_times"] = {
            f"{other}_cpu": found[other]["cpu_s"] / runs[1]["cpu_s"]
            for other in ("flowkit_session", "flowkit_cached_two_processes")
        }
    found["ms_a_file"] = parts(folder / "0.fcs", gates)
    return found


def parts(file: Path, template: str, repeats: int = 20) -> dict[str, float]:
    """CPU milliseconds of the parts of one file, each alone and warm: medians."""
    from immunoprofile.fcs import digest_of_fcs, read_fcs
    from immunoprofile.gating import compile_plan, load_template, run_plan
    from immunoprofile.populations import count_populations, measure_intensities, picture_sample, resolved_gates
    from immunoprofile.quality import Watched, check_sample, load_quality_rules

    events, rules = read_fcs(file), load_quality_rules()
    plan = compile_plan(load_template(template), events.channels, events.spillover)
    members, sample = run_plan(plan, events), {"sample_id": "S"}

    def follow() -> Any:
        watched = Watched(plan, events, rules)
        run_plan(plan, watched)
        return watched.survey()

    survey = follow()
    calls: dict[str, Callable[[], Any]] = {
        "digest": lambda: digest_of_fcs(file),
        "open": lambda: read_fcs(file),
        "gate": lambda: run_plan(plan, events),
        "gate and follow time and margins": follow,
        "populations": lambda: count_populations(members, sample),
        "gates as applied": lambda: resolved_gates(members, "S"),
        "checks": lambda: check_sample(members, events, sample, rules=rules, survey=survey),
        "intensities": lambda: measure_intensities(members, events, "S"),
        "pictures": lambda: picture_sample(members, events, "S"),
    }
    return {name: round(1e3 * _median_cpu(call, repeats), 2) for name, call in calls.items()}


def _median_cpu(call: Callable[[], Any], repeats: int) -> float:
    used = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        used.append(time.process_time() - start)
    return sorted(used)[repeats // 2]


def workers(folder: Path, n_files: int) -> dict[str, Any]:
    """Threads against processes, one and two of them, starting them included."""
    sheet, gates = make_batch(folder, n_files), str(folder / "gates.toml")
    profile(sheet, gates, folder / "warm")
    ways = {f"{n} {kind}": {"jobs": n, "workers": kind} for kind in ("threads", "processes") for n in (1, 2)}
    return {name: timed(lambda w=way: profile(sheet, gates, folder / "out", **w))[0] for name, way in ways.items()}


THOUSAND = """
import re, sys, time
from immunoprofile.cohort import Hands, profile_cohort
from immunoprofile.study import load_study
def resident(what="VmRSS"):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
start, used = time.perf_counter(), time.process_time()
study = load_study(sys.argv[1])
loaded, read = time.perf_counter(), time.process_time()
seen = []
def progress(done, total, name):
    if done % 100 == 0:
        seen.append(round(resident(), 1))
results = profile_cohort(study, sys.argv[2], jobs=2, progress=progress)
import json
print(json.dumps({"load_study_s": loaded - start, "profile_s": time.perf_counter() - loaded, "again": results.again,
    "load_study_cpu_s": read - used, "profile_cpu_s": time.process_time() - read,
    "resident_mb_each_100": seen, "resident_mb_at_the_end": resident(),
    "peak_mb": resident("VmHWM")}))
"""


def thousand(folder: Path, _: int) -> dict[str, Any]:
    """1,000 samples in a fresh process, and once more in another."""
    study = make_thousand(folder)
    return run_thrice(study, folder / "out", 1000)


def make_thousand(folder: Path) -> Path:
    """A study of 1,000 samples of 500 events."""
    from immunoprofile.simulation import simulate_cohort

    visits = ("BL", "W2", "W4", "W8")
    study = simulate_cohort(folder / "c", 1, 270, visits, 500, panels=("tbnk",), jobs=2)
    lines = (study.parent / "samples.csv").read_text(encoding="utf-8").splitlines()
    (study.parent / "samples.csv").write_text("\n".join(lines[:1001]) + "\n", encoding="utf-8")
    return study


def resume(folder: Path, _: int, repeats: int = 7) -> dict[str, Any]:
    """Both verbs on 1,000 finished samples: seconds of the whole process, by the clock and of CPU, medians.

    Python may keep its bytecode, as it does unless it is told not to.
    """
    study = make_thousand(folder)
    verbs = {
        "profile": ["profile", str(study.parent / "samples.csv"), "--template", "tbnk", "--out", str(folder / "p")],
        "run": ["run", str(study), "--out", str(folder / "r")],
        "help": ["--help"],
    }
    found: dict[str, Any] = {"samples": 1000}
    for name, arguments in verbs.items():
        _verb(folder, *arguments)
        times = []
        for _ in range(repeats):
            time_of_one, said = timed(lambda a=arguments: _verb(folder, *a))
            assert name == "help" or "Nothing to do" in said
            times.append(time_of_one)
        found[name] = {key: sorted(t[key] for t in times)[repeats // 2] for key in ("wall_s", "cpu_s")}
    return found


def _verb(folder: Path, *arguments: str) -> str:
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    program = [sys.executable, "-m", "immunoprofile", *arguments]
    run = subprocess.run(
        program, check=True, capture_output=True, text=True, env=settings | {"PYTHONPYCACHEPREFIX": str(folder / "pyc")}
    )
    return run.stderr


def run_thrice(study: Path, out: Path, n_samples: int) -> dict[str, Any]:
    """Each run in a process of its own: the first does everything, the others nothing."""
    runs = [_alone(THOUSAND, str(study), str(out)) for _ in range(3)]
    seen = runs[0]["resident_mb_each_100"]
    half = seen[len(seen) // 2 :]
    return {
        "samples": n_samples,
        "first": runs[0],
        "again": runs[1:],
        "slope_mb_per_100_second_half": (half[-1] - half[0]) / max(1, len(half) - 1),
        "kept_on_disk_mb": sum(p.stat().st_size for p in (out / ".work").rglob("*.results")) / 1e6,
        "files": {p.name: p.stat().st_size for p in sorted(out.glob("[!.]*")) if p.is_file()},
    }


def _alone(program: str, *arguments: str) -> dict[str, Any]:
    start = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True).stdout
    return json.loads(out) | {"process_s": time.perf_counter() - start}


def cluster(folder: Path, n_files: int) -> dict[str, Any]:
    """Two local workers of Dask, with the settings that the docs advise, against two local processes; both warm."""
    os.environ |= CLUSTER
    from distributed import LocalCluster

    from immunoprofile.cohort import open_cluster

    sheet, gates = make_batch(folder, n_files), str(folder / "gates.toml")
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        profile(sheet, gates, folder / "out", executor=pool, width=2)
        found["two_processes"] = timed(lambda: profile(sheet, gates, folder / "out", executor=pool, width=2))[0]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local,
        open_cluster(local.scheduler_address) as (executor, width),
    ):
        profile(sheet, gates, folder / "out", executor=executor, width=width)
        found["dask"] = timed(lambda: profile(sheet, gates, folder / "out", executor=executor, width=width))[0]
    found["dask_times_processes_wall"] = found["dask"]["wall_s"] / found["two_processes"]["wall_s"]
    return found


CASES = {"speed": speed, "workers": workers, "thousand": thousand, "resume": resume, "cluster": cluster}


def main() -> None:
    """Run the cases asked for; print and write what was found."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    arguments.add_argument("--files", type=int, default=FILES)
    options = arguments.parse_args()
    file = RESULTS / "batch.json"
    result = json.loads(file.read_text()) if file.exists() else {"benchmark": "batch"}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            found = CASES[name](Path(folder), options.files)
        found["load_average"] = round(os.getloadavg()[0], 1)
        result[name] = found
        print(name, json.dumps(found, indent=2), flush=True)
        result |= {"versions": versions(), "machine": {"system": platform.system(), "machine": platform.machine()}}
        if options.files == FILES:
            RESULTS.mkdir(exist_ok=True)
            file.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
