"""The numbers that drive the simulated cohort, each with where it comes from.

Baselines and spreads are those of adults with immune thrombocytopenia as far as published values allow;
effects are assumptions, never findings: no published table gives subset changes by response for this
treatment. What is marked [A] was chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass

INFUSION_DAYS = (0, 7, 14, 21)
"""Weekly, four times (Chen Y et al. 2024, doi 10.1038/s41392-024-01793-5, abstract)."""

DOSES = (0.5, 1.0, 2.0)
"""10^6 cells per kg body weight, same source."""

# Of 18 subjects: 3 at 0.5, 3 at 1.0, 12 at 2.0; 8 responders, none at 0.5 and two at 1.0 (same source).
SHARE_PER_LOWER_DOSE = 3 / 18
SHARE_RESPONDERS = 8 / 18
SHARE_RESPONDERS_MIDDLE_DOSE = 2 / 3
SHARE_COMPLETE = 3 / 8  # [A]; the split is not published

# History [A]: 13 of 18 had rituximab, a quarter of those are still without B cells; 10 of 18 splenectomised.
SHARE_RITUXIMAB = 13 / 18
SHARE_RITUXIMAB_DEPLETED = 1 / 4
SHARE_SPLENECTOMY = 10 / 18
SHARE_TPO_RA = 0.8
SHARE_STEROIDS = 0.4

SHARE_RESCUE_NON_RESPONDERS = 0.4  # [A]
SHARE_RESCUE_RESPONDERS = 0.1  # [A], after loss of response only: rescue before response makes a non-responder
SHARE_SPIKE = 0.15  # [A] non-responders with one isolated count at response level


@dataclass(frozen=True, slots=True)
class Part:
    """One sibling in a split of cells: its baseline share, its spreads and its change under treatment.

    `share` is relative to the siblings (they are normalised to 1). `between` and `within` are SDs of the
    log share relative to the siblings, between subjects and between visits of one. `responder` and `other`
    are the ratio to baseline of the odds against the siblings at the peak of the effect.
    """

    name: str
    share: float
    between: float
    within: float
    responder: float = 1.0
    other: float = 1.0


# Shares in % of lymphocytes, within adult reference ranges (PMC321350 table 3; Finak G et al. 2016, doi
# 10.1038/srep20686); spreads between and within subjects are log-SDs [A].
LYMPHOCYTES = (
    Part("cd4", 36.0, 0.14, 0.05, responder=1.15),
    Part("cd8", 30.0, 0.18, 0.06),
    Part("t_dn", 2.0, 0.30, 0.10),
    Part("b", 15.0, 0.35, 0.13),
    Part("nk", 13.0, 0.40, 0.20),
    Part("lymph_other", 2.0, 0.20, 0.10),
)

# Regulatory T cells (CD25hi CD127low) 4.0 % of CD4+ cells: published 2.2-7.9 % for Han Chinese adults (PMC7397677). The
# ratio 1.50 against 1.08 is the assumption that the demonstration rests on.
CD4 = (
    Part("conventional", 96.0, 0.0, 0.0),
    Part("treg", 4.0, 0.35, 0.13, responder=1.50, other=1.08),
)
TREG = (
    Part("treg_naive", 30.0, 0.25, 0.10),
    Part("treg_cm", 42.0, 0.10, 0.05),
    Part("treg_em", 28.0, 0.10, 0.05),
)
# Naive, central, effector memory and TEMRA near the HIPC means (Finak 2016) [A for the spreads].
CONVENTIONAL = (
    Part("cd4_naive", 40.0, 0.25, 0.07),
    Part("cd4_cm", 32.0, 0.15, 0.07),
    Part("cd4_em", 25.0, 0.25, 0.08),
    Part("cd4_temra", 3.0, 0.50, 0.12),
)
CD8 = (
    Part("cd8_naive", 40.0, 0.30, 0.07),
    Part("cd8_memory", 60.0, 0.20, 0.07),
)
B = (
    Part("b_naive", 62.0, 0.15, 0.06),
    Part("b_switched", 16.0, 0.40, 0.10),
    Part("b_unswitched", 10.0, 0.45, 0.12),
    Part("b_dn", 6.0, 0.40, 0.15),
    Part("transitional", 3.1, 0.72, 0.25, responder=1.60, other=1.05),
    Part("plasmablast", 1.0, 0.80, 0.45, responder=0.70),
)
# Events of a file: lysed blood, stored with a live gate on low side scatter, so most granulocytes are gone
# [A].
TUBE = (
    Part("lymphocytes", 72.0, 0.05, 0.04),
    Part("monocyte", 11.0, 0.20, 0.10),
    Part("granulocyte", 6.0, 0.30, 0.20),
    Part("debris", 5.0, 0.30, 0.20),
    Part("dead", 3.0, 0.25, 0.25),
    Part("doublet", 3.0, 0.15, 0.15),
)

SPLITS: tuple[tuple[str, tuple[Part, ...]], ...] = (
    ("", TUBE),
    ("lymphocytes", LYMPHOCYTES),
    ("cd4", CD4),
    ("treg", TREG),
    ("conventional", CONVENTIONAL),
    ("cd8", CD8),
    ("b", B),
)
"""The tree of cells: the part that is split and its siblings; each stands after the split that holds it."""

N_PARTS = sum(len(parts) for _, parts in SPLITS)

DEPLETED_B_SHARE = 0.35
"""B share of lymphocytes, same scale as `LYMPHOCYTES`, after rituximab: below 1 % of lymphocytes [A]."""

TREG_HETEROGENEITY = 0.20
"""SD between subjects of the log ratio of regulatory T cells at the peak of the effect [A]."""

LINK = 0.5
"""Correlation of that heterogeneity with the height of a responder's platelet rise [A]."""

