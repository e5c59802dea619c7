"""Files by URL: the same events as from disk, copied once, and one clear error for whatever a store may answer."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.errors import FcsAccessError, FcsError, FcsTruncatedError, OutputError
from immunoprofile.fcs import (
    ChannelSpec,
    RemoteFile,
    digest_of_fcs,
    locate_file,
    read_fcs,
    remote,
    version_of,
    write_fcs,
)

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed (extra url)")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("remote") / "tube.fcs"
    values = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    write_fcs(path, values, [ChannelSpec(f"D{i}") for i in range(3)])
    return path.read_bytes()


@pytest.fixture(autouse=True)
def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins without copies."""
    monkeypatch.setattr(remote, "_COPIES", remote._Copies())


@pytest.fixture
def memory(content: bytes):
    """A store in memory with the file under a key that a path could not spell."""
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/a b/../tube.fcs", content)
    store.pipe("/bucket/tube.fcs", content)
    yield store
    store.rm("/bucket", recursive=True)


class _Bucket(fsspec.AbstractFileSystem):
    """A store whose answers a test chooses; it counts how often it is read."""

    protocol = "s3"
    cachable = False
    content = b""
    told: dict | Exception = {}  # noqa: RUF012 - set by the fixture
    opened = 0

    def info(self, path, **_):
        if isinstance(self.told, Exception):
            raise self.told
        return {"name": path, "type": "file"} | self.told

    def open(self, path, mode="rb", **_):
        import io

        type(self).opened += 1
        if isinstance(self.content, Exception):
            raise self.content
        return io.BytesIO(self.content)


@pytest.fixture
def bucket(content: bytes, monkeypatch: pytest.MonkeyPatch):
    kind = type("Bucket", (_Bucket,), {"content": content, "told": {"size": len(content), "ETag": '"1"'}})
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", kind)
    return kind


URL = "s3://key:secret@bucket/tube.fcs?signature=secret"


def test_url__gives_the_events_of_the_file(memory, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tube.fcs").write_bytes(content)
    there, here = read_fcs("memory://bucket/tube.fcs"), read_fcs(tmp_path / "tube.fcs")
    np.testing.assert_array_equal(there.linear(), here.linear())
    assert there.sha256 == here.sha256 == hashlib.sha256(content).hexdigest()
    assert (there.n_events, there.findings) == (here.n_events, here.findings)
    blocks = [(at, b.copy()) for at, b in there.linear_blocks([2, 0], 300)]
    np.testing.assert_array_equal(np.hstack([b for _, b in blocks]), here.linear()[:, [2, 0]].T)


def test_url__is_taken_as_it_is_written(memory) -> None:
    assert read_fcs("memory://bucket/a b/../tube.fcs").n_events == 1000


def test_local_store__is_a_store_like_any_other(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tube.fcs").write_bytes(content)
    assert read_fcs(f"local://{tmp_path}/tube.fcs").n_events == 1000


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.fcs", Path("/study/a.fcs")),
        ("/b/a.fcs", Path("/b/a.fcs")),
        ("file:///b/a%20b.fcs", Path("/b/a b.fcs")),
        ("FILE:///b/a.fcs", Path("/b/a.fcs")),
        ("C:/a.fcs", Path("/study/C:/a.fcs")),
        ("s3:/a.fcs", Path("/study/s3:/a.fcs")),
        ("S3://b/a//c.fcs", RemoteFile("S3://b/a//c.fcs")),
    ],
)
def test_locate_file__tells_paths_from_urls(text: str, path: Path | RemoteFile) -> None:
    assert locate_file(text, Path("/study")) == path


def test_remote_file__never_shows_its_secrets() -> None:
    file = RemoteFile(URL)
    for shown in (str(file), repr(file), os.fspath(file), file.name):
        assert "secret" not in shown
    assert (str(file), file.name, file.absolute()) == ("s3://bucket/tube.fcs", "tube.fcs", file)


