/* global document, fetch, performance, AbortSignal, setInterval, clearInterval, requestAnimationFrame,
   getComputedStyle, devicePixelRatio, addEventListener, matchMedia */
import {
  emptyBoard,
  explain,
  laneState,
  latencyQuantile,
  readAnswer,
  record,
  share,
  windowSize,
} from './board.js';

/** Requests under way at once; a slow upstream must not make this page a flood. */
const maxInFlight = 12;
const requestTimeoutMs = 5000;

const byId = (id) => document.getElementById(id);
const lanesList = byId('lanes');
const rows = new Map();
let board = emptyBoard();
let inFlight = 0;
let timer;
let drawing = false;
let turns = 0;
/** Answers to requests from before "Start over" belong to the board that is gone. */
let round = 0;

async function ask() {
  const started = performance.now();
  const elapsed = () => performance.now() - started;
  let response;
  try {
    response = await fetch('/api/whoami', {
      cache: 'no-store',
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const body = await response.json().catch(() => undefined);
    return readAnswer(response.status, body, elapsed());
  } catch (error) {
    const reason = error.name === 'TimeoutError' ? 'slow' : 'unreachable';
    return { kind: 'failure', reason, status: 0, detail: '', latencyMs: elapsed() };
  }
}

async function tick() {
  if (inFlight >= maxInFlight || document.hidden) return;
  const asked = round;
  inFlight += 1;
  const outcome = await ask();
  inFlight -= 1;
  if (asked !== round) return;
  const before = board;
  board = record(board, outcome);
  announceChanges(before);
  redraw();
}

function start() {
  clearInterval(timer);
  const rate = Number(document.querySelector('input[name=rate]:checked').value);
  timer = setInterval(tick, 1000 / rate);
  byId('toggle').textContent = 'Pause';
  document.body.dataset.mode = 'running';
}

function pause() {
  clearInterval(timer);
  timer = undefined;
  byId('toggle').textContent = 'Go on';
  document.body.dataset.mode = 'paused';
}

function announceChanges(before) {
  for (const lane of board.lanes) {
    const old = before.lanes.find(({ instance }) => instance === lane.instance);
    const state = laneState(board, lane);
    if (old === undefined && before.seq > 0) say(`${lane.instance} answers for the first time`);
    else if (old !== undefined && state === 'quiet' && laneState(before, old) !== 'quiet') {
      say(`${lane.instance} has stopped answering`);
    }
  }
}

function say(text) {
  byId('announcements').textContent = text;
}

function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawFigures();
    drawTrouble();
    drawTimeline();
    drawLanes();
    turnBridge();
  });
}

function drawFigures() {
  const answering = board.lanes.filter((lane) => laneState(board, lane) !== 'quiet').length;
  byId('figure-answers').textContent = board.answers.toLocaleString('en');
  byId('figure-failures').textContent = board.failures.toLocaleString('en');
  byId('failures-tile').classList.toggle('bad', board.failures > 0);
  byId('figure-instances').textContent = String(answering);
  const [median, slow] = [latencyQuantile(board, 0.5), latencyQuantile(board, 0.95)];
  byId('figure-latency').textContent =
    median === undefined ? '–' : `${median.toFixed(1)} / ${slow.toFixed(1)} ms`;
}

function drawTrouble() {
  const box = byId('trouble');
  box.hidden = board.trouble === undefined;
  if (board.trouble === undefined) return;
  const { title, detail, attempt } = explain(board.trouble);
  setText(byId('trouble-title'), title);
  setText(byId('trouble-detail'), detail);
  setText(byId('trouble-try'), attempt);
}

/** Only on a change, so that a screen reader isn't told the same again and again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const palette = (index) => `var(--hue-${index % 10})`;

function resolved(element, name) {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

/** Fits the canvas to its box and the screen's pixels. Returns its context, in CSS pixels. */
function surface(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  const context = canvas.getContext('2d');
  context.scale(devicePixelRatio, devicePixelRatio);
  return { context, width, height };
}

