"""The protocol documents as code: a second reading of docs/protocol, for `scripts/verify_spec.py` alone.

Nothing here imports any of the project's packages. Each module names the document that it was written from; where
a vector disagrees with it, either the document or the implementation is wrong.
"""
