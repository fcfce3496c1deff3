"""Simulated networks: a link model and a world in virtual time. Pure."""
