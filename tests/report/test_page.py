"""The page: complete, closed to the network, and safe whatever the files say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from drawn_pictures import write_pictures
from immunoprofile.cohort.results import write_results
from immunoprofile.errors import InputError, printable
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


def test_page__asks_for_nothing_and_runs_only_its_own_script(results, pictured):
    page = page_of(results, pictured)
    loading = {"link", "img", "iframe", "object", "embed", "base", "audio", "video"}
    assert not loading & {tag for tag, _ in page.tags}
    attributes = [(tag, k, v or "") for tag, attrs in page.tags for k, v in attrs.items()]
    assert not [k for _, k, _ in attributes if k.startswith("on") or k in {"src", "style", "srcset"}]
    pictures = [v for tag, k, v in attributes if tag == "image" and k == "href"]
    assert len(pictures) >= 12
    assert all(v.startswith("data:image/png;base64,") for v in pictures)
    assert all(v.startswith("#") for tag, k, v in attributes if k.endswith("href") and tag != "image")
    source = (pictured / "report.html").read_text(encoding="utf-8")
    assert [u for u in re.findall(r"\w+://[^\s\"']*", source) if u != "http://www.w3.org/2000/svg"] == []
    assert page.count("script") == 1


@pytest.mark.parametrize("part", ["style", "script"])
def test_page__policy_allows_its_own_style_and_script_and_nothing_else(results, tmp_path, part):
    source = write_report(results, tmp_path).read_text(encoding="utf-8")
    text = re.search(rf"<{part}>(.*?)</{part}>", source, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = next(a["content"] for t, a in Page(source).tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = policy.split("; ")
    assert f"{part}-src 'sha256-{digest}'" in rules
    others = [r for r in rules if not r.startswith(("style-src 'sha256-", "script-src 'sha256-"))]
    assert others == ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    assert "unsafe" not in policy


def test_page__says_what_the_summary_says(results, tmp_path):
    text = page_of(results, tmp_path).text
    sentences = re.sub(r"\s+", " ", " ".join(render_summary(results, width=10_000))).split(". ")
    assert len(sentences) > 5
    assert [s for s in sentences[1:] if s not in text] == []


def rows_of(source: str) -> dict[str, int]:
    """Rows of each table of a page, by its anchor."""
    found = re.findall(r'<details class="table" id="([a-z0-9-]+)"(.*?)</details>', source, re.DOTALL)
    return {anchor: body.count("<tr") - 1 for anchor, body in found}


def test_page__holds_every_row_of_every_table(results, tmp_path):
    tables = rows_of(write_report(results, tmp_path).read_text(encoding="utf-8"))
    assert tables["association"] == len(results.association)
    assert tables["subjects"] == 6
    assert tables["change-1"] == 6
    assert tables["populations"] == len(results.populations)


def test_page__draws_a_line_for_every_pair(results, tmp_path):
    page = page_of(results, tmp_path)
    pairs = results.change["include_primary"].sum()
    # The primary population once large, and every quantity once small.
    assert sum(attrs.get("class") == "shift" for _, attrs in page.tags) == 6 + pairs
    assert "n = 3" in page.text


def test_page__answers_in_three_sentences_first(results, tmp_path):
    source = write_report(results, tmp_path).read_text(encoding="utf-8")
    answer = re.search(r'<section class="answer".*?</section>', source, re.DOTALL).group(0)
    assert answer.count("<p>") == 3
    assert source.index('class="answer"') < source.index('id="flow"') < source.index('id="shifts"')


def test_page__order_of_sections_is_that_of_a_reader(results, pictured):
    source = write_report(results, pictured).read_text(encoding="utf-8")
    wanted = ["flow", "response", "shifts", "comparisons", "gates", "compensation", "fractions", "full"]
    places = [source.index(f'<section id="{name}">') for name in wanted]
    assert places == sorted(places)


PAYLOADS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'><svg onload=alert(1)>", "{{ 7 * 7 }}",
    "</style><b>", "&lt;i&gt;", "javascript:alert(1)", "</title><script>", "\u202egnp.exe", "a\x00b", "<!--", "]]>",
)  # fmt: skip


TAGS = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "nav", "div", "label", "select",
    "option", "button", "span", "main", "section", "p", "ol", "ul", "li", "figure", "figcaption", "svg", "g", "text",
    "path", "rect", "circle", "line", "use", "image", "defs", "details", "summary", "table", "thead", "tbody", "tr",
    "th", "td", "dialog", "form", "footer", "script",
}  # fmt: skip
"""Everything that a page is made of."""


@pytest.mark.parametrize("payload", PAYLOADS)
def test_page__text_from_files_stays_text(small, tmp_path, payload):
    rows = [
        r | {"pop_label": payload, "sample_id": r["sample_id"] + payload, "visit": r["visit"], "flags": payload}
        for r in small.populations()
    ]
    response = [r | {"reason": payload, "flags": payload} for r in small.responses()]
    failure = {"item_id": payload, "item_kind": "sample", "stage": payload, "code": payload, "message": payload}
    check = {"sample_id": payload, "rule_id": payload, "value": 1.0, "threshold": 2.0, "level": "warn", "flag": payload,
             "detail": payload, "item": payload}  # fmt: skip
    hostile = small.results(rows, response, failures=[failure], qc=[check], study_id=payload)
    write_pictures(tmp_path, [rows[0]["sample_id"]], word=payload)
    page = page_of(hostile, tmp_path)
    assert {t for t, _ in page.tags} <= TAGS
    assert not [k for _, attrs in page.tags for k in attrs if k.startswith("on")]
    assert page.count("script") == page.count("style") == 1
    assert page.count("image") > 0


def test_page__two_hundred_payloads_in_every_field_stay_text(small, tmp_path):
    openings = ("<", "</", "'", '"', "`", "--", "]]", "\\", "&", "%3C")
    middles = (
        "script>x()</script",
        "img src=x onerror=x()",
        "svg/onload=x()",
        "iframe srcdoc=x",
        "a href=javascript:x()",
    )
    closings = (">", "/>", " ", "\n<!--")
    payloads = [f"{a}{b}{c}" for a in openings for b in middles for c in closings]
    assert len(payloads) == 200
    base = small.populations()
    rows = [r | {"pop_label": payloads[i % 200], "flags": payloads[-i % 200]} for i, r in enumerate(base)]
    failures = [{"item_id": p, "item_kind": "subject", "stage": p, "code": p, "message": p} for p in payloads]
    page = page_of(small.results(rows, failures=failures), tmp_path)
    assert {t for t, _ in page.tags} <= TAGS
    assert not [k for _, attrs in page.tags for k in attrs if k.startswith("on") or k in {"src", "srcdoc"}]
    assert page.count("script") == 1
    for payload in payloads:
        assert printable(payload).strip() in page.text


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
