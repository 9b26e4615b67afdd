"""Display names of the scene family's figures; a name includes the network that computes the figure."""

from models.components.figures import Figure

FIGURES = {
    "distance": Figure("distance", less_is_better=True),
    "neg_kid_efficientnet_lite0": Figure("\u2212KID (EfficientNet-lite0)"),
    "kid_efficientnet_lite0": Figure("KID (EfficientNet-lite0)", less_is_better=True),
    "frechet_efficientnet_lite0": Figure("Fr\u00e9chet distance (EfficientNet-lite0)", less_is_better=True),
    "generator_loss": Figure("generator loss", less_is_better=True),
    "critic_loss": Figure("critic loss", less_is_better=True),
    "nearest_ratio": Figure("nearest training picture, over the usual"),
    "originality": Figure("originality, no near copies"),
    "distinct": Figure("distinct, without a twin"),
    "diversity": Figure("diversity, of real pictures'"),
    "conditional_accuracy": Figure("drawn as the category asked for"),
    "real_accuracy": Figure("the same of real pictures, the ceiling"),
    "finite": Figure("finite, no picture of one colour"),
    "psnr_db": Figure("compressed, signal to noise in dB"),
}
PARTS = {
    "inside": "drawings among the real",
    "covered": "real ones covered",
    "original": "drawings that are not copies",
    "fits": "drawings that fit their category",
}
