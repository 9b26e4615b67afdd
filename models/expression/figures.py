"""Display names of the expression family's figures."""

from models.components.figures import Figure

FIGURES = {
    "macro_f1": Figure("macro F1"),
    "f1": Figure("F1"),
    "ece": Figure("calibration error", less_is_better=True),
    "nll": Figure("log loss", less_is_better=True),
}
PARTS: dict[str, str] = {}
