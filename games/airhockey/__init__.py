"""Air Hockey: pure rules, wire format, the player's view, and a bot. docs/protocol/games/air-hockey.md."""
