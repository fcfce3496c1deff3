// Air Hockey's step, written from docs/protocol/games/air-hockey.md alone, run over the shared vectors.
//
//     node tests/conformance/air_hockey.mjs docs/protocol/vectors/air-hockey.json
//
// Prints one line; exits 1 where a state differs by one bit. Section numbers are the document's.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const GOAL_HALF = 0.1875;
const PUCK_RADIUS = 0.0390625;
const CONTACT = 0.1015625;
const PUCK_X = 0.4609375;
const PUCK_Y = 0.9609375;
const PADDLE_X = 0.4375;
const PADDLE_NEAR = 0.0625;
const PADDLE_FAR = 0.9375;
const PUCK_MAX = 3.5;
const WALL = 0.875;
const BOUNCE = 1.75;
const DRAG = 0.9990234375;
const SERVE_SPEED = 0.75;
const SERVE_SPREAD = 0.5;
const SUBSTEPS = 6;
const H = 1.0 / 360;
const REACH = 4.0 / 60;
const PAUSE = 60;
const POSSESSION = 420;
const SUDDEN_DEATH = 3600;
const PUCK_GRID = 1048576.0;
const PADDLE_GRID = 16384.0;
const SPACE = 0.125;
const TOUCHING = (SPACE - 1.0 / 1024.0) * (SPACE - 1.0 / 1024.0);
const MAX_SCORE = 99;
const PINNED = (CONTACT - 1.0 / 1048576.0) * (CONTACT - 1.0 / 1048576.0);

const teamOf = (seat) => seat % 2;

const PLAY = 1;
const GOAL = 2;
const OVER = 3;
const HIT = [1, 2, 512, 1024, 2048, 4096];
const WALL_HIT = 4;
const POST_HIT = 8;

// 9. Snapshot
function parseSnapshot(hex, tick) {
  const b = Buffer.from(hex, "hex");
  return {
    tick,
    phase: b[0] & 3,
    receiver: (b[0] >> 2) & 1,
    winner: ((b[0] >> 3) & 3) - 1,
    reason: b[0] >> 5,
    phaseTicks: b[1],
    score: [b[2], b[3]],
    possession: b.readUInt16BE(4),
    random: b.readUInt32BE(6),
    happened: b.readUInt16BE(10),
    x: b.readInt32BE(12) / PUCK_GRID,
    y: b.readInt32BE(16) / PUCK_GRID,
    vx: b.readInt32BE(20) / PUCK_GRID,
    vy: b.readInt32BE(24) / PUCK_GRID,
    paddles: Array.from({ length: (b.length - 28) / 4 }, (_, seat) => ({
      x: b.readInt16BE(28 + 4 * seat) / PADDLE_GRID,
      y: b.readInt16BE(30 + 4 * seat) / PADDLE_GRID,
    })),
  };
}

// 3. Canonical bytes
function canonical(s) {
  const b = Buffer.alloc(52 + 16 * s.paddles.length);
  b.writeUInt32BE(s.tick, 0);
  b[4] = s.phase;
  b.writeUInt16BE(s.phaseTicks, 5);
  b[7] = s.score[0];
  b[8] = s.score[1];
  b[9] = s.receiver;
  b.writeUInt16BE(s.possession, 10);
  b.writeUInt32BE(s.random, 12);
  b.writeUInt16BE(s.happened, 16);
  b.writeInt8(s.winner, 18);
  b[19] = s.reason;
  const reals = [s.x, s.y, s.vx, s.vy, ...s.paddles.flatMap((paddle) => [paddle.x, paddle.y])];
  reals.forEach((value, place) => b.writeDoubleBE(value, 20 + 8 * place));
  return b;
}

const hash = (s) => createHash("sha256").update(canonical(s)).digest("hex");

// 4. Input
function parseInput(bytes, at) {
  const x = bytes.readInt16BE(at);
  return x === -32768 ? null : { x, y: bytes.readInt16BE(at + 2) };
}

