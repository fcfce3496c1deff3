"""Tests, one folder for each package, one file for each module."""
