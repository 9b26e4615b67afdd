"""The reasons to leave a sample out, in the order of the checks, and how a sample is marked with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.store.consent import WITHHELD

if TYPE_CHECKING:
    import pandas as pd

# Every reason to drop a sample, in the order of the checks, and the param that loosens it, where the check itself does
# not name another (see `mark`).
REASONS = {
    **dict.fromkeys(WITHHELD, "max_dropped_share"),
    "unreadable": "max_dropped_share",
    "black": "frames.max_black",
    "title card": "frames.min_letters",
    "frozen": "frames.min_motion",
    "transition": "frames.max_fade_residual",
    "too small": "min_size_px",
    "too narrow": "max_aspect",
    "constant": "min_contrast",
    "underexposed": "min_bright",
    "overexposed": "max_dark",
    "blurred": "min_sharpness",
    "conflicting labels": "min_agreement",
    "broken lines": "script.max_broken_lines",
    "no script": "script.min_cues",
    "undecodable": "max_dropped_share",
    "mixed encodings": "max_dropped_share",
    "too short": "script.min_signs",
    "exact duplicate": "max_dropped_share",
    "another draft": "script.near_works",
    "near duplicate": "near_correlation",  # copies whose hashes are equal stay copies at any near_distance
    "outlier": "max_outlier",
    "no train sample": "max_dropped_share",
}


def mark(table: pd.DataFrame, hit: pd.Series, reason: str, why: pd.Series | str, param: pd.Series | str = "") -> None:
    """Gives a reason to the samples that are hit and have none yet.

    Args:
        table: With reason and why; the column `param` comes with the first that is named.
        hit: Which samples.
        reason: One of REASONS.
        why: The same in words and figures.
        param: The path below the collection of the param that would keep the sample, such as `script.min_cues`, where
            a reason has several; by default the one of REASONS. Where it takes several, they are parted by blanks.
    """
    rows = table.index[hit.to_numpy(bool) & (table["reason"] == "").to_numpy()]
    table.loc[rows, "reason"] = reason
    table.loc[rows, "why"] = why if isinstance(why, str) else why.loc[rows]
    if "param" not in table:
        table["param"] = ""
    table.loc[rows, "param"] = param if isinstance(param, str) else param.loc[rows]


SHELTER = ("test", "validation", "train")  # who keeps its copy, first to last


UNNAMED = "no category"
