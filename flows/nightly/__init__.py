"""The nightly run: params, plan, tasks, failures, history, and what is published of it."""
