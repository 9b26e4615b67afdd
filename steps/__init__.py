"""One file a DVC stage, its name the stage's: params in, files out, nothing decided.

May import every room but flows. Prefect may not enter.
"""
