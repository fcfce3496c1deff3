"""The tick loop and rooms, and one folder for each game's pure rules."""
