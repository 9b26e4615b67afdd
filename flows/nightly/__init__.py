"""The nightly run: params, plan, tasks, failures, history, and the publication of results."""
