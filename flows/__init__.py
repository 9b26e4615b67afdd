"""Orchestration with Prefect, used only here: when runs start, what follows what, what happens on failure.

May import every package. The content of a step belongs in steps, never here.
"""
