"""The inbox: what has arrived, whether it has stopped growing, and how it is taken in."""
