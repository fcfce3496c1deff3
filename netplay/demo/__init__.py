"""`netplay demo`: bots play a match over an impaired link, on real sockets or on a virtual clock."""

from netplay.demo.options import DemoOptions
from netplay.demo.run import run

__all__ = ["DemoOptions", "run"]
