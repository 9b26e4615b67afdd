"""How scenes are scored: features of images, and distances between sets of them."""
