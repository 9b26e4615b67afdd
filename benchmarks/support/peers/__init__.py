"""Networks of others that ours are compared with."""