def test_copy__is_made_once_for_many_readers_at_a_time(bucket) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: read_fcs(URL).linear().sum(), range(24)))
    assert set(found) == {np.arange(3000).sum()}
    assert bucket.opened == 1


def test_copy__that_gave_way_to_another_is_made_again(bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_KEPT_BYTES", 1)
    events = read_fcs(URL)
    read_fcs("s3://bucket/other.fcs")
    np.testing.assert_array_equal(events.values, np.arange(3000).reshape(1000, 3))
    assert bucket.opened == 3


@pytest.mark.parametrize("other", [b"\0", b""], ids=["other-bytes", "shorter"])
def test_copy__made_again_of_other_bytes_is_refused(bucket, monkeypatch, content: bytes, other: bytes) -> None:
    monkeypatch.setattr(remote, "_KEPT_BYTES", 1)
    events = read_fcs(URL)
    read_fcs("s3://bucket/other.fcs")
    bucket.content = content[:-1] + other
    bucket.told = {"size": len(bucket.content)}
    with pytest.raises(FcsError) as caught:
        events.linear()
    assert caught.value.code == "FCS-CHANGED"
    assert "s3://bucket/tube.fcs: " in str(caught.value)


def test_copy__has_no_name_in_any_folder(bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.tempfile, "tempdir", str(tmp_path))
    read_fcs(URL)
    assert list(tmp_path.iterdir()) == []


class _AnsweredError(Exception):
    status = 403


NOT_THERE = type("ClientResponseError", (Exception,), {"status": 404})
ANSWERS = {
    "not-found": (FileNotFoundError(errno.ENOENT, "x"), "FCS-MISSING", "its store has no such file. Check"),
    "http-404": (NOT_THERE("secret"), "FCS-MISSING", "its store has no such file"),
    "denied": (PermissionError("secret"), "FCS-PERMISSION", "gives no permission to read this file. Ask"),
    "http-403": (_AnsweredError("secret"), "FCS-PERMISSION", "gives no permission"),
    "credentials": (type("NoCredentialsError", (Exception,), {})("x"), "FCS-PERMISSION", "gives no permission"),
    "unreachable": (
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        "FCS-URL",
        r"its store cannot be asked \(Connection refused\)\. Check the URL, the network and your credentials",
    ),
    "timeout": (TimeoutError("secret"), "FCS-URL", r"cannot be asked \(TimeoutError\)"),
    "anything": (RuntimeError("https://x?secret"), "FCS-URL", r"cannot be asked \(RuntimeError\)"),
}  # fmt: skip


@pytest.mark.parametrize("when", ["asked", "read"])
@pytest.mark.parametrize("name", ANSWERS)
def test_store__whatever_it_answers_is_one_of_our_errors_without_a_secret(bucket, name: str, when: str) -> None:
    answer, code, sentence = ANSWERS[name]
    setattr(bucket, "told" if when == "asked" else "content", answer)
    with pytest.raises(FcsAccessError, match=rf"^s3://bucket/tube\.fcs: file: .*{sentence}") as caught:
        read_fcs(URL)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


def _not_found(cause: Exception) -> Exception:
    problem = FileNotFoundError("https://x?secret")
    problem.__cause__ = cause
    return problem


@pytest.mark.parametrize(
    ("cause", "code"),
    [(_AnsweredError("x"), "FCS-PERMISSION"), (NOT_THERE("x"), "FCS-MISSING"), (TimeoutError("x"), "FCS-URL")],
)
def test_http__a_file_not_found_for_another_reason_says_the_reason(content, monkeypatch, cause, code: str) -> None:
    kind = type("Web", (_Bucket,), {"told": _not_found(cause), "protocol": "https"})
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "https", kind)
    with pytest.raises(FcsAccessError) as caught:
        read_fcs("https://host/tube.fcs")
    assert caught.value.code == code


