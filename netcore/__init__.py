"""The protocol: bytes, keys, sequence. No clock, no socket, but for `aio.py`."""
