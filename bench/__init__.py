"""Scenarios that measure, each beside a baseline in the same run."""
