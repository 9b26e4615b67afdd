"""Figures of the tracking family, as people read them."""

from models.components.figures import MetricLabel

FIGURES = {
    "mean_r": MetricLabel("mean correlation of the units"),
    "least_r": MetricLabel("correlation of the worst unit"),
    "units_below_03": MetricLabel("units with a correlation below 0.3", less_is_better=True),
    "network_mean_r": MetricLabel("the same of MediaPipe's own units"),
    "yaw_error_deg": MetricLabel("error of the head's yaw, degrees", less_is_better=True),
    "pitch_error_deg": MetricLabel("error of the head's pitch, degrees", less_is_better=True),
    "roll_error_deg": MetricLabel("error of the head's roll, degrees", less_is_better=True),
    "gaze_error_deg": MetricLabel("error of the gaze, degrees", less_is_better=True),
    "fitted_pitch_error_deg": MetricLabel("the pitch's without correction, degrees", less_is_better=True),
    "fitted_gaze_error_deg": MetricLabel("the gaze's without correction, degrees", less_is_better=True),
    "jitter_ratio": MetricLabel("jitter over that of MediaPipe's own units", less_is_better=True),
    "compressed_r": MetricLabel("compressed, correlation with the trained network"),
}
PARTS: dict[str, str] = {}
