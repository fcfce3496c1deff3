"""A player's view of a match: predicts the own paddle and the puck nearby, interpolates the rest.

Corrections are blended away and counted. Sans-I/O: snapshots in, input messages out; time is monotonic
seconds. docs/protocol/games/air-hockey.md, section "Client".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import hypot
from typing import Final

from games.airhockey import rules, table, wire
from games.airhockey.bot import Point, Sight
from games.airhockey.game import encode_decision
from games.airhockey.rules import MatchOptions
from games.airhockey.spacing import Target
from games.airhockey.state import MatchState, Phase, team_of
from games.beat import ServerBeat
from games.messages import SnapshotFrame
from statesync.blend import ErrorBlend
from statesync.inputs import InputSender
from statesync.interpolate import InterpolationBuffer
from statesync.pace import TickPacer
from statesync.predict import Predictor

TICK_S: Final = 1.0 / table.TICK_HZ
HANDOVER_S: Final = 0.12
"""How long the shown puck takes to glide between its interpolated and its predicted place."""
PREDICTED_BELOW_Y: Final = 0.05
"""The puck is shown where it is predicted while it is below this line of the own frame."""
GUESSED_RTT_S: Final = 0.05
"""Until a round trip is measured; the reported slack corrects it."""
SETTLE_SNAPSHOTS: Final = 8
"""Heard before the first tick is played: the first snapshot alone may be a late one, and tell a late beat."""
MAX_AHEAD_TICKS: Final = 120
"""So far beyond the newest snapshot the view plays on; then it waits for the server."""
MAX_AGES: Final = 36_000


@dataclass(slots=True)
class ViewStats:
    """What a view has counted."""

    snapshots: int = 0
    lost: int = 0
    """Ticks of which no snapshot came, or came too late to be of use."""
    stale: int = 0
    malformed: int = 0
    paddle_corrections: int = 0
    """Ticks at which the server had the own paddle elsewhere than predicted."""
    puck_corrections: int = 0
    """Ticks at which the puck was predicted in the own half and was elsewhere."""
    largest_correction_m: float = 0.0
    inputs: int = 0
    stalled: int = 0
    """Ticks not played because the server was not heard for too long."""
    ages_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_AGES))
    """At each tick played: how old the newest snapshot's state was, on the server's beat."""

    @property
    def corrections(self) -> int:
        """All that could be seen."""
        return self.paddle_corrections + self.puck_corrections


@dataclass(frozen=True, slots=True)
class Scene:
    """What to draw, own goal at the bottom."""

    paddles: tuple[Point, ...]
    """By seat: the own where it is predicted, the others a little in the past."""
    puck: Point
    puck_velocity: Point
    phase: Phase
    phase_ticks: int
    score: tuple[int, int]
    """Own goals first."""


class _Others:
    """What is interpolated: the puck and the paddles as the server had them. Table frame."""

    __slots__ = ("paddles", "puck", "velocity")

    def __init__(self, puck: Point, velocity: Point, paddles: tuple[Point, ...]) -> None:
        self.puck = puck
        self.velocity = velocity
        self.paddles = paddles


class PlayerView:
    """One seat's view of one match."""

    __slots__ = (
        "_beat",
        "_beside",
        "_blend_paddle",
        "_blend_puck",
        "_heard",
        "_others",
        "_own_share",
        "_own_share_at",
        "_pacer",
        "_paddle_error_m",
        "_predictor",
        "_puck_error_m",
        "_sender",
        "_turn",
        "match",
        "options",
        "paused",
        "seat",
        "state",
        "stats",
    )

    def __init__(self, *, seat: int, match: int, options: MatchOptions) -> None:
        """`match` is its number in the room; a new match needs a new view."""
        self.seat = seat
        self.match = match
        self.options = options
        self.stats = ViewStats()
        self.state: MatchState | None = None
        """The newest state that the server sent."""
        self.paused = False
        """The match stands still: nothing is played until a snapshot comes after `resume`."""
        self._turn = 1.0 if team_of(seat) == 0 else -1.0
        self._sender = InputSender(wire.INPUT_BYTES)
        self._others: InterpolationBuffer[_Others] = InterpolationBuffer(_mix, TICK_S)
        self._beside: _Others | None = None
        self._listen()
        self._predictor: Predictor[MatchState, Target | None] | None = None
        self._blend_paddle: ErrorBlend[Point, Point] = ErrorBlend(_minus, _plus)
        self._blend_puck: ErrorBlend[Point, Point] = ErrorBlend(_minus, _plus)
        self._own_share = 0.0
        self._own_share_at: float | None = None
        self._paddle_error_m = 0.0
        self._puck_error_m = 0.0

    # In

    def pause(self) -> None:
        """The match was paused, or goes on after a pause: when its ticks come is to be learnt anew.

        What was predicted and sent stays good: the server plays it when the match goes on.
        """
        self.paused = True
        self._heard = 0

    def receive_snapshot(self, frame: SnapshotFrame, now: float) -> None:
        """Take a snapshot. One of no use is counted and forgotten."""
        if frame.match != self.match & 0xFF or len(frame.seats) != self.options.players:
            self.stats.malformed += 1
            return
        newest = self.state.tick if self.state is not None else frame.tick - 1
        if frame.tick <= newest:
            self.stats.stale += 1
            return
        try:
            state = wire.decode_snapshot(frame.state, frame.tick)
        except wire.WireError:
            self.stats.malformed += 1
            return
        if len(state.paddles) != self.options.players:
            self.stats.malformed += 1
            return
        if self.paused:
            self.paused = False
            self._listen()
        self.stats.snapshots += 1
        self.stats.lost += frame.tick - newest - 1
        report = frame.seats[self.seat]
        self._sender.confirm(report.last_input_tick)
        if report.input_slack is not None:
            self._pacer.slack(report.input_slack, now)
        self._heard += 1
        self._beat.hear(frame.tick, now)
        self._interpolate(state, now)
        self._reconcile(state, now)
        self.state = state

    # Out

    def advance(self, now: float, rtt_s: float | None, decide: Callable[[Sight], Point]) -> bytes | None:
        """Play the ticks that are due, each with what `decide` asks for. Returns the message to send.

        Call it at `next_tick`. `rtt_s` is the link's round trip where known. None: nothing is to be sent.
        """
        predictor = self._predictor
        if predictor is None or self._heard < SETTLE_SNAPSHOTS or self.state is None or self.state.is_over:
            return None
        rtt_s = GUESSED_RTT_S if rtt_s is None else rtt_s
        self._pacer.target(self._beat.server_tick(now, rtt_s / 2), rtt_s, self._beat.jitter_s, now)
        played = False
        for tick in self._pacer.advance(now):
            if tick > self.state.tick + MAX_AHEAD_TICKS:
                self.stats.stalled += 1
            elif tick > predictor.tick:
                self._play(predictor, tick, now, decide)
                played = True
        if not played:
            return None
        self.stats.ages_s.append(self._beat.server_tick(now, rtt_s / 2) * TICK_S - self.state.tick * TICK_S)
        self.stats.inputs += 1
        return bytes((self.match & 0xFF,)) + self._sender.message()

    def next_tick(self, now: float) -> float:
        """When the next own tick is due."""
        if self.state is None:
            return now + TICK_S
        into = self._pacer.position % 1.0
        return now + max((1.0 - into) * TICK_S / self._pacer.speed, 0.001)

    # Shown

    def sight(self, now: float) -> Sight:
        """What the player sees at `now`, for a brain. Only after the first snapshot."""
        predictor = self._predictor
        assert predictor is not None
        scene = self.scene(now)
        return Sight(
            tick=predictor.tick,
            playing=predictor.state.phase == Phase.PLAY,
            puck=scene.puck,
            puck_velocity=scene.puck_velocity,
            own=self._turned(predictor.state.paddle(self.seat)),
            place=self.seat // 2,
            team=scene.paddles[team_of(self.seat) :: 2],
        )

    def scene(self, now: float) -> Scene:
        """What to draw at `now`. Only after the first snapshot."""
        predictor = self._predictor
        assert predictor is not None and self.state is not None
        ours = predictor.state
        theirs = self._others.sample(now)
        assert theirs is not None
        share = self._share(ours, now)
        puck = self._blend_puck.show((ours.puck_x, ours.puck_y), now)
        velocity = (ours.puck_vx, ours.puck_vy) if share >= 0.5 else theirs.velocity
        score = (self.state.score0, self.state.score1)
        paddles = [self._turned(paddle) for paddle in theirs.paddles]
        paddles[self.seat] = self._turned(self._blend_paddle.show(ours.paddle(self.seat), now))
        return Scene(
            paddles=tuple(paddles),
            puck=self._turned(_between(theirs.puck, puck, share)),
            puck_velocity=self._turned(velocity),
            phase=Phase(ours.phase),
            phase_ticks=ours.phase_ticks,
            score=score if team_of(self.seat) == 0 else (score[1], score[0]),
        )

    @property
    def added_delay_s(self) -> float:
        """How far in the past the rest of the table is shown."""
        return self._others.added_delay_s

    # Inside

    def _listen(self) -> None:
        """Learn when ticks come: at the start, and after a pause."""
        self._heard = 0
        self._beat = ServerBeat(table.TICK_HZ)
        self._pacer = TickPacer(table.TICK_HZ)
        self._others.reset()

    def _play(
        self,
        predictor: Predictor[MatchState, Target | None],
        tick: int,
        now: float,
        decide: Callable[[Sight], Point],
    ) -> None:
        while predictor.tick < tick - 1:  # a leap of the pace: the server had no input for these ticks either
            predictor.advance(None)
        data = encode_decision(decide(self.sight(now)), self.seat)
        predictor.advance(wire.decode_input(data))
        self._sender.push(tick, data)

    def _reconcile(self, state: MatchState, now: float) -> None:
        if self._predictor is None:
            self._predictor = Predictor(self._step, self._agree, state.tick, state)
            return
        before = self._predictor.state
        self._paddle_error_m = self._puck_error_m = 0.0
        if not self._predictor.reconcile(state.tick, state):
            return
        after = self._predictor.state
        stats = self.stats
        stats.largest_correction_m = max(stats.largest_correction_m, self._paddle_error_m, self._puck_error_m)
        if self._paddle_error_m > 0.0:
            stats.paddle_corrections += 1
        if self._puck_error_m > 0.0:
            stats.puck_corrections += 1
        self._blend_paddle.corrected(before.paddle(self.seat), after.paddle(self.seat), now)
        self._blend_puck.corrected((before.puck_x, before.puck_y), (after.puck_x, after.puck_y), now)

    def _step(self, state: MatchState, target: Target | None) -> MatchState:
        """The rules; the other paddles, whose inputs are not known, stand."""
        targets: list[Target | None] = [None] * self.options.players
        targets[self.seat] = target
        return rules.step(state, targets, self.options)

    def _agree(self, predicted: MatchState, actual: MatchState) -> bool:
        """Compare bit for bit, and note how far off what the player sees was."""
        own, true = predicted.paddle(self.seat), actual.paddle(self.seat)
        self._paddle_error_m = hypot(own[0] - true[0], own[1] - true[1])
        if predicted.puck_y * self._turn < 0.0 and predicted.phase == actual.phase == Phase.PLAY:
            self._puck_error_m = hypot(predicted.puck_x - actual.puck_x, predicted.puck_y - actual.puck_y)
        return predicted == actual

    def _interpolate(self, state: MatchState, now: float) -> None:
        beside = _Others((state.puck_x, state.puck_y), (state.puck_vx, state.puck_vy), state.paddles)
        teleport = False
        if self.state is not None and self._beside is not None:
            reach = table.PUCK_MAX_SPEED * (state.tick - self.state.tick) * TICK_S * 1.5
            teleport = hypot(*_minus(beside.puck, self._beside.puck)) > reach + table.CONTACT
        self._others.push(state.tick * TICK_S, beside, now, teleport=teleport)
        self._beside = beside

    def _share(self, ours: MatchState, now: float) -> float:
        """How much of the shown puck is the predicted one: glides to 1 in the own half, to 0 in the other."""
        wanted = 1.0 if ours.puck_y * self._turn < PREDICTED_BELOW_Y else 0.0
        elapsed = 0.0 if self._own_share_at is None else max(0.0, now - self._own_share_at)
        self._own_share_at = now
        most = elapsed / HANDOVER_S
        self._own_share += max(-most, min(most, wanted - self._own_share))
        return self._own_share

    def _turned(self, point: Point) -> Point:
        return self._turn * point[0], self._turn * point[1]


def _minus(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1]


def _plus(point: Point, error: Point, share: float) -> Point:
    return point[0] + error[0] * share, point[1] + error[1] * share


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _mix(a: _Others, b: _Others, share: float) -> _Others:
    puck = _between(a.puck, b.puck, share)
    if share > 1.0:  # beyond the newest state: not through the walls
        puck = (
            max(-table.PUCK_X, min(table.PUCK_X, puck[0])),
            max(-table.HALF_LENGTH, min(table.HALF_LENGTH, puck[1])),
        )
    paddles = tuple(_between(one, other, share) for one, other in zip(a.paddles, b.paddles, strict=True))
    return _Others(puck, b.velocity, paddles)
