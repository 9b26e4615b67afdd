"""Reasons to drop a sample that several media share, and how a sample is marked with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.store.consent import WITHHELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

# Reasons of several media, in the order of the checks, and the param that loosens each; a medium puts its own between.
FIRST = dict.fromkeys((*WITHHELD, "unreadable"), "max_dropped_share")
PICTURE = {
    "too small": "min_size_px",
    "too narrow": "max_aspect",
    "constant": "min_contrast",
    "underexposed": "min_p95_brightness",
    "overexposed": "max_p5_brightness",
    "blurred": "min_sharpness",
    "conflicting labels": "min_agreement",
    "exact duplicate": "max_dropped_share",
    "near duplicate": "near_correlation",  # copies whose hashes are equal stay copies at any near_distance
    "outlier": "max_outlier_z",
}


def below_collection(reasons: Mapping[str, str]) -> dict[str, str]:
    """Paths below the collection of the params that loosen checks: those of the section `clean` come without it."""
    return {reason: param if "." in param else f"clean.{param}" for reason, param in reasons.items()}


def mark(table: pd.DataFrame, hit: pd.Series, reason: str, why: pd.Series | str, param: pd.Series | str = "") -> None:
    """Gives a reason to the samples that fail a check and have none yet.

    Args:
        table: With the columns reason and why; the column `param` is added on first use.
        hit: Samples that fail.
        reason: One of the medium's reasons.
        why: The reason as a text with figures.
        param: The path below the collection of the param that would keep the sample, such as `script.min_cues`, where
            a reason has several; by default that of the medium's reasons. Several are parted by
            blanks.
    """
    rows = table.index[hit.to_numpy(bool) & (table["reason"] == "").to_numpy()]
    table.loc[rows, "reason"] = reason
    table.loc[rows, "why"] = why if isinstance(why, str) else why.loc[rows]
    if "param" not in table:
        table["param"] = ""
    table.loc[rows, "param"] = param if isinstance(param, str) else param.loc[rows]


SHELTER = ("test", "validation", "train")  # splits in the order in which they keep a copy


UNNAMED = "no category"
