"""The zoo of FCS files read by this program and by FlowIO, one after the other: who reads it right, who says so.

    python benchmarks/compare_readers.py

Each file is read in a process of its own with 1 GB of memory and 5 seconds. FlowIO is given every chance: several data
sets are read with its own function for them, its own exceptions count as clean refusals, warnings as a word, keywords
without their `$` as right, and spillover is not asked for.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from immunoprofile.errors import FcsError
from immunoprofile.selftest.zoo import Outcome, Reader, Reading, ZooFile, build_zoo, judge, read_with_ours

RESULTS = Path(__file__).parent / "results"
MEMORY = 1 << 30
SECONDS = 5


def read_with_flowio(path: Path) -> Reading:
    """FlowIO's reading in the zoo's terms."""
    import flowio
    from flowio import exceptions

    own = tuple(v for v in vars(exceptions).values() if isinstance(v, type) and issubclass(v, Exception))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            try:
                sets = [flowio.FlowData(str(path))]
            except exceptions.MultipleDataSetsError:
                sets = flowio.read_multiple_data_sets(str(path))
            events = tuple(tuple(map(tuple, np.reshape(s.events, (-1, s.channel_count)).tolist())) for s in sets)
            linear = tuple(map(tuple, sets[0].as_array().tolist()))
        except own as error:
            raise FcsError(str(error), code=type(error).__name__) from error
    words = {k.upper(): v for k, v in sets[0].text.items()}
    words |= {f"${k}": v for k, v in words.items()}
    return Reading(events, linear, words, tuple(w.category.__name__ for w in said))


def _judged(file: ZooFile, read: Reader, sender: multiprocessing.connection.Connection) -> None:
    resource.setrlimit(
        resource.RLIMIT_AS, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 * 4 + MEMORY,) * 2
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{file.name}.fcs"
        path.write_bytes(file.raw)
        sender.send(judge(file, path, read))


def judge_apart(file: ZooFile, read: Reader) -> Outcome:
    """The outcome from a process of its own; one that dies or takes too long crashed."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_judged, args=(file, read, sender))
    process.start()
    outcome = receiver.recv() if receiver.poll(SECONDS) else None
    if outcome is None:
        process.kill()
    process.join()
    return outcome or Outcome(file.name, file.rule, file.kind, file.sha256, "crashed", ("hang or death",))


def main() -> None:
    import flowio

    found: dict[str, dict[str, Counter[str]]] = {}
    rows: dict[str, dict[str, str]] = {}
    for name, read in (("immunoprofile", read_with_ours), ("FlowIO", read_with_flowio)):
        found[name] = {kind: Counter() for kind in ("valid", "broken", "malformed")}
        for file in build_zoo():
            asked = file if name == "immunoprofile" else replace(file, spillover=None)
            outcome = judge_apart(asked, read)
            found[name][file.kind][outcome.result] += 1
            rows.setdefault(file.name, {})[name] = outcome.result
    RESULTS.mkdir(exist_ok=True)
    result = {"flowio": flowio.__version__, "counts": found, "files": rows}
    (RESULTS / "compare_readers.json").write_text(json.dumps(result, indent=1) + "\n")
    results = ("right", "wrong", "silently wrong", "refused", "crashed")
    print("| kind | reader | files | " + " | ".join(results) + " |\n|---|---|---|" + "---|" * len(results))
    for kind in ("valid", "broken", "malformed"):
        for name, counts in found.items():
            cells = " | ".join(str(counts[kind][r]) for r in results)
            print(f"| {kind} | {name} | {sum(counts[kind].values())} | {cells} |")


if __name__ == "__main__":
    main()
