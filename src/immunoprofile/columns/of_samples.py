"""Tables about samples: populations, intensities, checks, gates, failures."""

from __future__ import annotations

from immunoprofile.columns.definition import DENOM_ID, FLAGS, POP_ID, SAMPLE, STUDY, SUBJECT, VISIT, Column, Table

POPULATIONS = Table(
    "populations",
    "Counts, denominators and fractions: one row a sample, population and denominator",
    (
        STUDY,
        SAMPLE,
        SUBJECT,
        VISIT,
        Column("day", "int", "Day of the draw since the first infusion (day 0)", "d", "DAY"),
        Column("panel", "str", "Panel as named in samples.csv", alias="PANEL"),
        POP_ID,
        Column("pop_path", "str", "Names of the gates from below the root, joined by '/'", alias="POPPATH"),
        Column("pop_label", "str", "Name for people", alias="POPLBL"),
        Column("cl_id", "str", "Cell Ontology id", alias="CLID"),
        Column("name_hipc", "str", "HIPC standard name", alias="HIPC"),
        DENOM_ID,
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
        FLAGS,
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
    "Laboratory checks: one row a sample, rule and item",
    (
        SAMPLE,
        Column("rule_id", "str", "Rule", alias="RULEID"),
        # In the key: one rule may judge several populations, channels or other samples of one sample.
        Column("item", "str", "What of the sample was judged; empty for all of it", alias="ITEM"),
        Column("value", "float", "What was measured", alias="VALUE"),
        Column("threshold", "float", "The limit that was crossed, or the nearest one that would be", alias="THRESH"),
        Column("level", "str", "pass, info, warn or fail", alias="LEVEL"),
        Column("flag", "str", "Code; empty when passed. The rule says on which populations it is put", alias="FLAG"),
        Column("detail", "str", "What it means, in words", alias="DETAIL"),
    ),
    ("sample_id", "rule_id", "item"),
)

CHECKS_UNANSWERED = Table(
    "checks_unanswered",
    "Laboratory checks that could not be made: one row a sample and rule",
    (
        SAMPLE,
        Column("rule_id", "str", "Rule", alias="RULEID"),
        Column("reason", "str", "Why the sample cannot answer", alias="REASON"),
    ),
    ("sample_id", "rule_id"),
)

CONTROL_SHIFTS = Table(
    "control_shifts",
    "A subject's shift beside the bridging control's between the same runs: one row a later sample and fraction",
    (
        SAMPLE,
        Column("from_sample_id", "str", "The subject's first sample of this panel", alias="FROMID"),
        SUBJECT,
        POP_ID,
        DENOM_ID,
        Column("batch_from", "str", "Run of the first sample", alias="BATCHFR"),
        Column("batch_to", "str", "Run of the later sample", alias="BATCHTO"),
        Column("log_ratio", "float", "ln of the subject's later fraction over the first", "1", "LOGRAT"),
        Column("control_log_ratio", "float", "The same of the bridging controls of the two runs", "1", "CTLRAT"),
        Column("expected_sd", "float", "SD of control_log_ratio from counting alone", "1", "CTLSD"),
    ),
    ("sample_id", "pop_id", "denom_id"),
)

INTENSITIES = Table(
    "intensities",
    "Fluorescence of populations: one row a sample, population and marker",
    (
        SAMPLE,
        POP_ID,
        Column("marker", "str", "Marker as the template names it", alias="MARKER"),
        Column("detector", "str", "Detector ($PnN) that it was read from", alias="DETECTOR"),
        Column("n_events", "int", "Events of the population with a number for this marker", "events", "NEVENTS"),
        Column("n_nonpositive", "int", "Events of n_events with a value of 0 or below", "events", "NNONPOS"),
        Column("median_fi", "float", "Median fluorescence, exact (mean of the middle two)", "linear", "MEDFI"),
        Column("mean_fi", "float", "Mean fluorescence", "linear", "MEANFI"),
        Column("geomean_fi", "float", "Geometric mean; NA where a value is 0 or below", "linear", "GEOFI"),
        Column(
            "cv_robust",
            "float",
            "Half the distance from the 15.87th to the 84.13th percentile / median; NA where the median is <= 0",
            "1",
            "RCV",
        ),
        Column("scale", "str", "compensated or uncompensated; linear in both cases", alias="SCALE"),
        Column("fmo_sample_id", "str", "FMO control of this marker that it is compared with", alias="FMOID"),
        Column("delta_median_fi", "float", "median_fi minus that of the FMO control", "linear", "DELTAFI"),
        Column(
            "ratio_median_fi", "float", "median_fi / that of the FMO control; NA where that is <= 0", "1", "RATIOFI"
        ),
        FLAGS,
    ),
    ("sample_id", "pop_id", "marker"),
)

SAMPLE_STATES = Table(
    "sample_states",
    "Treatments before a draw that change what its sample can say: one row a sample and state",
    (
        SAMPLE,
        Column("state_id", "str", "State: its id in the list of treatment states", alias="STATEID"),
        Column("kind", "str", "Kind of treatment, as in the treatments sheet", alias="KIND"),
        Column("days_since", "int", "Days from its last day to the draw; 0 while it goes on", "d", "DAYSINCE"),
        Column("effect", "str", "flag: rows are marked; invalidate: they are not evaluable", alias="EFFECT"),
        Column("flag", "str", "Code on the rows concerned", alias="FLAG"),
        Column("meaning", "str", "What it means, in words", alias="MEANING"),
        Column("source", "str", "Who says so", alias="SOURCE"),
    ),
    ("sample_id", "state_id"),
)

GATES_RESOLVED = Table(
    "gates_resolved",
    "Every gate as applied to every sample",
    (
        SAMPLE,
        POP_ID,
        Column("pop_path", "str", "Path of the gate", alias="POPPATH"),
        Column("kind", "str", "rectangle, polygon, ellipsoid, quadrant or boolean", alias="KIND"),
        Column("geometry", "str", "The gate's geometry in scaled coordinates, canonical JSON", alias="GEOM"),
        Column("origin", "str", "template, auto, fallback, override or frozen", alias="ORIGIN"),
        Column(
            "reason",
            "str",
            "Where it is not the template: how the gate was found, in whom, or why it was not",
            alias="REASON",
        ),
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
