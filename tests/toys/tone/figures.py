"""Figures of the toy family."""

from models.components.figures import Figure

FIGURES = {"accuracy": Figure("accuracy")}
PARTS: dict[str, str] = {}