@pytest.mark.parametrize("lost", [1, 4000, -1], ids=["one-byte", "much", "too-many"])
def test_store__that_gives_another_number_of_bytes_is_refused(bucket, content: bytes, lost: int) -> None:
    bucket.content = content[:-lost] if lost > 0 else content + b"\0"
    with pytest.raises(FcsTruncatedError, match=r"bytes came, the store declares .*\. Run the same command") as caught:
        read_fcs(URL)
    assert caught.value.code == "FCS-URL-SHORT"


def test_store__without_a_size_is_read_to_its_end(bucket) -> None:
    bucket.told = {"size": None}
    assert read_fcs(URL).n_events == 1000
    assert version_of(RemoteFile(URL)) == (-1, None)


def test_version__is_what_the_store_calls_it(bucket, content: bytes) -> None:
    size, first = version_of(RemoteFile(URL))
    bucket.told = {"size": len(content), "ETag": '"2"'}
    assert size == len(content)
    assert first != version_of(RemoteFile(URL))[1]
    assert bucket.opened == 0


def test_store__folder_is_no_file(bucket) -> None:
    bucket.told = {"type": "directory", "size": 0}
    with pytest.raises(FcsAccessError, match="is a folder, pipe or device"):
        read_fcs(URL)


@pytest.mark.parametrize("path", ["/dev/zero", "/"])
def test_local_store__device_or_folder_is_refused_at_once(path: str) -> None:
    with pytest.raises(FcsAccessError, match="is a folder, pipe or device"):
        read_fcs(f"local://{path}")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nope://b/a.fcs", '"nope" is no scheme that is read'),
        ("zip://a.fcs::s3://b/a.zip", "is a chain of stores"),
        ("s3://b/a.fcs::memory://c", "is a chain of stores, which is not read"),
        ("reference://a.fcs", "is no scheme that is read"),
        ("data:///base64,AAAA", "is no scheme that is read"),
        ("file://host/a.fcs", '"file" is no scheme that is read'),
    ],
)
def test_scheme__that_is_no_store_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(FcsAccessError, match=sentence) as caught:
        read_fcs(url)
    assert caught.value.code == "FCS-URL"


def test_scheme__without_its_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(FcsAccessError, match=r"s3:// needs the package s3fs, which is not installed\. Check"):
        read_fcs("s3://bucket/a.fcs")


def test_scheme__without_fsspec_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(FcsAccessError, match=r"needs fsspec: install immunoprofile\[url\]"):
        read_fcs("s3://bucket/a.fcs")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_copy__without_room_is_an_error_of_the_output(bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - the program closes it
    monkeypatch.setattr(remote.tempfile, "TemporaryFile", lambda **_: full)
    with pytest.raises(OutputError, match=r"No space left on device.*TMPDIR"):
        read_fcs(URL)


def test_digest__of_path_and_url_is_the_same(memory, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.fcs").write_bytes(content)
    assert digest_of_fcs(RemoteFile("memory://bucket/tube.fcs")) == digest_of_fcs(tmp_path / "a.fcs")


def test_fsspec__is_imported_only_for_a_url(tmp_path: Path, content: bytes) -> None:
    import subprocess

    (tmp_path / "a.fcs").write_bytes(content)
    probe = "import sys, immunoprofile as i; i.read_fcs(sys.argv[1]).linear(); sys.exit('fsspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe, tmp_path / "a.fcs"], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_threads__wait_for_one_copy_and_not_for_each_others(bucket) -> None:
    entered, go = threading.Event(), threading.Event()
    real = bucket.open

    def slow(self, path, *rest, **options):
        if path.endswith("slow.fcs"):
            entered.set()
            assert go.wait(10)
        return real(self, path, *rest, **options)

    bucket.open = slow
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(read_fcs, "s3://bucket/slow.fcs")
        assert entered.wait(10)
        assert read_fcs("s3://bucket/quick.fcs").n_events == 1000
        go.set()
        assert waiting.result().n_events == 1000
