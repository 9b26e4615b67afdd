"""The tracking family, ready to run: units, head and gaze of the actors in the frames of a camera or film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rushes.faces.face_search import open_finder
from rushes.tracking.head_pose import FOV_DEG
from rushes.tracking.landmarks import open_landmarks
from rushes.tracking.one_euro import LIVE
from rushes.tracking.tracker import FaceTracker
from rushes.tracking.units_network import UnitsNetwork

if TYPE_CHECKING:
    from rushes.bundle.manifest import Bundle
    from rushes.faces.places import Place
    from rushes.inference.tflite_network import Backend
    from rushes.tracking.one_euro import Smoothing


class TrackingModel:
    """Reads the 52 units of a face from its landmarks.

    Attributes:
        bundle: The verified files of the model, with manifest, certificate and digest.
        network: The network, which can be given to any `FaceTracker`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.network = UnitsNetwork.from_bundle(bundle)

    def tracker(
        self,
        *,
        actors: int = 1,
        fov_deg: float = FOV_DEG,
        smoothing: Smoothing | None = LIVE,
        backend: Backend | Literal["auto"] = "auto",
    ) -> FaceTracker[Place]:
        """Creates a tracker for one film or camera, with the networks of this bundle.

        >>> import cv2, rushes
        >>> tracker = rushes.load("tracking").tracker()
        >>> faces = tracker.track(cv2.imread("face.jpg"), time_s=0.0)
        >>> len(faces[0].units)
        52

        Args:
            actors: Maximum number of faces.
            fov_deg: Vertical field of view of the camera.
            smoothing: Parameters of the filter; None for the values of each frame alone.
            backend: Library that runs the landmark network; `auto` for the fastest one on this machine.

        Raises:
            MisuseError: The library of the backend is not installed.
        """
        landmarks = open_landmarks(self.bundle, backend)
        return FaceTracker(
            open_finder(self.bundle),
            landmarks,
            actors=actors,
            fov_deg=fov_deg,
            smoothing=smoothing,
            units=self.network,
        )


def open_model(bundle: Bundle) -> TrackingModel:
    """Opens the model of a bundle.

    Raises:
        BundleError: The manifest or the graph is not one of this family.
    """
    return TrackingModel(bundle)
