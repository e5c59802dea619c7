"""``immunoprofile inspect``: what is in these FCS files, and what is odd in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import WIDTH, complain, complain_of, show, show_json, show_progress, show_table
from immunoprofile.cli.options import json_option, strictness_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome, outcome_of
from immunoprofile.cli.paths import FCS
from immunoprofile.errors import FcsUnsupportedError, ImmunoprofileError, InputError, printable

if TYPE_CHECKING:
    from immunoprofile.fcs import Channel, Events, FcsFile, Strictness

_QUOTING = frozenset(
    {
        "FCS-ACQUISITION",
        "FCS-KEYWORD-UNKNOWN",
        "FCS-METADATA",
        "FCS-STEXT-OVERRIDE",
        "FCS-TEXT-DANGLING",
        "FCS-TEXT-DUPLICATE",
        "FCS-TEXT-ENCODING",
        "FCS-TEXT-KEYWORD",
    }
)
"""Findings whose message can quote the value of any keyword, and so a person's name."""

_UNWATCHED = 20
"""Files beyond which progress is shown."""

_WITHHELD = "quotes a keyword; shown with --all-keywords"


@click.command()
@click.argument("files", nargs=-1, required=True, type=FCS, metavar="FILE...")
@click.option(
    "--all-keywords", is_flag=True,
    help="Show every keyword. They may hold names of patients and operators; without this none is shown but the "
    "cytometer and the date.",
)  # fmt: skip
@click.option("--check-data", is_flag=True, help="Read DATA too: count NaN and infinite values of each channel.")
@strictness_option
@json_option
@verbosity_options
@click.pass_context
def inspect(
    context: click.Context,
    files: tuple[FcsFile, ...],
    all_keywords: bool,
    check_data: bool,
    strictness: str,
    as_json: bool,
) -> None:
    """Show channels, spillover and oddities of FCS files.

    A file that cannot be read is named and the others are shown.
    """
    from immunoprofile.fcs import Strictness

    described: list[dict[str, Any]] = []
    errors: list[ImmunoprofileError] = []
    # A few files are their own progress.
    watched = show_progress("inspecting") if len(files) > _UNWATCHED else nullcontext()
    with watched as progress:
        for number, file in enumerate(files, start=1):
            try:
                for events in _data_sets(file, Strictness(strictness)):
                    described.append(describe_events(events, file, all_keywords=all_keywords, check_data=check_data))
                    if not as_json:
                        _show(described[-1])
            except InputError as error:
                errors.append(error)
                described.append({"file": str(file), "error": {"code": error.code, "message": str(error)}})
                complain_of(error)
            if progress is not None:
                progress(number, len(files), file.name)
    if as_json:
        show_json(described)
    context.exit(_outcome(errors, len(files)))


def _outcome(errors: Sequence[ImmunoprofileError], n_files: int) -> Outcome:
    if not errors:
        return Outcome.DONE
    if len(errors) < n_files:
        complain(f"{len(errors)} of {n_files} files could not be read.")
        return Outcome.PARTIAL
    return outcome_of(errors[0])


def _data_sets(file: FcsFile, strictness: Strictness) -> list[Events]:
    from immunoprofile.fcs import read_fcs, read_fcs_datasets

    try:
        return [read_fcs(file, strictness=strictness)]
    except FcsUnsupportedError as error:
        if error.code != "FCS-DATASETS":
            raise
        return read_fcs_datasets(file, strictness=strictness)


def describe_events(
    events: Events, file: FcsFile, *, all_keywords: bool = False, check_data: bool = False
) -> dict[str, Any]:
    """What is shown of one data set, as JSON-like values; keywords only where asked for.

    Notes
    -----
    Keywords can name patients, operators and folders, so that only a list of harmless ones is let through: what the
    cytometer is (its serial number only with all keywords), when it ran, and what it lost.
    """
    from immunoprofile.fcs import FINDINGS

    findings = (*events.findings, *(events.check_data() if check_data else ()))

    described: dict[str, Any] = {
        "file": str(file),
        "dataset": events.dataset,
        "version": events.version,
        "acquisition": _describe_acquisition(events, all_keywords=all_keywords),
        "n_events": events.n_events,
        "channels": [_describe_channel(c) for c in events.channels],
        "spillover": None,
        "findings": [
            {
                "code": f.code,
                "severity": f.severity,
                "where": f.where,
                "message": _WITHHELD if f.code in _QUOTING and not all_keywords else f.message,
                "meaning": FINDINGS[f.code][1],
            }
            for f in findings
        ],
    }  # fmt: skip
    if events.spillover is not None:
        described["spillover"] = {
            "detectors": list(events.spillover.detectors),
            "condition": float(events.spillover.condition),
            "is_identity": bool(events.spillover.is_identity),
            "matrix": events.spillover.matrix.tolist(),
        }
    if all_keywords:
        described["keywords"] = dict(events.keywords)
    return described


