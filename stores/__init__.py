"""Backends of the store ports in `hub.ports`."""
