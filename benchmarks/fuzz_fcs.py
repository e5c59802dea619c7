"""The long campaign: a million damaged FCS files, and a second reader on some of them.

    python benchmarks/fuzz_fcs.py [--mutants 1000000] [--seeds 4] [--slow 20000]

Ends with status 1 and keeps the worst files in `results/fuzz_fcs/` where a mutant escaped, was slow, or changed events
without a word. `tests/selftest` runs 10,000 of another seed at every commit.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

RESULTS = Path(__file__).parent / "results"
FIRST_SEED = 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--slow", type=int, default=20_000, help="mutants that the slow reader reads too, each seed")
    options = parser.parse_args()
    from immunoprofile.selftest.mutants import Campaign, judge_mutant, read_specimens, walk_mutants

    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    total, disagreed, compared = Campaign(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = read_specimens(folder)
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            for number, mutant in enumerate(walk_mutants(good, options.mutants // options.seeds, seed)):
                sets = judge_mutant(good[mutant.specimen], mutant, folder / "mutant.fcs", total)
                if sets is not None and number < options.slow:
                    compared += 1
                    disagreed += not _agrees(mutant.raw, sets)
            print(
                f"seed {seed}: {total.n:,} mutants, {len(total.escaped)} escaped, {len(total.silent)} silent",
                flush=True,
            )
    found = {
        "mutants": total.n, "same events": total.same, "other events with a finding": total.odd,
        "refused": total.refused, "undetectable, by the named list": total.undetectable,
        "escaped": len(total.escaped), "silent": len(total.silent),
        "above one second": len(total.slow), "slowest seconds": round(total.slowest_seconds, 4),
        "compared with the slow reader": compared, "disagreed": disagreed,
        "memory grown MB": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024, 1),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fuzz_fcs.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    for number, (mutant, why) in enumerate([*total.escaped, *total.silent, *total.slow][:50]):
        (RESULTS / "fuzz_fcs").mkdir(exist_ok=True)
        (RESULTS / "fuzz_fcs" / f"{number}.fcs").write_bytes(mutant.raw)
        print(f"{number}.fcs: {mutant.done}: {why}")
    return 0 if total.flawless and not disagreed else 1


def _agrees(raw: bytes, sets: tuple) -> bool:
    from immunoprofile.selftest.zoo import _events_of, _same_events
    from reference_reader import read

    try:
        slow = read(raw)
    except ValueError:
        return any(s.findings for s in sets)
    ours = [_events_of(s) for s in sets]
    return len(ours) == len(slow) and all(map(_same_events, slow, ours))


if __name__ == "__main__":
    sys.exit(main())
