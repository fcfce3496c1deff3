"""What travels inside a link: envelope, session stream, channel secrets. Pure."""