EFFECT_DAYS = (0, 14, 28, 56, 84, 112, 196)
EFFECT_SHAPE = (0.0, 0.5, 0.9, 1.0, 0.85, 0.7, 0.4)
"""Share of the peak effect reached on each day; straight lines between; nothing before day 0 [A]."""

MARKER_SHIFT_SUBJECT = 0.06
MARKER_SHIFT_RUN = 0.03
"""SD of the log brightness of each marker between subjects, and between runs of one [A]."""

LYMPH_ABS_MEDIAN, LYMPH_ABS_BETWEEN, LYMPH_ABS_WITHIN = 1.7, 0.30, 0.15
"""Lymphocytes, 10^9/L, and log-SDs [A]."""
LYMPH_OF_WBC = 0.27
"""Lymphocytes as a share of leukocytes in blood [A]."""

# Platelets, 10^9/L. Baseline median 9, range 1-29: inclusion asked for < 30 and bleeding.
BASELINE_MEDIAN, BASELINE_LOG_SD, BASELINE_RANGE = 9.0, 0.55, (2.0, 26.0)
ONSET_MEDIAN, ONSET_LOG_SD = 12.5, 0.30
"""Days from first infusion to response: median 12 d, 7-17 d (13 published patients, PMC10091587 table 1)."""
PEAK_R, PEAK_CR, PEAK_LOG_SD = 68.0, 128.0, 0.18
NOISE_LOG10_SD = 0.15
"""Day-to-day SD of a count [A]."""
LOSS_PER_DAY, LOSS_NOT_BEFORE = 0.0046, 28
"""Hazard of loss, so that about half still respond at week 28, and days after onset without it [A]."""
NON_RESPONDER_MEDIAN = 10.0
RESCUE_DECAY_DAYS = {"platelet_transfusion": 3.0, "ivig": 10.0}
FOLLOW_UP_DAYS = 112
"""Weekly counts at least until here: a response of day 84 can still be confirmed."""
CENSOR_BELOW = 10
"""The lower limit of the analyser whose count is reported as ``<10``."""