function drawTimeline() {
  const { context, width, height } = surface(byId('timeline'));
  const slot = width / windowSize;
  const colors = Array.from({ length: 10 }, (_, i) => resolved(document.body, `--hue-${i}`));
  const failed = resolved(document.body, '--bad');
  const slowest = Math.max(4, ...board.recent.map((bar) => bar.latencyMs));
  board.recent.forEach((bar, i) => {
    const x = width - (board.recent.length - i) * slot;
    const part = Math.log1p(bar.latencyMs) / Math.log1p(slowest);
    const tall = bar.color < 0 ? height : Math.max(4, part * height);
    context.fillStyle = bar.color < 0 ? failed : colors[bar.color % 10];
    context.fillRect(x, height - tall, Math.max(1, slot - 1.5), tall);
  });
}

function drawLanes() {
  byId('no-lanes').hidden = board.lanes.length > 0;
  const alive = board.lanes.filter((lane) => laneState(board, lane) !== 'quiet').length;
  for (const [instance, row] of rows) {
    if (!board.lanes.some((lane) => lane.instance === instance)) {
      row.item.remove();
      rows.delete(instance);
    }
  }
  for (const lane of board.lanes) drawLane(lane, alive);
}

function drawLane(lane, alive) {
  const row = rows.get(lane.instance) ?? addRow(lane);
  const state = laneState(board, lane);
  const part = share(board, lane);
  row.item.dataset.state = state;
  row.state.textContent = state === 'quiet' ? 'no longer answers' : state === 'new' ? 'new' : '';
  row.where.textContent = `port ${lane.port} · pid ${lane.pid}`;
  row.count.textContent = lane.count.toLocaleString('en');
  row.share.textContent = `${Math.round(part * 100)} %`;
  row.latency.textContent = `${lane.latencyMs.toFixed(1)} ms`;
  row.bar.style.setProperty('--part', String(part));
  row.bar.style.setProperty('--even', String(alive > 0 ? 1 / alive : 0));
  drawTrack(row.track, lane, state);
}

/** One dot for each of this lane's answers, at its place in the window: taking turns makes an even comb. */
function drawTrack(canvas, lane, state) {
  const { context, width, height } = surface(canvas);
  const slot = width / windowSize;
  context.fillStyle = resolved(canvas, state === 'quiet' ? '--muted' : '--lane-dot');
  for (const bar of board.recent) {
    if (bar.instance !== lane.instance) continue;
    const x = width - (board.seq - bar.seq + 0.5) * slot;
    context.beginPath();
    context.arc(x, height / 2, Math.max(1.5, Math.min(4, slot / 2)), 0, 2 * Math.PI);
    context.fill();
  }
}

function addRow(lane) {
  const item = document.createElement('li');
  const part = (tag, className, parent = item) => {
    const element = document.createElement(tag);
    element.className = className;
    parent.append(element);
    return element;
  };
  const name = part('div', 'lane-name');
  const title = part('strong', '', name);
  title.textContent = lane.instance;
  title.title = `${lane.service} ${lane.instance}`;
  const row = {
    item,
    state: part('span', 'lane-state', name),
    where: part('span', 'lane-where', name),
    track: part('canvas', 'lane-track'),
    bar: part('div', 'lane-bar'),
    share: part('span', 'lane-share'),
    count: part('span', 'lane-count'),
    latency: part('span', 'lane-latency'),
  };
  row.track.setAttribute('aria-hidden', 'true');
  row.bar.setAttribute('aria-hidden', 'true');
  item.style.setProperty('--lane', palette(lane.color));
  item.style.setProperty('--lane-dot', resolved(document.body, `--hue-${lane.color % 10}`));
  lanesList.append(item);
  rows.set(lane.instance, row);
  return row;
}

/** The turntable in the corner turns, always forward, to the lane that answered last. */
function turnBridge() {
  const last = board.recent.at(-1)?.instance;
  const index = board.lanes.findIndex((lane) => lane.instance === last);
  if (index < 0) return;
  const target = index / Math.max(1, board.lanes.length);
  const forward = (((target - turns) % 1) + 1) % 1;
  turns += forward;
  byId('bridge').style.transform = `rotate(${turns}turn)`;
}

function repaint() {
  for (const lane of board.lanes) {
    const dot = resolved(document.body, `--hue-${lane.color % 10}`);
    rows.get(lane.instance)?.item.style.setProperty('--lane-dot', dot);
  }
  redraw();
}

byId('toggle').addEventListener('click', () => (timer === undefined ? start() : pause()));
byId('rates').addEventListener('change', start);
byId('reset').addEventListener('click', () => {
  round += 1;
  board = emptyBoard();
  redraw();
});
addEventListener('resize', redraw);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
start();
redraw();