def _describe_acquisition(events: Events, *, all_keywords: bool) -> dict[str, Any]:
    told = events.acquisition
    return {
        "cytometer": told.cytometer,
        "serial_number": told.serial_number if all_keywords else None,
        "day": None if told.day is None else told.day.isoformat(),
        "begin": None if told.begin is None else told.begin.isoformat(),
        "end": None if told.end is None else told.end.isoformat(),
        "volume_nl": told.volume_nl,
        "n_aborted": told.n_aborted,
        "n_lost": told.n_lost,
    }


def _acquisition_lines(told: dict[str, Any]) -> Iterator[str]:
    named = {
        "Cytometer": told["cytometer"],
        "Serial number": told["serial_number"],
        "Acquired": " to ".join(str(t) for t in (told["begin"] or told["day"], told["end"]) if t),
        "Volume ($VOL, nl)": told["volume_nl"],
        "Aborted, lost": "" if told["n_aborted"] is None and told["n_lost"] is None else _losses(told),
    }
    return (f"{label}: {printable(value, 60)}" for label, value in named.items() if value not in {None, ""})


def _losses(told: dict[str, Any]) -> str:
    return ", ".join("not told" if n is None else f"{n:,}" for n in (told["n_aborted"], told["n_lost"]))


def _describe_channel(channel: Channel) -> dict[str, Any]:
    return {
        "number": channel.index + 1,
        "detector": channel.detector,
        "marker": channel.marker,
        "kind": channel.kind,
        "range": channel.range,
        "bits": channel.bits,
        "gain": channel.gain,
        "log_decades": channel.amplification[0],
        "log_offset": channel.amplification[1],
        "voltage": channel.voltage,
    }


def _show(described: dict[str, Any]) -> None:
    show(printable(described["file"], 400))
    number = "" if described["dataset"] == 1 else f", data set {described['dataset']}"
    n_channels = len(described["channels"])
    show(f"{described['version']}{number}, {described['n_events']:,} events, {n_channels} channels")
    show(*_acquisition_lines(described["acquisition"]))
    show("")
    show_table(
        ("No", "Detector", "Marker", "Kind", "Range", "Bits", "Amplification", "Voltage"),
        (_channel_cells(c) for c in described["channels"]),
    )
    show("", f"Spillover: {_spillover_words(described['spillover'])}")
    show(*_finding_lines(described["findings"]), *_keyword_lines(described.get("keywords", {})), "")


def _channel_cells(channel: dict[str, Any]) -> list[object]:
    amplification = "linear"
    if channel["log_decades"] > 0:
        start = "" if channel["log_offset"] == 1 else f" from {channel['log_offset']:g}"
        amplification = f"{channel['log_decades']:g} decades{start}"
    elif channel["gain"] != 1:
        amplification = f"gain {channel['gain']:g}"
    voltage = "" if channel["voltage"] is None else f"{channel['voltage']:g}"
    return [
        channel["number"], printable(channel["detector"], 24), printable(channel["marker"] or "", 24), channel["kind"],
        f"{channel['range']:.10g}", channel["bits"], amplification, voltage,
    ]  # fmt: skip


def _spillover_words(spillover: dict[str, Any] | None) -> str:
    if spillover is None:
        return "none that can be used"
    size = len(spillover["detectors"])
    what = "the identity: it changes nothing" if spillover["is_identity"] else f"condition {spillover['condition']:.3g}"
    return f"{size} x {size}, {what}"


def _finding_lines(findings: Sequence[dict[str, str]]) -> Iterator[str]:
    """Findings by code: what the code means, then each place."""
    yield f"Findings: {len(findings) or 'none'}"
    for code in dict.fromkeys(f["code"] for f in findings):
        same = [f for f in findings if f["code"] == code]
        yield from _wrapped(f"{same[0]['severity']} {code}: {same[0]['meaning']}")
        for finding in same:
            yield from _wrapped(f"{printable(finding['where'])}: {printable(finding['message'], 400)}", indent=4)


def _keyword_lines(keywords: dict[str, str]) -> Iterator[str]:
    if keywords:
        yield "Keywords:"
    for key, value in keywords.items():
        yield from _wrapped(f"{printable(key)} = {printable(value, 1_000)}")


def _wrapped(text: str, indent: int = 2) -> list[str]:
    from textwrap import wrap

    return wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))
