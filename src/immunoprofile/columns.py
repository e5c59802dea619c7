"""Every column of every table, once: name, type, unit, meaning, key, short alias.

The CSV header, the Parquet schema, ``datapackage.json``, ``data_dictionary.csv`` and the documentation all come
from here. Fractions are 0..1; days count from the first infusion, which is day 0; missing is ``NA``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["str", "int", "float", "bool"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    `alias` is the name of at most eight characters that SAS transport files need.
    """

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the results folder: its columns in order, and the columns that identify a row."""

    name: str
    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """One column by its name."""
        return next(c for c in self.columns if c.name == name)


_SUBJECT = Column("subject_id", "str", "Subject as named in subjects.csv", alias="SUBJID")
_SAMPLE = Column("sample_id", "str", "Sample as named in samples.csv", alias="SAMPID")
_VISIT = Column("visit", "str", "Visit as named in samples.csv", alias="VISIT")
_POP_ID = Column("pop_id", "str", "Population: the id of its gate in the template", alias="POPID")
_DENOM_ID = Column("denom_id", "str", "Denominator: pop_id of the population divided by", alias="DENOMID")
_FLAGS = Column("flags", "str", "Findings on this row, codes joined by ';'; empty when there is none", alias="FLAGS")
_STUDY = Column("study_id", "str", "Study as named in study.toml", alias="STUDYID")
_DEFINITION = Column("definition_id", "str", "Response definition: the id of its rule file", alias="DEFID")

POPULATIONS = Table(
    "populations",
    "Counts, denominators and fractions: one row a sample, population and denominator",
    (
        _STUDY,
        _SAMPLE,
        _SUBJECT,
        _VISIT,
        Column("day", "int", "Day of the draw since the first infusion (day 0)", "d", "DAY"),
        Column("panel", "str", "Panel as named in samples.csv", alias="PANEL"),
        _POP_ID,
        Column("pop_path", "str", "Names of the gates from below the root, joined by '/'", alias="POPPATH"),
        Column("pop_label", "str", "Name for people", alias="POPLBL"),
        Column("cl_id", "str", "Cell Ontology id", alias="CLID"),
        Column("name_hipc", "str", "HIPC standard name", alias="HIPC"),
        _DENOM_ID,
        Column("denom_path", "str", "Path of the denominator", alias="DENPATH"),
        Column("count", "int", "Events in the population", "events", "COUNT"),
        Column("denom_count", "int", "Events in the denominator", "events", "DENCNT"),
        Column("frac", "float", "count / denom_count; NA where not evaluable", "1", "FRAC"),
        Column(
            "frac_lo",
            "float",
            "Lower 95 % limit of frac: counting error only, not staining or biology",
            "1",
            "FRACLO",
        ),
        Column(
            "frac_hi",
            "float",
            "Upper 95 % limit of frac: counting error only, not staining or biology",
            "1",
            "FRACHI",
        ),
        Column("ci_method", "str", "How the limits of frac were computed", alias="CIMETH"),
        Column("cells_per_ul", "float", "Cells per microlitre of blood", "1/uL", "CELLUL"),
        Column("cells_per_ul_lo", "float", "Lower 95 % limit of cells_per_ul", "1/uL", "CELLULLO"),
        Column("cells_per_ul_hi", "float", "Upper 95 % limit of cells_per_ul", "1/uL", "CELLULHI"),
        Column("abs_method", "str", "single (beads), dual (blood count) or none", alias="ABSMETH"),
        Column(
            "status",
            "str",
            "ok, below_lloq (< 50 events), below_lod (< 20 events), not_evaluable",
            alias="STATUS",
        ),
        _FLAGS,
        Column("gate_origin", "str", "template, auto, fallback, override or frozen", alias="GATEORIG"),
        Column("template_id", "str", "Template", alias="TMPLID"),
        Column("template_version", "str", "Template version", alias="TMPLVER"),
        Column("template_sha256", "str", "SHA-256 of the template's canonical content", alias="TMPLSHA"),
        Column("fcs_sha256", "str", "SHA-256 of the FCS file's bytes", alias="FCSSHA"),
        Column("row_id", "str", "First 16 hexadecimal digits of the SHA-256 of key and inputs", alias="ROWID"),
    ),
    ("sample_id", "pop_id", "denom_id"),
)

SAMPLES_QC = Table(
    "samples_qc",
    "Laboratory checks: one row a sample and rule",
    (
        _SAMPLE,
        Column("rule_id", "str", "Rule", alias="RULEID"),
        Column("value", "float", "What was measured", alias="VALUE"),
        Column("threshold", "float", "The limit that was crossed, or the nearest one that would be", alias="THRESH"),
        Column("level", "str", "pass, warn, fail or info", alias="LEVEL"),
        Column("flag", "str", "Code; empty when passed. At level fail it is on all rows of the sample", alias="FLAG"),
        Column("detail", "str", "What it means, in words", alias="DETAIL"),
    ),
    ("sample_id", "rule_id"),
)

GATES_RESOLVED = Table(
    "gates_resolved",
    "Every gate as applied to every sample",
    (
        _SAMPLE,
        _POP_ID,
        Column("pop_path", "str", "Path of the gate", alias="POPPATH"),
        Column("kind", "str", "rectangle, polygon, ellipsoid, quadrant or boolean", alias="KIND"),
        Column("geometry", "str", "The gate's geometry in scaled coordinates, canonical JSON", alias="GEOM"),
        Column("origin", "str", "template, auto, fallback, override or frozen", alias="ORIGIN"),
        Column("reason", "str", "Why this origin, where it is not the template", alias="REASON"),
    ),
    ("sample_id", "pop_path"),
)

FAILURES = Table(
    "failures",
    "What could not be done: one row a sample, subject or study and stage",
    (
        Column("item_id", "str", "Sample, subject or study", alias="ITEMID"),
        Column("item_kind", "str", "sample, subject or study", alias="ITEMKIND"),
        Column("stage", "str", "read, gate, tabulate, respond or compare", alias="STAGE"),
        Column("code", "str", "Stable code of the error", alias="CODE"),
        Column("message", "str", "What went wrong and what to do", alias="MESSAGE"),
    ),
    ("item_kind", "item_id", "stage"),
)

RESPONSE = Table(
    "response",
    "Platelet response: one row a subject and definition",
    (
        _SUBJECT,
        _DEFINITION,
        Column("baseline_plt_1e9_per_l", "float", "Platelets before treatment", "10^9/L", "BASEPLT"),
        Column("baseline_day", "int", "Day of the baseline count", "d", "BASEDAY"),
        Column("baseline_rule", "str", "Which rule gave the baseline", alias="BASERULE"),
        Column("best_response", "str", "CR, R, UNCONFIRMED_R, NR or NE", alias="BESTRESP"),
        Column(
            "responder",
            "bool",
            "TRUE for CR and R, FALSE for NR and UNCONFIRMED_R, NA for NE",
            alias="RESPFL",
        ),
        Column(
            "reason",
            "str",
            "Why, where best_response is NR or NE for a reason beyond the counts",
            alias="REASON",
        ),
        Column("first_response_day", "int", "Onset: first day of the confirmed response", "d", "RESPDAY"),
        Column("confirmed_day", "int", "Day of the count that confirmed the response", "d", "CONFDAY"),
        Column("time_to_response_days", "int", "Days to the event or to censoring", "d", "TTR"),
        Column("ttr_event", "int", "0 censored, 1 response, 2 rescue before response", alias="TTREVT"),
        Column("cr_day", "int", "Onset of complete response", "d", "CRDAY"),
        Column("cr_loss_day", "int", "Day complete response was lost", "d", "CRLSDAY"),
        Column("loss_day", "int", "Day response was lost", "d", "LOSSDAY"),
        Column(
            "loss_reason",
            "str",
            "counts, bleeding, rescue; loss_pending for a last single low count",
            alias="LOSSRSN",
        ),
        Column("duration_days", "int", "Onset to loss or to the last eligible count", "d", "DORDAYS"),
        Column("dor_event", "int", "1 lost, 0 censored", alias="DOREVT"),
        Column(
            "prop_time_in_response",
            "float",
            "Days in response / days observed after onset of treatment",
            "1",
            "PROPTIME",
        ),
        Column("n_counts_eligible", "int", "Counts after day 0 that could speak", alias="NELIG"),
        Column("n_counts_excluded", "int", "Counts after day 0 that could not", alias="NEXCL"),
        Column("max_plt_1e9_per_l", "float", "Highest eligible count after day 0", "10^9/L", "MAXPLT"),
        Column(
            "rescue_any",
            "bool",
            "Any rescue treatment from day 0 on; NA where no treatments were given",
            alias="RESCFL",
        ),
        Column("first_rescue_day", "int", "Day of the first rescue from day 0 on", "d", "RESCDAY"),
        Column("rules_sha256", "str", "SHA-256 of the rule file's content", alias="RULESSHA"),
        _FLAGS,
    ),
    ("subject_id", "definition_id"),
)

RESPONSE_COUNTS = Table(
    "response_counts",
    "The audit of platelet response: one row a platelet count and definition",
    (
        _SUBJECT,
        _DEFINITION,
        Column("day", "int", "Day of the count since the first infusion", "d", "DAY"),
        Column("count_no", "int", "Order of the count within the subject", alias="COUNTNO"),
        Column("platelets_1e9_per_l", "float", "The count; the bound where censored", "10^9/L", "PLT"),
        Column("qualifier", "str", "'<' or '<=' where the count is an upper bound; else empty", alias="QUAL"),
        Column("unit_given", "str", "Unit as given in the sheet", alias="UNIT"),
        Column("eligible", "bool", "May this count speak for the treatment", alias="ELIGFL"),
        Column("why_not", "str", "Why it may not", alias="WHYNOT"),
        Column("bleeding", "bool", "With bleeding; NA where it was not assessed", alias="BLEEDFL"),
        Column(
            "threshold_r_1e9_per_l",
            "float",
            "What R asks for in this subject: max(30, 2 x baseline)",
            "10^9/L",
            "THRR",
        ),
        Column("level", "str", "CR, R or none at this count", alias="LEVEL"),
        Column(
            "role",
            "str",
            "baseline, onset, confirms, loss, loss_pending, regained; cr_ before these; joined by ';'",
            alias="ROLE",
        ),
        Column("decision", "str", "What was decided on this count and why, in words", alias="DECISION"),
        _FLAGS,
    ),
    ("subject_id", "definition_id", "count_no"),
)

CHANGE = Table(
    "change",
    "Change from baseline to the window: one row a subject, population, denominator and measure",
    (
        _SUBJECT,
        _POP_ID,
        _DENOM_ID,
        Column("measure", "str", "logit_frac, log_cells_per_ul or log_mfi", alias="MEASURE"),
        Column("window", "str", "Visits of the window, joined by '+'", alias="WINDOW"),
        Column("panel", "str", "Panel that gave the population", alias="PANEL"),
        Column("baseline_sample_id", "str", "Sample before the first infusion", alias="BASESAMP"),
        Column("baseline_value", "float", "Baseline on the scale of the measure", alias="BASEVAL"),
        Column("post_sample_ids", "str", "Samples of the window, joined by ';'", alias="POSTSAMP"),
        Column("post_value", "float", "Mean of the window's samples on the scale of the measure", alias="POSTVAL"),
        Column("n_post", "int", "Samples in the window that entered the mean", alias="NPOST"),
        Column("delta", "float", "post_value - baseline_value", alias="DELTA"),
        Column(
            "fold_or_odds_ratio",
            "float",
            "exp(delta): odds ratio of fractions, ratio of concentrations",
            "1",
            "RATIO",
        ),
        Column(
            "delta_frac_pp",
            "float",
            "Change of the fraction in percent points, description only",
            "%",
            "DELTAPP",
        ),
        Column("base_count", "int", "Events in the population at baseline", "events", "BASECNT"),
        Column("post_count_min", "int", "Smallest count in the window", "events", "POSTMIN"),
        Column("post_rescue", "bool", "A window sample was drawn after rescue treatment", alias="POSTRESC"),
        Column("include_primary", "bool", "In the primary analysis", alias="INCLFL"),
        Column("exclude_reason", "str", "Why not, where not", alias="EXCLRSN"),
        _FLAGS,
    ),
    ("subject_id", "pop_id", "denom_id", "measure", "window"),
)

ASSOCIATION = Table(
    "association",
    "Answers: one row an analysis, population, denominator and contrast",
    (
        Column("analysis_id", "str", "Analysis", alias="ANLID"),
        _POP_ID,
        _DENOM_ID,
        Column("contrast", "str", "What is compared", alias="CONTRAST"),
        Column("role", "str", "primary, secondary, exploratory or sensitivity", alias="ROLE"),
        Column("family_id", "str", "Family of tests adjusted together", alias="FAMILY"),
        Column("question", "str", "overall_change, group_diff or response_rate", alias="QUESTION"),
        Column("scale", "str", "Scale of the estimate", alias="SCALE"),
        Column("window", "str", "Visits of the window", alias="WINDOW"),
        Column("method", "str", "Test or model", alias="METHOD"),
        Column("alternative", "str", "two-sided", alias="ALTERN"),
        Column("n_total", "int", "Subjects in this row", alias="NTOTAL"),
        Column("n_resp", "int", "Responders among them", alias="NRESP"),
        Column("n_nonresp", "int", "Non-responders among them", alias="NNONRESP"),
        Column("n_missing", "int", "Subjects left out; change.csv says who and why", alias="NMISS"),
        Column("estimate", "float", "Estimate on the scale", alias="EST"),
        Column("estimate_label", "str", "What the estimate is", alias="ESTLBL"),
        Column("ci_lo", "float", "Lower limit", alias="CILO"),
        Column("ci_hi", "float", "Upper limit", alias="CIHI"),
        Column("ci_level", "float", "Level of the interval as achieved", "1", "CILEVEL"),
        Column("ci_method", "str", "How the limits were computed", alias="CIMETH"),
        Column(
            "effect",
            "float",
            "Estimate in words of the clinic: odds ratio, fold change or rate",
            "1",
            "EFFECT",
        ),
        Column("effect_lo", "float", "Its lower limit", "1", "EFFECTLO"),
        Column("effect_hi", "float", "Its upper limit", "1", "EFFECTHI"),
        Column(
            "statistic", "float", "Of the method: sum of positive ranks, difference of means, t, or U", alias="STAT"
        ),
        Column("df", "float", "Degrees of freedom", alias="DF"),
        Column("p_raw", "float", "p-value, not adjusted", "1", "PRAW"),
        Column("p_method", "str", "exact, mc, relabel_fixed_covariate or asymptotic", alias="PMETH"),
        Column("n_perm", "int", "Relabelings or sign patterns enumerated or drawn", alias="NPERM"),
        Column("seed", "int", "Seed where drawn", alias="SEED"),
        Column("p_adj", "float", "p adjusted within the family: Holm, or Westfall-Young step-down min-p", "1", "PADJ"),
        Column("adj_method", "str", "How it was adjusted", alias="ADJMETH"),
        Column("n_tests", "int", "Tests in the family", alias="NTESTS"),
        Column("std_effect", "float", "Estimate / standard deviation of the changes", "1", "STDEFF"),
        Column(
            "loo_max_shift",
            "float",
            "Largest shift of the estimate when one subject is left out",
            alias="LOOSHIFT",
        ),
        Column("loo_p_max", "float", "Largest p when one subject is left out", "1", "LOOPMAX"),
        Column("min_attainable_p", "float", "Smallest p the test could give with these numbers", "1", "PMIN"),
        _FLAGS,
        Column("engine_version", "str", "Version of immunoprofile", alias="ENGVER"),
        Column("inputs_sha256", "str", "SHA-256 of the change and response rows used", alias="INSHA"),
    ),
    ("analysis_id", "pop_id", "denom_id", "contrast"),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        POPULATIONS,
        SAMPLES_QC,
        GATES_RESOLVED,
        FAILURES,
        RESPONSE,
        RESPONSE_COUNTS,
        CHANGE,
        ASSOCIATION,
    )
}