const clamp = (value, low, high) => (value > high ? high : value < low ? low : value);
const clampX = (value) => clamp(value, -PADDLE_X, PADDLE_X);
const clampY = (value, seat) =>
  teamOf(seat) === 0 ? clamp(value, -PADDLE_FAR, -PADDLE_NEAR) : clamp(value, PADDLE_NEAR, PADDLE_FAR);

function draw(s) {
  s.random = (s.random * 48271) % 2147483647;
  return s.random;
}

// 5. Step
function step(before, inputs, options) {
  const s = { ...before, score: [...before.score], paddles: before.paddles.map((p) => ({ ...p })) };
  s.tick += 1;
  s.happened = 0;
  if (s.phase === OVER) return s;
  const moves = s.paddles.map((paddle, seat) => move(paddle, inputs[seat], seat));
  s.paddles.forEach((_, seat) => (moves[seat] = space(s.paddles, moves, seat)));
  if (s.phase === PLAY) play(s, moves, options);
  else pause(s, moves);
  for (const name of ["x", "y", "vx", "vy"]) s[name] = Math.floor(s[name] * PUCK_GRID + 0.5) / PUCK_GRID;
  for (const p of s.paddles) {
    p.x = Math.floor(p.x * PADDLE_GRID + 0.5) / PADDLE_GRID;
    p.y = Math.floor(p.y * PADDLE_GRID + 0.5) / PADDLE_GRID;
  }
  const late = s.tick - 60 * options.time_limit_s;
  if (late >= 0 && s.phase !== OVER) {
    if (s.score[0] !== s.score[1]) end(s, s.score[0] > s.score[1] ? 0 : 1, 2);
    else if (late >= SUDDEN_DEATH) end(s, -1, 2);
  }
  return s;
}

function move(paddle, target, seat) {
  if (target === null) return { x: 0, y: 0 };
  const x = clampX(target.x / PADDLE_GRID) - paddle.x;
  const y = clampY(target.y / PADDLE_GRID, seat) - paddle.y;
  return shorten(x, y);
}

function shorten(x, y) {
  const length = x * x + y * y;
  if (length <= REACH * REACH) return { x, y };
  const scale = REACH / Math.sqrt(length);
  return { x: x * scale, y: y * scale };
}

// 6. Teammates
function space(paddles, moves, seat) {
  let { x: dx, y: dy } = moves[seat];
  if (dx === 0 && dy === 0) return moves[seat];
  const p = paddles[seat];
  const places = [];
  for (let mate = teamOf(seat); mate < paddles.length; mate += 2) {
    if (mate === seat) continue;
    const q = paddles[mate];
    places.push(q);
    if (mate < seat) places.push({ x: q.x + moves[mate].x, y: q.y + moves[mate].y });
  }
  if (places.length === 0) return moves[seat];
  for (const q of places) {
    const ox = p.x + dx - q.x;
    const oy = p.y + dy - q.y;
    const after = ox * ox + oy * oy;
    if (after >= SPACE * SPACE) continue;
    const before = square(p, q);
    if (after >= before) continue;
    if (before < TOUCHING || after === 0) return { x: 0, y: 0 };
    const scale = SPACE / Math.sqrt(after);
    dx = clampX(q.x + ox * scale) - p.x;
    dy = clampY(q.y + oy * scale, seat) - p.y;
  }
  const m = shorten(dx, dy);
  for (const q of places) {
    const ox = p.x + m.x - q.x;
    const oy = p.y + m.y - q.y;
    const after = ox * ox + oy * oy;
    if (after < TOUCHING && after < square(p, q)) return { x: 0, y: 0 };
  }
  return m;
}

function pause(s, moves) {
  s.paddles.forEach((paddle, seat) => {
    paddle.x += moves[seat].x;
    paddle.y += moves[seat].y;
  });
  s.phaseTicks -= 1;
  if (s.phaseTicks === 0) serve(s);
}

