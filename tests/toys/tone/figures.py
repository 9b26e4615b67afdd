"""Figures of the toy family."""

from models.components.figures import MetricLabel

FIGURES = {"accuracy": MetricLabel("accuracy")}
PARTS: dict[str, str] = {}
