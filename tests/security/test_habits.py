"""Habits of the code that keep whole kinds of attack away: nothing that runs data, no network, caps on every text."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from immunoprofile.errors import ImmunoprofileError
from immunoprofile.gating import load_template
from immunoprofile.study import load_samples, load_study

# Modules that run what they read, call out, or build code; and calls that do.
RUNNERS = {"pickle", "cPickle", "shelve", "marshal", "dill", "joblib", "cloudpickle", "code", "codeop", "imp"}
CALLERS = {"urllib.request", "http", "http.client", "http.server", "requests", "httpx", "aiohttp", "ftplib", "smtplib"}
CALLERS |= {"xmlrpc", "telnetlib", "socketserver", "webbrowser", "subprocess"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"read_pickle", "to_pickle", "extractall", "popen"}
# hold_folder says on which host it runs, traces_of knows its name: neither opens a socket.
MAY_NAME_THE_HOST = {"cohort/lock.py", "verification/traces.py"}


@cache
def sources(checkout: Path) -> list[tuple[str, ast.Module]]:
    root = checkout / "src" / "immunoprofile"
    return [(p.relative_to(root).as_posix(), ast.parse(p.read_text())) for p in sorted(root.rglob("*.py"))]


def imported(tree: ast.Module) -> set[str]:
    found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return found | {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}


@pytest.mark.requirement("R-SEC-01")
def test_code__imports_nothing_that_runs_data_or_calls_out(checkout: Path) -> None:
    for name, tree in sources(checkout):
        found = imported(tree)
        assert not found & (RUNNERS | CALLERS), name
        assert "socket" not in found or name in MAY_NAME_THE_HOST, name


@pytest.mark.requirement("R-SEC-07")
def test_code__knows_stores_in_one_place_and_only_when_a_url_is_met(checkout: Path) -> None:
    for name, tree in sources(checkout):
        asking = {m for m in imported(tree) if m.split(".")[0] == "fsspec"}
        assert not asking or name == "fcs/remote.py"
        assert not asking & top(tree)


def top(tree: ast.Module) -> set[str]:
    """Modules that are imported when a module is."""
    return imported(ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], []))


@pytest.mark.requirement("R-SEC-01")
def test_code__evaluates_no_text(checkout: Path) -> None:
    for name, tree in sources(checkout):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                assert called not in CALLS, (name, node.lineno)
                assert attribute not in {"read_pickle", "to_pickle", "extractall", "popen"}, (
                    name,
                    node.lineno,
                )
                allowed = [k for k in node.keywords if k.arg == "allow_pickle"]
                assert all(getattr(k.value, "value", True) is False for k in allowed), (name, node.lineno)


def test_code__loads_arrays_without_pickle(checkout: Path) -> None:
    for name, tree in sources(checkout):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                assert owner not in {"np", "numpy", "yaml"}, (name, node.lineno)


_BLOCKED = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("a socket was asked for")
for name in ("connect", "connect_ex", "bind", "listen", "sendto"):
    setattr(socket.socket, name, refuse)
socket.create_connection = socket.getaddrinfo = socket.create_server = refuse
from immunoprofile.cli import main
for verb in " ".join(sys.argv[1:]).split(" / "):
    sys.argv = ["immunoprofile", *verb.split()]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def blocked(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program where every use of a socket is an error; a slash parts one command from the next."""
    command = [sys.executable, "-c", _BLOCKED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.requirement("R-SEC-07")
def test_run__asks_for_no_socket(known_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = blocked("run", known_study, "--out", out, "-q", "/", "verify", out, "--study", known_study)
    assert done.returncode == 0, done.stderr
    assert "Everything that was looked at is as it was." in done.stdout


def test_blocked__notices_a_socket() -> None:
    probe = _BLOCKED.replace("from immunoprofile.cli import main", 'socket.create_connection(("127.0.0.1", 9))')
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert "a socket was asked for" in done.stderr


@pytest.mark.requirement("R-SEC-07")
def test_run__listens_to_nothing(known_study: Path, tmp_path: Path) -> None:
    from immunoprofile.cohort import profile_cohort

    before = listening()
    seen: list[set[str]] = []
    profile_cohort(load_study(known_study), tmp_path / "out", jobs=2, progress=lambda *_: seen.append(listening()))
    assert len(seen) == 12
    assert all(found <= before for found in seen)


def listening() -> set[str]:
    """The sockets of this machine on which anybody listens."""
    tables = [Path("/proc/self/net") / name for name in ("tcp", "tcp6")]
    lines = [line.split() for t in tables if t.exists() for line in t.read_text().splitlines()[1:]]
    own = {m[1] for p in Path("/proc/self/fd").iterdir() if (m := re.match(r"socket:\[(\d+)\]", read_link(p)))}
    return {line[1] for line in lines if line[3] == "0A" and line[9] in own}


def read_link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def test_listening__notices_a_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert len(listening()) == 1


TOML = {
    "deep": "a = " + "[" * 5_000 + "]" * 5_000,
    "deep tables": "[" + ".".join(["a"] * 5_000) + "]\n",
    "large": "#" + "x" * 6_000_000,
    "long number": "a = " + "9" * 100_000,
    "binary": "\x00\x01\x02",
    "key twice": "[study]\nid = 'a'\n[study]\nid = 'b'\n",
    "unknown key": "[study]\nid = 'a'\nrun = 'rm -rf'\n",
    "nan": "[study]\nid = nan\n",
    "dates": "[study]\nid = 9999-99-99\n",
    "empty": "",
}


@pytest.mark.requirement("R-SEC-08")
@pytest.mark.parametrize("load", [load_study, load_template], ids=["study", "template"])
@pytest.mark.parametrize("name", TOML)
def test_toml__what_harms_is_refused_with_one_of_our_errors(tmp_path: Path, name: str, load) -> None:
    path = tmp_path / "x.toml"
    path.write_text(TOML[name])
    with pytest.raises(ImmunoprofileError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 20_000


CSV = {
    "large": "sample_id,file\n" + "a,b\n" * 1,
    "one cell": "sample_id,file\nA," + "x" * 1_000_000 + "\n",
    "columns": ",".join(f"c{i}" for i in range(200_000)) + "\n",
    "open quote": 'sample_id,file\n"A,b\n' + "x,y\n" * 1000,
    "nul": "sample_id,file\nA\0B,c\n",
    "latin": "sample_id,file\n\xe9,b\n",
    "utf-16": "sample_id,file\nA,b\n",
    "uneven": "sample_id,file\nA,b,c\nB\n",
    "header twice": "sample_id,sample_id,file\nA,B,c\n",
    "no header": "",
    "blank": "\n\n\n",
}


@pytest.mark.requirement("R-SEC-08")
@pytest.mark.parametrize("name", CSV)
def test_csv__what_harms_is_refused_with_one_of_our_errors(tmp_path: Path, name: str, monkeypatch) -> None:
    path = tmp_path / "x.csv"
    encoding = {"latin": "latin-1", "utf-16": "utf-16"}.get(name, "utf-8")
    path.write_text(CSV[name], encoding=encoding)
    if name == "large":
        monkeypatch.setattr("immunoprofile.study.sheet.MAX_BYTES", 10)
    with pytest.raises(ImmunoprofileError) as caught:
        load_samples(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 20_000