function serve(s) {
  s.phase = PLAY;
  s.phaseTicks = 0;
  s.possession = 0;
  s.x = s.y = 0;
  s.vx = (draw(s) / 1073741823.5 - 1.0) * SERVE_SPREAD;
  s.vy = s.receiver === 0 ? -SERVE_SPEED : SERVE_SPEED;
  s.happened += 16;
}

function end(s, winner, reason) {
  s.phase = OVER;
  s.phaseTicks = 0;
  s.vx = s.vy = 0;
  s.winner = winner;
  s.reason = reason;
  s.happened |= 256;
}

function play(s, moves, options) {
  const half = s.y < 0;
  const scorer = substeps(s, moves);
  if (scorer !== -1) {
    goal(s, scorer, options);
    return;
  }
  s.vx = s.vx * DRAG;
  s.vy = s.vy * DRAG;
  if (s.y < 0 !== half) {
    s.possession = 0;
    return;
  }
  s.possession += 1;
  if (s.possession === POSSESSION) {
    s.receiver = half ? 1 : 0;
    s.happened += 128;
    serve(s);
  }
}

// 7. Substeps
function substeps(s, moves) {
  const steps = moves.map((m) => ({ x: m.x / SUBSTEPS, y: m.y / SUBSTEPS }));
  for (let n = 0; n < SUBSTEPS; n++) {
    s.x = s.x + s.vx * H;
    s.y = s.y + s.vy * H;
    s.paddles.forEach((paddle, seat) => {
      paddle.x = paddle.x + steps[seat].x;
      paddle.y = paddle.y + steps[seat].y;
    });
    if (s.x > PUCK_X || s.x < -PUCK_X || s.y > PUCK_Y || s.y < -PUCK_Y) contain(s);
    if (s.paddles.some((paddle) => square(s, paddle) < CONTACT * CONTACT)) {
      const seats = s.paddles.map((_, seat) => seat);
      const last = s.y < 0 ? 0 : 1;
      for (const seat of [...seats.filter((n) => teamOf(n) !== last), ...seats.filter((n) => teamOf(n) === last)])
        collide(s, seat, steps[seat]);
      for (const seat of seats) {
        if (square(s, s.paddles[seat]) >= PINNED) continue;
        yieldTo(s, seat);
        steps[seat] = { x: 0, y: 0 };
      }
    }
    if (s.y >= 1) return 0;
    if (s.y <= -1) return 1;
  }
  return -1;
}

const square = (s, paddle) => (s.x - paddle.x) * (s.x - paddle.x) + (s.y - paddle.y) * (s.y - paddle.y);

function contain(s) {
  if (s.x > PUCK_X) {
    s.x = PUCK_X;
    if (s.vx > 0) bounceX(s);
  } else if (s.x < -PUCK_X) {
    s.x = -PUCK_X;
    if (s.vx < 0) bounceX(s);
  }
  if (-PUCK_Y <= s.y && s.y <= PUCK_Y) return;
  if (-GOAL_HALF < s.x && s.x < GOAL_HALF) {
    post(s);
  } else if (s.y > 0) {
    s.y = PUCK_Y;
    if (s.vy > 0) bounceY(s);
  } else {
    s.y = -PUCK_Y;
    if (s.vy < 0) bounceY(s);
  }
}

function bounceX(s) {
  s.vx = -s.vx * WALL;
  s.happened |= WALL_HIT;
}

function bounceY(s) {
  s.vy = -s.vy * WALL;
  s.happened |= WALL_HIT;
}

