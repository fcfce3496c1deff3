"""The domain: channels, agents, sessions, access, and the ports that links and stores fill."""
