"""Coded runs by other hands (processes, a cluster) and from other places (URLs): the bytes of one thread, no name.

What a worker says is looked at as well: its logs are read by others than who started the run.
"""

from __future__ import annotations

import csv
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from canaries import CANARY, KEY, WORDS, hits, write_named_study
from immunoprofile.cohort.journal import JOURNAL, Journal
from immunoprofile.cohort.store import SUFFIX, keys_in
from immunoprofile.fcs import remote
from immunoprofile.provenance import digest_of_file
from immunoprofile.study.deidentify import mark_of

# Dask and its event loop warn of their own ends; what we do is told by the results.
pytestmark = pytest.mark.filterwarnings("ignore")


def results_in(folder: Path) -> dict[str, str]:
    """Every file but what names the time of the run, and the keys of kept results, however these lie together."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in {"manifest.json", JOURNAL}]
    kept = sorted(key for p in files if p.suffix == SUFFIX for key in keys_in(p))
    found = {p.relative_to(folder).as_posix(): digest_of_file(p) for p in files if p.suffix != SUFFIX}
    return found | {"kept": " ".join(kept)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study full of canaries, and its key; results are written below it."""
    folder = write_named_study(tmp_path_factory.mktemp("named")).parent
    (folder / "lab.key").write_bytes(KEY)
    return folder


def profile(place: Path, out: Path, *more: object, sheet: Path | None = None) -> list[object]:
    template = ("--template", place / "known_answers.toml", "--deidentify", place / "lab.key")
    return ["profile", sheet or place / "samples.csv", *template, "--out", out, "-v", *more]


@pytest.fixture(scope="module")
def serial(place: Path, run_program: Callable[..., Result]) -> dict[str, str]:
    """What one thread writes."""
    said = run_program(*profile(place, place / "serial", "--jobs", 1))
    assert said.exit_code == 3, said.output
    assert hits(place / "serial") == []
    return results_in(place / "serial")


@pytest.fixture
def out(place: Path, request: pytest.FixtureRequest) -> Path:
    """A new folder, below the folder with a canary for a name."""
    return place / re.sub(r"\W", "_", request.node.name)


def names_in(said: Result, *logs: str) -> list[str]:
    return [w for w in (*WORDS, "/study/") for text in (said.stdout, said.stderr, *logs) if w in text]


def elsewhere(place: Path, folder: Path, root: str) -> Path:
    """The same sheet with every file named by its URL."""
    with (place / "samples.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    target = folder / "by_url.csv"
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"file": f"{root}{row['file']}"} for row in rows)
    return target


@pytest.mark.requirement("R-SEC-05")
def test_processes__give_the_bytes_of_one_thread(place, serial, out, run_program) -> None:
    said = run_program(*profile(place, out, "--workers", "processes", "--jobs", 2, "--json"))
    assert said.exit_code == 3, said.output
    assert results_in(out) == serial
    assert (hits(out), names_in(said)) == ([], [])


@pytest.mark.requirement("R-SEC-05")
@pytest.mark.parametrize("scheme", ["memory", "local", "file"])
@pytest.mark.parametrize("json", [(), ("--json",)], ids=["", "json"])
def test_urls__give_the_bytes_of_the_disk(scheme, json, place, serial, out, run_program, tmp_path, monkeypatch) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed (extra url)")
    monkeypatch.setattr(remote, "_COPIES", remote._Copies())
    root = f"{scheme}://{place}/"
    if scheme == "memory":
        for path in (place / "fcs").iterdir():
            fsspec.filesystem("memory").pipe(f"{place}/fcs/{path.name}", path.read_bytes())
    said = run_program(*profile(place, out, "--jobs", 2, *json, sheet=elsewhere(place, tmp_path, root)))
    assert said.exit_code == 3, said.output
    assert results_in(out) == serial
    assert (hits(out), names_in(said)) == ([], [])
    assert f"{scheme}:" not in said.output


@pytest.mark.requirement("R-SEC-05")
@pytest.mark.parametrize(
    "url",
    [
        f"memory://{CANARY.format(95)}/none.fcs",
        f"s3://user:{CANARY.format(95)}@host/x.fcs?token={CANARY.format(96)}",
        f"zip://{CANARY.format(95)}.fcs",
        f"http://127.0.0.1:9/{CANARY.format(95)}.fcs",
        f"memory://a::file://{CANARY.format(95)}",
    ],
    ids=["missing", "secrets", "archive", "refused", "chain"],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)], ids="".join)
def test_url__that_cannot_be_read_is_not_shown(url, more, place, out, run_program, tmp_path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed (extra url)")
    sheet = tmp_path / "one.csv"
    sheet.write_text(f"sample_id,file,subject_id\n{CANARY.format(97)},{url},{CANARY.format(98)}\n")
    said = run_program(*profile(place, out, *more, sheet=sheet))
    assert said.exit_code == (0 if "--dry-run" in more else 3), said.output
    assert names_in(said) == []
    assert not out.exists() or hits(out) == []
    assert url.partition(":")[0] + ":" not in said.output


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """Two workers, each a process, that log whatever they can."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dask)")
    import dask

    # What a killed worker held is asked for in vain for this long, else for half a minute.
    settings = {"logging.distributed": "debug", "distributed.comm.timeouts.connect": "2s"}
    with dask.config.set(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local:
            yield local


def logs_of(cluster) -> str:
    """What scheduler and workers logged, and what they say of their tasks."""
    from distributed import Client

    with Client(cluster.scheduler_address, set_as_default=False) as client:
        told = [*client.get_worker_logs(n=None).values(), client.get_scheduler_logs(n=None)]
        return "\n".join([*(line for lines in told for _, line in lines), *map(str, client.get_events().values())])


@pytest.mark.requirement("R-SEC-05")
@pytest.mark.parametrize("killed", [False, True], ids=["whole", "a worker killed"])
def test_cluster__gives_the_bytes_of_one_thread(killed, place, serial, out, run_program, cluster, tmp_path) -> None:
    def kill() -> None:
        while not list(out.rglob("*.results")):
            time.sleep(0.005)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

    killer = threading.Thread(target=kill if killed else list)
    killer.start()
    sheet = elsewhere(place, tmp_path, f"local://{place}/")
    said = run_program(*profile(place, out, "--scheduler", cluster.scheduler_address, sheet=sheet))
    killer.join()
    assert said.exit_code == 3, said.output
    assert results_in(out) == serial
    assert (hits(out), names_in(said, logs_of(cluster))) == ([], [])


@pytest.mark.requirement("R-SEC-05")
def test_cluster__says_what_it_cannot_write_without_its_folder(place, out, run_program, cluster, capfd) -> None:
    (out / ".work").mkdir(parents=True)
    Journal(out).note("run-started", deidentified=mark_of(KEY))
    (out / ".work" / "samples").write_text("in the way")
    said = run_program(*profile(place, out, "--scheduler", cluster.scheduler_address))
    assert said.exit_code == 6, said.output
    assert re.search(r"Error: [\w-]+\.results: cannot be written \(File exists\)\. Make room or check", said.stderr)
    logs = logs_of(cluster)
    # the workers do say that something was wrong, under the name of the task and no other
    assert "cannot be written (File exists)" in logs
    assert re.search(r"samples-\w+", logs)
    assert names_in(said, logs, *capfd.readouterr()) == []
