"""Display names of the expression family's figures."""

from models.components.figures import MetricLabel

FIGURES = {
    "macro_f1": MetricLabel("macro F1"),
    "f1": MetricLabel("F1"),
    "ece": MetricLabel("calibration error", less_is_better=True),
    "nll": MetricLabel("log loss", less_is_better=True),
}
PARTS: dict[str, str] = {}
