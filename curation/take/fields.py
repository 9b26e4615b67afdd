"""Columns of a take's frames in a packed set: what is seen of the face, and what is known about it.

A set of takes has float32 T,WIDTH in place of images: the frames of all takes of an array, one after another; `offset`
and `length` of a sample are in frames. Angles have the signs of `rushes.tracking.face.HeadPose`.
"""

from __future__ import annotations

from rushes.tracking.face import UNITS

LANDMARKS = 478
SIZES = {
    "time_s": 1,
    "presence": 1,  # of a face, 0 to 1; 0 in frames without one, whose other columns are NaN
    "landmarks_px": 3 * LANDMARKS,  # as MediaPipe's network gives them, not smoothed
    "network_units": len(UNITS),  # those of MediaPipe's own network, from these landmarks
    "fitted_head_deg": 3,  # yaw, pitch and roll, from the landmarks by a closed form
    "fitted_gaze_deg": 4,  # yaw and pitch of the left eye, then of the right eye, likewise
    "units": len(UNITS),  # the truth; NaN where it is not known, as the rest
    "head_deg": 3,
    "gaze_deg": 4,
}
_STARTS = dict(zip(SIZES, [sum(list(SIZES.values())[:n]) for n in range(len(SIZES))], strict=True))
FIELDS = {name: slice(_STARTS[name], _STARTS[name] + size) for name, size in SIZES.items()}
WIDTH = sum(SIZES.values())
