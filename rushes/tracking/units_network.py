"""Network of the family tracking: landmarks of a face over time -> 52 units, and corrected angles of head and eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field

from rushes.bundle.manifest import BundleError
from rushes.inference.session import open_graph, run_graph
from rushes.tracking.face import UNITS, HeadPose

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.bundle.manifest import Bundle

INPUTS, OUTPUTS = ("landmarks", "angles", "state"), ("units", "corrected", "next_state")
ANGLES = 7  # yaw, pitch and roll of the head; yaw and pitch of the left eye, then of the right one


class UnitsInput(BaseModel):
    """`input` of the manifest: number of landmarks, and width of the recurrent state."""

    landmarks: int = Field(gt=0)
    state: int = Field(gt=0)


@dataclass(frozen=True)
class Reading:
    """Units, head and gaze that the network reads in a frame.

    Attributes:
        units: Weights in the order of UNITS, float32 (52,), 0 to 1.
        head: The head with corrected angles.
        gaze_deg: Corrected, float32 (2, 2).
        state_1h: State for the next frame of this face.
    """

    units: np.ndarray
    head: HeadPose
    gaze_deg: np.ndarray
    state_1h: np.ndarray


class UnitsNetwork:
    """The network, ready to run. Each face has a state of its own, which the caller keeps.

    Args:
        graph: The graph.
        given: Its input, as the manifest has it.

    Raises:
        BundleError: The graph is another one.
    """

    def __init__(self, graph: Path, given: UnitsInput) -> None:
        self._graph, self._session, self._given = graph, open_graph(graph), given
        names = {one.name for one in self._session.get_inputs()}, {one.name for one in self._session.get_outputs()}
        if names != (set(INPUTS), set(OUTPUTS)):
            message = f"{graph} takes {', '.join(sorted(names[0]))} and gives {', '.join(sorted(names[1]))}, "
            raise BundleError(message + f"not {', '.join(INPUTS)} and {', '.join(OUTPUTS)}")
        outputs = self._run(np.zeros((given.landmarks, 3), np.float32), np.zeros(ANGLES), self.start())
        wanted = [(1, len(UNITS)), (1, ANGLES), (1, given.state)]
        if [output.shape for output in outputs] != wanted:
            shapes = ", ".join(str(output.shape[1:]) for output in outputs)
            message = f"{graph} gives {shapes}, not {len(UNITS)} units, {ANGLES} angles and a state of {given.state}"
            raise BundleError(message)

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> UnitsNetwork:
        """Opens the network of a bundle.

        Raises:
            BundleError: The manifest has no valid input, or other units, or does not match the graph.
        """
        if tuple(bundle.manifest.settings.get("units", ())) != UNITS:
            message = f"{bundle.folder}: the units of the manifest are not those of this version: update rushes"
            raise BundleError(message)
        return cls(bundle.path("graph"), bundle.input_as(UnitsInput))

    def start(self) -> np.ndarray:
        """State of a face that was not seen before."""
        return np.zeros((1, self._given.state), np.float32)

    def read(self, landmarks_px: np.ndarray, head: HeadPose, gaze_deg: np.ndarray, state_1h: np.ndarray) -> Reading:
        """Reads a frame.

        Args:
            landmarks_px: float32 (478, 3), not smoothed.
            head: As fitted to them.
            gaze_deg: Yaw and pitch of the left and the right eye, (2, 2), as fitted to them.
            state_1h: State after the frame before.
        """
        fitted_a = np.array([head.yaw_deg, head.pitch_deg, head.roll_deg, *gaze_deg.ravel()])
        units_1u, angles_1a, state_1h = self._run(landmarks_px, fitted_a, state_1h)
        if not np.isfinite(state_1h).all():  # it would stay so for as long as the face is tracked
            state_1h = self.start()
        yaw_deg, pitch_deg, roll_deg = (float(angle) for angle in angles_1a[0, :3])
        corrected = HeadPose(yaw_deg, pitch_deg, roll_deg, head.translation_m)
        return Reading(units_1u[0], corrected, angles_1a[0, 3:].reshape(2, 2), state_1h)

    def _run(self, landmarks_p3: np.ndarray, angles_a: np.ndarray, state_1h: np.ndarray) -> list[np.ndarray]:
        feed = {
            "landmarks": landmarks_p3[None].astype(np.float32),
            "angles": angles_a[None].astype(np.float32),
            "state": state_1h,
        }
        return [np.asarray(output) for output in run_graph(self._session, OUTPUTS, feed, self._graph)]
