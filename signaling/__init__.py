"""The HTTP API that ties agents to channels."""
