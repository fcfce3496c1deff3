"""Python SDK: join a channel, send and receive over the best transport there is."""
