"""Display names of the scene family's figures; a name includes the network that computes the figure."""

from models.components.figures import MetricLabel

FIGURES = {
    "distance": MetricLabel("distance", less_is_better=True),
    "neg_kid_efficientnet_lite0": MetricLabel("\u2212KID (EfficientNet-lite0)"),
    "kid_efficientnet_lite0": MetricLabel("KID (EfficientNet-lite0)", less_is_better=True),
    "frechet_efficientnet_lite0": MetricLabel("Fr\u00e9chet distance (EfficientNet-lite0)", less_is_better=True),
    "generator_loss": MetricLabel("generator loss", less_is_better=True),
    "critic_loss": MetricLabel("critic loss", less_is_better=True),
    "nearest_ratio": MetricLabel("nearest training picture, over the usual"),
    "originality": MetricLabel("originality, no near copies"),
    "distinct": MetricLabel("distinct, without a twin"),
    "diversity": MetricLabel("diversity, of real pictures'"),
    "conditional_accuracy": MetricLabel("drawn as the category asked for"),
    "real_accuracy": MetricLabel("the same of real pictures, the ceiling"),
    "finite": MetricLabel("finite, no picture of one colour"),
    "psnr_db": MetricLabel("compressed, signal to noise in dB"),
}
PARTS = {
    "inside": "drawings among the real",
    "covered": "real ones covered",
    "original": "drawings that are not copies",
    "fits": "drawings that fit their category",
}
