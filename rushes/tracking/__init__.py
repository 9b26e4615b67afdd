"""Face tracking at run time: what is known of each actor's face in each frame."""
