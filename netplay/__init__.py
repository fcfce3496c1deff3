"""Composition root: command line, configuration, logs, lifecycle."""
