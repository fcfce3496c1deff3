"""Simulated networks: a link model and a world in virtual time. Pure.

* `simnet.link`: `LinkModel` and its parameters, `LinkProfile`
* `simnet.loss`: `GilbertElliott` and the loss processes
* `simnet.presets`: named paths, from a LAN to a bad phone network
* `simnet.trace`: `FateTrace`, what became of each datagram, recorded and played back
* `simnet.world`: `World`, nodes and links on one virtual clock
* `simnet.eventlog`: what happened in a world, and its digest
* `simnet.chance`: seeded randomness
"""
