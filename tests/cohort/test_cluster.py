"""A real cluster of two workers: the same bytes as one thread, with a worker killed in the middle too."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import warnings
from dataclasses import replace

import pytest

from immunoprofile.cohort import Hands, open_cluster, profile_samples
from immunoprofile.cohort.journal import JOURNAL
from immunoprofile.cohort.store import WORK
from immunoprofile.errors import InputError
from immunoprofile.fcs import RemoteFile
from immunoprofile.provenance import digest_of_file
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples

distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dask)")

# Dask and its event loop warn of their own ends; what we do is told by the results.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    study = simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=3, n_subjects=4, events_per_sample=500)
    return study.parent / "samples.csv"


def _tables(folder):
    files = (p for part in folder.glob("[!.]*") for p in (part.rglob("*") if part.is_dir() else [part]))
    return {p.name: digest_of_file(p) for p in files if p.name not in {"manifest.json", JOURNAL}}


@pytest.fixture(scope="module")
def serial(sheet, tmp_path_factory):
    out = tmp_path_factory.mktemp("serial") / "out"
    profile_samples(load_samples(sheet), "immune14", out)
    return _tables(out)


@pytest.fixture(scope="module")
def local():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster:
        yield cluster


def test_cluster__gives_the_bytes_of_one_thread(sheet, serial, local, tmp_path, monkeypatch):
    # a relative folder, as it is typed: the workers are elsewhere
    monkeypatch.chdir(tmp_path)
    with open_cluster(local.scheduler_address) as (executor, width):
        assert width == 2
        results = profile_samples(load_samples(sheet), "immune14", "out", Hands(executor=executor, width=width))
    assert results.failures.empty
    assert _tables(tmp_path / "out") == serial


def test_cluster__worker_killed_in_the_middle_costs_nothing(sheet, serial, local, tmp_path):
    out = tmp_path / "out"
    killed = []

    def kill():
        while not list((out / WORK).rglob("*.results")):
            time.sleep(0.005)
        pid = next(iter(local.workers.values())).pid
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    killer = threading.Thread(target=kill)
    with open_cluster(local.scheduler_address) as (executor, width):
        killer.start()
        profile_samples(load_samples(sheet), "immune14", out, Hands(executor=executor, width=width))
    killer.join()
    assert killed
    assert _tables(out) == serial


def test_cluster__workers_read_files_from_their_store(sheet, serial, local, tmp_path):
    listed = [replace(s, file=RemoteFile(f"local://{s.file}")) for s in load_samples(sheet)]
    with open_cluster(local.scheduler_address) as (executor, width):
        profile_samples(listed, "immune14", tmp_path / "out", Hands(executor=executor, width=width))
    assert _tables(tmp_path / "out") == serial


def test_cluster__address_where_nothing_answers_is_refused(monkeypatch):
    monkeypatch.setattr("immunoprofile.cohort.cluster._SECONDS", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(InputError, match=r"does not answer as a Dask scheduler\. Start"), open_cluster(address):
            pass


def test_cluster__without_dask_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    remedy = r"not installed\. Install immunoprofile\[dask\]"
    with pytest.raises(InputError, match=remedy), open_cluster("tcp://127.0.0.1:1"):
        pass
