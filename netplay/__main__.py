"""`python -m netplay`: the same as the command `netplay`."""

from __future__ import annotations

from netplay.cli import main

if __name__ == "__main__":
    main()
