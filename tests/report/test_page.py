"""The page: complete, closed to the network, and safe whatever the files say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from immunoprofile.cohort.results import write_results
from immunoprofile.errors import InputError
from immunoprofile.report import load_results, render_summary, write_report


class Page(HTMLParser):
    """Tags with their attributes, and the text between."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(t == tag for t, _ in self.tags)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def page_of(results, folder) -> Page:
    return Page(write_report(results, folder).read_text(encoding="utf-8"))


def test_page__asks_for_nothing_and_runs_nothing(results, tmp_path):
    page = page_of(results, tmp_path)
    loading = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "use", "image"}
    assert not loading & {tag for tag, _ in page.tags}
    attributes = [(k, v or "") for _, attrs in page.tags for k, v in attrs.items()]
    assert not [k for k, _ in attributes if k.startswith("on") or k in {"src", "style", "srcset"}]
    assert all(v.startswith("#") for k, v in attributes if k.endswith("href"))
    assert "://" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_page__policy_allows_its_own_style_and_nothing_else(results, tmp_path):
    source = write_report(results, tmp_path).read_text(encoding="utf-8")
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(a["content"] for t, a in Page(source).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest}'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip


def test_page__says_what_the_summary_says(results, tmp_path):
    text = page_of(results, tmp_path).text
    sentences = re.sub(r"\s+", " ", " ".join(render_summary(results, width=10_000))).split(". ")
    assert len(sentences) > 5
    assert [s for s in sentences[1:] if s not in text] == []


def test_page__holds_every_comparison_and_subject(results, tmp_path):
    source = write_report(results, tmp_path).read_text(encoding="utf-8")
    tables = {
        m[0]: m[1].count("<tr>") - 1
        for m in re.findall(r'<section id="([a-z0-9-]+)">(.*?)</section>', source, re.DOTALL)
    }
    compared = results.association[results.association["question"] != "response_rate"]
    assert tables["association"] == len(compared)
    assert tables["subjects"] == 6
    assert tables["change-1"] == 6


def test_page__draws_a_line_for_every_pair(results, tmp_path):
    page = page_of(results, tmp_path)
    assert page.count("circle") == 2 * 3
    assert sum(attrs.get("class") == "shift" for _, attrs in page.tags) == 6
    assert "n = 3" in page.text


PAYLOADS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'><svg onload=alert(1)>", "{{ 7 * 7 }}",
    "</style><b>", "&lt;i&gt;", "javascript:alert(1)", "</title><script>", "\u202egnp.exe", "a\x00b", "<!--", "]]>",
)  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_page__text_from_files_stays_text(small, tmp_path, payload):
    plain = page_of(small.results(), tmp_path)
    rows = [
        r | {"pop_label": payload, "sample_id": r["sample_id"] + payload, "flags": payload} for r in small.populations()
    ]
    response = [r | {"reason": payload, "flags": payload} for r in small.responses()]
    failure = {"item_id": payload, "item_kind": "sample", "stage": payload, "code": payload, "message": payload}
    check = {"sample_id": payload, "rule_id": payload, "value": 1.0, "threshold": 2.0, "level": "warn", "flag": payload,
             "detail": payload}  # fmt: skip
    hostile = small.results(rows, response, failures=[failure], qc=[check], study_id=payload)
    page = page_of(hostile, tmp_path)
    structure = {"td", "tr", "th", "p", "a", "section", "h2", "div", "table", "thead", "tbody"}
    assert {t for t, _ in page.tags} <= {t for t, _ in plain.tags} | structure
    assert not [k for _, attrs in page.tags for k in attrs if k.startswith("on")]
    assert page.count("style") == page.count("title") - page.count("g") == 1


def test_page__shows_provenance_from_the_manifest(results, tmp_path):
    written = write_results(replace(results, inputs={"samples": "ab" * 32}), tmp_path, options={"study_id": "S-1"})
    text = page_of(written, tmp_path).text
    assert "Provenance" in text
    assert "ab" * 32 in text
    assert "is not what it was" not in text


def test_page__names_a_table_that_was_changed_since(results, tmp_path):
    write_results(results, tmp_path, options={"study_id": "S-1"})
    table = tmp_path / "response.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",NR,", ",CR,", 1), encoding="utf-8")
    text = page_of(load_results(tmp_path), tmp_path).text
    assert "response.csv is not what it was when the results were written" in text


def test_page__manifest_cannot_lead_out_of_the_folder(results, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("x", encoding="utf-8")
    folder = tmp_path / "results"
    folder.mkdir()
    digest = hashlib.sha256(b"x").hexdigest()
    (folder / "manifest.json").write_text(f'{{"outputs": {{"../secret.txt": "{digest}"}}}}', encoding="utf-8")
    assert "../secret.txt is not what it was" in page_of(results, folder).text


def test_page__is_the_same_for_the_same_results(results, tmp_path):
    first = write_report(results, tmp_path).read_bytes()
    assert write_report(results, tmp_path).read_bytes() == first


def test_load_results__gives_back_what_was_written(results, tmp_path):
    write_results(results, tmp_path, options={"study_id": "S-1"})
    again = load_results(tmp_path)
    assert render_summary(again) == render_summary(results)
    assert again.n_samples == results.n_samples


def test_load_results__a_folder_without_results_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"holds no results\. Give the folder that --out of run"):
        load_results(tmp_path)


@pytest.mark.parametrize("text", ["no json", "[]", '{"inputs": 3}'], ids=["text", "list", "wrong-part"])
def test_load_results__a_strange_manifest_is_an_error(results, tmp_path, text):
    write_results(results, tmp_path, options={})
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json: is not a manifest of immunoprofile\. Run the study again"):
        load_results(tmp_path)