function post(s) {
  const qx = s.x - (s.x > 0 ? GOAL_HALF : -GOAL_HALF);
  const qy = s.y - (s.y > 0 ? 1 : -1);
  const squared = qx * qx + qy * qy;
  if (squared >= PUCK_RADIUS * PUCK_RADIUS || s.y >= 1 || s.y <= -1) return;
  const distance = Math.sqrt(squared);
  const nx = qx / distance;
  const ny = qy / distance;
  s.x = s.x + nx * (PUCK_RADIUS - distance);
  s.y = s.y + ny * (PUCK_RADIUS - distance);
  const towards = s.vx * nx + s.vy * ny;
  if (towards >= 0) return;
  const push = (1.0 + WALL) * towards;
  s.vx = s.vx - push * nx;
  s.vy = s.vy - push * ny;
  s.happened |= POST_HIT;
}

function collide(s, seat, own) {
  const paddle = s.paddles[seat];
  const qx = s.x - paddle.x;
  const qy = s.y - paddle.y;
  const squared = qx * qx + qy * qy;
  if (squared >= CONTACT * CONTACT) return;
  const distance = Math.sqrt(squared);
  const nx = squared === 0 ? 0 : qx / distance;
  const ny = squared === 0 ? (teamOf(seat) === 0 ? 1 : -1) : qy / distance;
  s.x = s.x + nx * (CONTACT - distance);
  s.y = s.y + ny * (CONTACT - distance);
  const towards = (s.vx - own.x / H) * nx + (s.vy - own.y / H) * ny;
  if (towards < 0) {
    const push = BOUNCE * towards;
    s.vx = s.vx - push * nx;
    s.vy = s.vy - push * ny;
    const speed = s.vx * s.vx + s.vy * s.vy;
    if (speed > PUCK_MAX * PUCK_MAX) {
      const scale = PUCK_MAX / Math.sqrt(speed);
      s.vx = s.vx * scale;
      s.vy = s.vy * scale;
    }
    s.happened |= HIT[seat];
  }
  contain(s);
}

function yieldTo(s, seat) {
  const paddle = s.paddles[seat];
  const qx = paddle.x - s.x;
  const qy = paddle.y - s.y;
  const squared = qx * qx + qy * qy;
  if (squared === 0) return;
  const scale = CONTACT / Math.sqrt(squared);
  paddle.x = clampX(s.x + qx * scale);
  paddle.y = clampY(s.y + qy * scale, seat);
}

// 8. Goal
function goal(s, scorer, options) {
  if (s.score[scorer] < MAX_SCORE) s.score[scorer] += 1;
  s.happened += scorer === 0 ? 32 : 64;
  s.vx = s.vy = 0;
  s.y = scorer === 0 ? 1 : -1;
  s.receiver = 1 - scorer;
  s.possession = 0;
  if (options.win_score > 0 && s.score[scorer] >= options.win_score) {
    end(s, scorer, 1);
  } else if (s.tick > 60 * options.time_limit_s) {
    end(s, scorer, 3);
  } else {
    s.phase = GOAL;
    s.phaseTicks = PAUSE;
  }
}

// The vectors

let checks = 0;
let ticks = 0;

function check(holds, what) {
  checks += 1;
  if (holds) return;
  console.error(`differs: ${what}`);
  process.exit(1);
}

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const vector of vectors.snapshots) {
  const state = parseSnapshot(vector.hex, vector.tick);
  check(canonical(state).toString("hex") === vector.canonical, `snapshot of tick ${vector.tick}`);
  check(hash(state) === vector.hash, `hash of tick ${vector.tick}`);
}
for (const vector of vectors.steps) {
  let state = parseSnapshot(vector.start.snapshot, vector.start.tick);
  const tracks = vector.inputs.map((track) => Buffer.from(track, "hex"));
  const wanted = new Map(vector.checkpoints.map((checkpoint) => [checkpoint.tick, checkpoint.hash]));
  for (let at = 0; at < tracks[0].length; at += 4) {
    state = step(state, tracks.map((track) => parseInput(track, at)), vector);
    ticks += 1;
    if (wanted.has(state.tick)) check(hash(state) === wanted.get(state.tick), `${vector.name}, tick ${state.tick}`);
  }
}
console.log(`${checks} checks, ${ticks} ticks: the same bits`);
