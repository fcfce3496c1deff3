"""Worlds in step: clock, inputs, prediction, interpolation. Pure."""
