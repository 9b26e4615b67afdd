"""Columns of a take's frames in a packed set: what is seen of the face, and what is known about it.

A set of takes has float32 T,WIDTH in place of images: the frames of all takes of an array, one after another; `offset`
and `length` of a sample are in frames. Angles have the signs of `rushes.tracking.face.HeadPose`.
"""

from __future__ import annotations

import numpy as np

from curation.store.packing import THUMBNAILS
from rushes.tracking.face import LANDMARKS, UNITS

PICTURES = THUMBNAILS[0]  # of each take, one from each sixth of it
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


def middles_of(frames: int) -> np.ndarray:
    """Middles of the sixths of a take of so many frames, in frames."""
    return np.asarray((np.arange(PICTURES) + 0.5) * frames / PICTURES)


def pictured_frames(has_face_t: np.ndarray, frames: int) -> list[int | None]:
    """Frames that the pictures of a take show: of each sixth the one with a face that is nearest to its middle.

    Args:
        has_face_t: Whether there is a face in each frame that was decoded.
        frames: Number of frames that the file names; the sixths are of these.

    Returns:
        Number of each frame, from 0; None where a sixth has no frames, and the picture is black.
    """
    off_tk = np.abs(np.arange(len(has_face_t))[:, None] - middles_of(frames))
    sixth_t, best_first = off_tk.argmin(1), np.lexsort([off_tk.min(1), ~has_face_t])
    return [next((int(number) for number in best_first if sixth_t[number] == place), None) for place in range(PICTURES)]
