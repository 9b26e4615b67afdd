"""Keys of params.yaml that have been renamed, by their paths (see common.renamed_keys).

A row stays for as long as a params.yaml, a recorded run or a saved Prefect form may still have the old key. No new
param may take an old name.
"""

from __future__ import annotations

RENAMED_PARAMS = {
    "collections.*.clean.min_bright": "collections.*.clean.min_p95_brightness",
    "collections.*.clean.max_dark": "collections.*.clean.max_p5_brightness",
    "collections.*.clean.max_outlier": "collections.*.clean.max_outlier_z",
    "collections.*.shots.cut": "collections.*.shots.min_cut_ratio",
    "collections.*.shots.every_s": "collections.*.shots.sample_every_s",
    "collections.*.shots.most": "collections.*.shots.max_frames",
    "collections.*.frames.min_ground": "collections.*.frames.min_plain_share",
    "collections.*.script.min_characters": "collections.*.script.min_speakers",
    "collections.*.script.min_signs": "collections.*.script.min_text_length",
    "collections.*.script.near_works": "collections.*.script.near_document_overlap",
    "collections.*.script.near_scenes": "collections.*.script.near_scene_overlap",
    "collections.*.looks": "collections.*.style_clusters",
    "expression.augment.extra": "expression.augment.min_growth",
    "expression.augment.max_unlabelled": "expression.augment.max_unlabelled_ratio",
    "expression.compress.prune.rate": "expression.compress.prune.learning_rate_share",
    "expression.compress.quantisation_aware.rate": "expression.compress.quantisation_aware.learning_rate_share",
    "scene.train.places_px": "scene.train.noise_px",
    "scene.train.final_rate": "scene.train.final_learning_rate_share",
    "script.augment.vocabulary": "script.augment.max_vocabulary",
    "script.augment.left_out": "script.augment.control_dropout",
    "script.augment.places": "script.augment.completed_heading_share",
    "script.train.steps": "script.train.sequence_length",
    "script.train.final_rate": "script.train.final_learning_rate_share",
}
