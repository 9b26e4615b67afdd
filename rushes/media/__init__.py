"""Reading films and images: upright, in square pixels, progressive, in SDR."""
