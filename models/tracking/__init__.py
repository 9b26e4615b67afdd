"""The family tracking: landmarks of a face over time -> 52 units, and corrections to the head's pose and the gaze."""
