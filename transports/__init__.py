"""How bytes move: each module hands out links of one transport."""
