// The page: a canvas with the video and its boxes, a timeline, and a WebSocket.
// Boxes are [x, y, w, h] in image pixels; frames count from 0 (people see them from 1).

const $ = (id) => document.getElementById(id);
const view = $('view'), timeline = $('timeline');
const COLORS = ['#3db7ff', '#ff6a45', '#00d68f', '#ee7fdc', '#ffe14d', '#a78bfa', '#ff9f1c', '#5eead4'];
const STATES = ['', 'tracked', 'uncertain', 'lost'];
const WORDS = { uncertain: 'unsure', lost: 'lost' };
const CACHED_FRAMES = 60, PREFETCH = 4, HANDLE = 5, MIN_SIDE = 2, MAX_LABEL = 24;

let session = sessionStorage.getItem('session');
let socket, retries = 0;
let offer = {};
let video = null;           // {name, width, height, times, growing, version}
const targets = new Map();  // number -> Track
let chosen = null;          // the number of the chosen target
let frame = 0;              // the frame that is asked for
let shown = null;           // {frame, image}: the picture that is on the stage
let running = false, following = false, playing = false;
let mode = 'select';        // 'select'; 'new', 'redraw': the next drag draws a box
let pending = null;         // {target, box}: a box that is being drawn or moved
let chooseNext = false;     // the next new target is the person's own
const zoom = { scale: 1, x: 0, y: 0 };

// What is known of one target in each frame.
class Track {
  constructor(name) { this.name = name; this.clear(0); }
  clear(length) {
    this.boxes = new Float32Array(4 * length);
    this.confidence = new Float32Array(length);
    this.state = new Uint8Array(length);   // a place in STATES; 0: nothing known
    this.person = new Uint8Array(length);
  }
  grow(length) {
    if (length <= this.state.length) return;
    const old = this, size = Math.max(length, 2 * this.state.length);
    const { boxes, confidence, state, person } = old;
    this.clear(size);
    this.boxes.set(boxes); this.confidence.set(confidence); this.state.set(state); this.person.set(person);
  }
  put([, at, x, y, w, h, confidence, state, person]) {
    this.grow(at + 1);
    this.boxes.set([x, y, w, h], 4 * at);
    this.confidence[at] = confidence;
    this.state[at] = STATES.indexOf(state.toLowerCase());
    this.person[at] = person ? 1 : 0;
  }
  box(at) { return this.state[at] ? [...this.boxes.subarray(4 * at, 4 * at + 4)] : null; }
}

const color = (number) => COLORS[(number - 1) % COLORS.length];
const length = () => video ? video.times.length : 0;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// The connection ------------------------------------------------------------------------

function connect() {
  socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/socket`);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => socket.send(JSON.stringify({ session }));
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') { const message = JSON.parse(data); handlers[message.type](message); } else showTracked(data);
  };
  socket.onclose = ({ code, reason }) => {
    setRunning(false);
    if (code === 4001) return say('This work was opened in another window.', true);
    if (code === 1013 || code === 1008) return say(reason || 'The server refused the connection.', true);
    if (retries++ === 1) say('The connection to the server is lost; trying again.');
    setTimeout(connect, Math.min(500 * retries, 5000));
  };
}

function send(type, fields = {}) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type, ...fields }));
  else say('There is no connection to the server just now.');
}

const handlers = {
  welcome(message) {
    const lost = retries > 0 && video && message.session !== session;
    if (retries > 1) say('Connected again.', false, true);
    retries = 0;
    offer = message;
    session = message.session;
    sessionStorage.setItem('session', session);
    if (lost) { closeVideo(); say('The server has forgotten this work; please open the video again.'); }
    showOffer();
    preparing(false);
    ready();
  },
  video(message) {
    video = { ...message, times: message.times_s, version: Math.random().toString(36).slice(2, 8) };
    targets.clear();
    cache.clear();
    chosen = pending = shown = null;
    following = false;
    mode = 'select';
    setPlaying(false);
    setRunning(false);
    resetZoom();
    document.body.dataset.screen = 'work';
    document.title = `${video.name} – SSTrack`;
    $('video-name').textContent = video.name;
    $('upload').hidden = true;
    listTargets();
    layout();
    seek(message.resumed ? Number(sessionStorage.getItem('frame')) || 0 : 0);
    view.focus();
  },
  length({ times_s, growing, notes }) {
    notes.forEach((note) => say(note));
    const atEnd = !running && frame === length() - 1 && !targets.size;
    video.times.push(...times_s);
    video.growing = growing;
    if (atEnd) seek(length() - 1); else redraw();
  },
  target({ target, name, rows }) {
    const isNew = !targets.has(target);
    const track = targets.get(target) || new Track(name);
    track.name = name;
    track.clear(length());
    rows.forEach((row) => track.put(row));
    targets.set(target, track);
    if (pending && (pending.target === target || pending.target === null) && !gesture) pending = null;
    if (isNew && (chooseNext || chosen === null)) { chosen = target; chooseNext = false; }
    if (isNew) listTargets();
    redraw();
  },
  name({ target, name }) { targets.get(target).name = name; listTargets(); },
  deleted({ target }) {
    targets.delete(target);
    if (chosen === target) chosen = targets.size ? [...targets.keys()].at(-1) : null;
    listTargets();
    redraw();
  },
  rows({ rows }) {
    for (const row of rows) targets.get(row[0])?.put(row);
    redraw();
  },
  running({ running, problem }) {
    setRunning(running);
    if (problem) say(problem);
  },
  problem({ text }) { pending = null; chooseNext = false; preparing(false); say(text); redraw(); },
  done({ command, result }) {
    if (command !== 'export') return;
    preparing(false);
    result.problems.forEach((problem) => say(`${result.file}: ${problem}`, true));
    fetchFile(result.file);
  },
};

function ready() {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'ready', width: pictureWidth() }));
}

// Frames --------------------------------------------------------------------------------

const cache = new Map();    // frame -> ImageBitmap, the oldest first
const loading = new Set();
const WIDTHS = [480, 640, 960, 1280, 1920];

function pictureWidth() {
  const wanted = view.clientWidth * Math.min(devicePixelRatio, 2) * Math.min(zoom.scale, 3);
  return WIDTHS.find((width) => width >= wanted) || WIDTHS.at(-1);
}

function keep(at, image) {
  cache.set(at, image);
  if (cache.size > CACHED_FRAMES) cache.delete(cache.keys().next().value);
}

async function load(at) {
  if (at < 0 || at >= length() || cache.has(at) || loading.has(at)) return;
  const { version } = video;
  loading.add(at);
  try {
    const response = await fetch(`/sessions/${session}/frames/${at}?width=${pictureWidth()}&video=${version}`);
    if (!response.ok) throw new Error((await response.json()).problem);
    const image = await createImageBitmap(await response.blob());
    if (video?.version === version) keep(at, image);
  } catch (error) {
    if (at === frame && video?.version === version) say(`Frame ${at + 1}: ${error.message}`);
  } finally {
    loading.delete(at);
  }
  // One picture at a time: while somebody scrubs, the frames between are left out.
  if (at !== frame && !cache.has(frame)) await load(frame);
  if (cache.has(frame)) show(frame);
}

function seek(at) {
  if (!video) return;
  frame = clamp(Math.round(at), 0, length() - 1);
  sessionStorage.setItem('frame', frame);
  if (cache.has(frame)) show(frame);
  else if (loading.size < 2) load(frame);
  redraw();
}

// Goes to a frame because a person wants to be there.
function go(at) {
  following = false;
  setPlaying(false);
  seek(at);
}

function show(at) {
  shown = { frame: at, image: cache.get(at) };
  view.dataset.frame = at;
  redraw();
}

async function showTracked(data) {
  const at = new DataView(data).getUint32(0, true);
  const image = await createImageBitmap(new Blob([new Uint8Array(data, 4)], { type: 'image/jpeg' }));
  ready();
  if (!video) return;
  keep(at, image);
  if (following) { frame = at; show(at); }
}

function setPlaying(on) {
  if (on && frame >= length() - 1) frame = 0;
  playing = on && length() > 1;
  icon('play', playing ? 'pause' : 'play', playing ? 'Pause' : 'Play');
  if (!playing) return;
  following = false;
  const startTime = performance.now(), startAt = video.times[frame];
  requestAnimationFrame(function tick() {
    if (!playing) return;
    const time = startAt + (performance.now() - startTime) / 1000;
    let at = frame;
    while (at < length() - 1 && video.times[at + 1] <= time) at++;
    for (let ahead = 0; ahead <= PREFETCH; ahead++) if (loading.size < 3) load(at + ahead);
    if (at !== frame) { frame = at; if (cache.has(at)) show(at); else redraw(); }
    if (at >= length() - 1) return setPlaying(false);
    requestAnimationFrame(tick);
  });
}

// The stage -----------------------------------------------------------------------------

let queued = false;
function redraw() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; if (video) { drawStage(); drawTimeline(); updateTexts(); } });
}

function fit(canvas, width, height) {
  const ratio = devicePixelRatio;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Scale and offset from image pixels to the stage's.
function place() {
  const base = Math.min(view.clientWidth / video.width, view.clientHeight / video.height);
  const scale = base * zoom.scale;
  return {
    scale,
    x: (view.clientWidth - video.width * scale) / 2 + zoom.x,
    y: (view.clientHeight - video.height * scale) / 2 + zoom.y,
  };
}

function toImage(x, y) {
  const to = place();
  return [(x - to.x) / to.scale, (y - to.y) / to.scale];
}

function zoomBy(factor, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const [imageX, imageY] = toImage(x, y);
  zoom.scale = clamp(zoom.scale * factor, 1, 16);
  if (zoom.scale === 1) zoom.x = zoom.y = 0;
  const to = place();
  moveView(x - (imageX * to.scale + to.x), y - (imageY * to.scale + to.y));
}

function moveView(dx, dy) {
  const { scale } = place();
  const roomX = Math.max(0, (video.width * scale - view.clientWidth) / 2);
  const roomY = Math.max(0, (video.height * scale - view.clientHeight) / 2);
  zoom.x = clamp(zoom.x + dx, -roomX, roomX);
  zoom.y = clamp(zoom.y + dy, -roomY, roomY);
  redraw();
}

function resetZoom() { Object.assign(zoom, { scale: 1, x: 0, y: 0 }); redraw(); }

// The boxes that are in the frame on the stage: [number, box, track].
function boxesShown() {
  const at = shown ? shown.frame : frame;
  const all = [];
  for (const [number, track] of targets) {
    const box = pending?.target === number ? pending.box : track.box(at);
    if (box) all.push([number, box, track]);
  }
  return all;
}

function drawStage() {
  const context = fit(view, view.clientWidth, view.clientHeight);
  const to = place();
  if (shown) {
    context.imageSmoothingEnabled = to.scale < 3;
    context.imageSmoothingQuality = 'high';
    context.drawImage(shown.image, to.x, to.y, video.width * to.scale, video.height * to.scale);
  }
  const at = shown ? shown.frame : frame, labels = [];
  const draw = (number, box, state, isChosen, text) => {
    drawBox(context, to, box, color(number), state, isChosen);
    labels.push([box, color(number), text]);
  };
  for (const [number, box, track] of boxesShown()) {
    const mine = pending?.target === number;
    draw(number, box, mine ? 'tracked' : STATES[track.state[at]], number === chosen, label(track, at, mine));
  }
  if (pending && pending.target === null) draw(nextNumber(), pending.box, 'tracked', true, 'New target');
  drawLabels(context, to, labels);
}

const nextNumber = () => Math.max(0, ...targets.keys()) + 1;

function label(track, at, mine) {
  const name = track.name.length > MAX_LABEL ? `${track.name.slice(0, MAX_LABEL - 1)}…` : track.name;
  if (mine || track.person[at]) return `◆ ${name}`;
  const state = STATES[track.state[at]], percent = `${Math.round(100 * track.confidence[at])}%`;
  return state === 'tracked' ? `${name}  ${percent}` : `${name}  ${WORDS[state]}, ${percent}`;
}

// Solid where it is tracked, dashed where that is unsure, dotted where it is a guess.
function drawBox(context, to, [x, y, w, h], paint, state, isChosen) {
  const [left, top, width, height] = [x * to.scale + to.x, y * to.scale + to.y, w * to.scale, h * to.scale];
  context.save();
  context.lineJoin = 'round';
  for (const [style, thick, dash] of [
    [`rgb(0 0 0 / ${state === 'tracked' ? 65 : 45}%)`, isChosen ? 5 : 4, []],
    [paint, isChosen ? 2.5 : 2, { uncertain: [9, 6], lost: [3, 6] }[state] || []],
  ]) {
    context.setLineDash(dash);
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.strokeRect(left, top, width, height);
  }
  context.setLineDash([]);
  if (isChosen) {
    for (const [cornerX, cornerY] of handles([x, y, w, h])) {
      context.beginPath();
      context.arc(cornerX * to.scale + to.x, cornerY * to.scale + to.y, HANDLE, 0, 7);
      context.fillStyle = '#fff';
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = paint;
      context.stroke();
    }
  }
  context.restore();
}

// Above its box, or below where there is no room; beside another label, not on it.
function drawLabels(context, to, labels) {
  context.save();
  context.font = '600 13px system-ui, sans-serif';
  context.textBaseline = 'middle';
  const taken = [], tall = 22;
  for (const [[x, y, , h], paint, text] of labels) {
    const top = y * to.scale + to.y, lowest = view.clientHeight - tall - 2;
    const wide = context.measureText(text).width + 14;
    const labelX = clamp(x * to.scale + to.x - 1, 0, Math.max(0, view.clientWidth - wide));
    let labelY = top >= tall + 10 ? top - tall - 7 : Math.min(top + h * to.scale + 8, lowest);
    const hidden = () => taken.find(([tx, ty, tw]) => labelX < tx + tw && tx < labelX + wide && labelY < ty + tall && ty < labelY + tall);
    const wanted = labelY;
    for (const [step, end] of [[-tall - 1, 0], [tall + 1, lowest]]) {
      for (let other = hidden(); other && (end - other[1] - step) * step >= 0; other = hidden()) labelY = other[1] + step;
      if (!hidden()) break;
      labelY = wanted;
    }
    taken.push([labelX, labelY, wide]);
    context.fillStyle = paint;
    context.beginPath();
    context.roundRect(labelX, labelY, wide, tall, 6);
    context.fill();
    context.fillStyle = '#0b0f14';
    context.fillText(text, labelX + 7, labelY + 11.5);
  }
  context.restore();
}

// Eight places on the rim of a box, with how they move its sides.
function handles([x, y, w, h]) {
  return [
    [x, y, 'lt'], [x + w, y, 'rt'], [x, y + h, 'lb'], [x + w, y + h, 'rb'],
    [x + w / 2, y, 't'], [x + w / 2, y + h, 'b'], [x, y + h / 2, 'l'], [x + w, y + h / 2, 'r'],
  ];
}

// Drawing with mouse, finger or pen -----------------------------------------------------

let gesture = null;          // {kind, start, box, sides, number}
const fingers = new Map();   // pointers that are down, for two-finger zoom

function localPoint(event) {
  const rect = view.getBoundingClientRect();
  return [event.clientX - rect.left, event.clientY - rect.top];
}

// What is under a point of the stage: a handle of the chosen box, or a box.
function under(x, y, reach) {
  const to = place();
  const all = boxesShown();
  const mine = all.find(([number]) => number === chosen);
  if (mine) {
    for (const [cornerX, cornerY, sides] of handles(mine[1])) {
      if (Math.hypot(cornerX * to.scale + to.x - x, cornerY * to.scale + to.y - y) < reach) return { number: chosen, box: mine[1], sides };
    }
  }
  const [imageX, imageY] = toImage(x, y);
  const inside = all.filter(([, [bx, by, w, h]]) => imageX > bx && imageX < bx + w && imageY > by && imageY < by + h);
  inside.sort(([a, boxA], [b, boxB]) => (b === chosen) - (a === chosen) || boxA[2] * boxA[3] - boxB[2] * boxB[3]);
  return inside.length ? { number: inside[0][0], box: inside[0][1], sides: 'move' } : null;
}

view.addEventListener('pointerdown', (event) => {
  if (!video || !shown || event.button > 0 && event.button !== 1) return;
  view.focus({ preventScroll: true });
  view.setPointerCapture(event.pointerId);
  const point = localPoint(event);
  fingers.set(event.pointerId, point);
  if (fingers.size === 2) {
    if (gesture) { gesture = null; pending = null; redraw(); }
    return;
  }
  setPlaying(false);
  following = false;
  frame = shown.frame;
  const start = toImage(...point);
  if (event.button === 1) { gesture = { kind: 'pan', last: point }; return; }
  const hit = mode === 'select' && !event.shiftKey ? under(...point, event.pointerType === 'touch' ? 24 : 11) : null;
  if (hit) {
    choose(hit.number);
    gesture = { kind: hit.sides, start, point, box: hit.box, number: hit.number };
  } else {
    const again = chosen !== null && (mode === 'redraw' || event.shiftKey);
    gesture = { kind: 'draw', start, point, number: again ? chosen : null };
  }
});

view.addEventListener('pointermove', (event) => {
  if (!video) return;
  const point = localPoint(event);
  if (fingers.size === 2 && fingers.has(event.pointerId)) return pinch(event.pointerId, point);
  if (!gesture) return updateCursor(point, event);
  if (gesture.kind === 'pan') { moveView(point[0] - gesture.last[0], point[1] - gesture.last[1]); gesture.last = point; return; }
  if (!gesture.moved && Math.hypot(point[0] - gesture.point[0], point[1] - gesture.point[1]) < 4) return;
  gesture.moved = true;
  pending = { target: gesture.number, box: dragged(toImage(...point)) };
  redraw();
});

for (const name of ['pointerup', 'pointercancel']) {
  view.addEventListener(name, (event) => {
    fingers.delete(event.pointerId);
    const done = gesture;
    gesture = null;
    if (!done) return;
    if (name === 'pointercancel' || !done.moved) { pending = null; redraw(); return; }
    if (pending) commit();
  });
}

function dragged([x, y]) {
  const { kind, start, box } = gesture;
  const inX = clamp(x, 0, video.width), inY = clamp(y, 0, video.height);
  if (kind === 'draw') {
    const fromX = clamp(start[0], 0, video.width), fromY = clamp(start[1], 0, video.height);
    return [Math.min(inX, fromX), Math.min(inY, fromY), Math.abs(inX - fromX), Math.abs(inY - fromY)];
  }
  if (kind === 'move') return [box[0] + x - start[0], box[1] + y - start[1], box[2], box[3]];
  let [left, top, right, bottom] = [box[0], box[1], box[0] + box[2], box[1] + box[3]];
  if (kind.includes('l')) left = inX;
  if (kind.includes('r')) right = inX;
  if (kind.includes('t')) top = inY;
  if (kind.includes('b')) bottom = inY;
  return [Math.min(left, right), Math.min(top, bottom), Math.abs(right - left), Math.abs(bottom - top)];
}

function pinch(id, point) {
  const [a, b] = [...fingers.values()];
  const other = [...fingers].find(([key]) => key !== id)[1];
  const before = fingers.get(id);
  const spread = Math.hypot(point[0] - other[0], point[1] - other[1]) / Math.hypot(a[0] - b[0], a[1] - b[1]);
  fingers.set(id, point);
  zoomBy(spread, (point[0] + other[0]) / 2, (point[1] + other[1]) / 2);
  moveView((point[0] - before[0]) / 2, (point[1] - before[1]) / 2);
}

function updateCursor(point, event) {
  const hit = mode === 'select' && !event.shiftKey && shown ? under(...point, 11) : null;
  const cursors = { lt: 'nwse', rb: 'nwse', rt: 'nesw', lb: 'nesw', l: 'ew', r: 'ew', t: 'ns', b: 'ns' };
  view.style.cursor = !hit ? 'crosshair' : hit.sides === 'move' ? 'move' : `${cursors[hit.sides]}-resize`;
}

view.addEventListener('wheel', (event) => {
  if (!video) return;
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? .01 : .0015)), ...localPoint(event));
}, { passive: false });

view.addEventListener('dblclick', () => video && resetZoom());

// Sends the box that was drawn.
function commit() {
  const { target, box } = pending;
  if (box[2] < MIN_SIDE || box[3] < MIN_SIDE) { pending = null; redraw(); return; }
  chooseNext = target === null;
  send('box', { target, frame: shown.frame, bbox_xywh: box });
  setMode('select');
}

function setMode(next) {
  mode = next === 'redraw' && chosen === null ? 'new' : next;
  $('add').classList.toggle('on', mode === 'new');
  redraw();
}

// The timeline --------------------------------------------------------------------------

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function layout() {
  if (!video) return;
  const [row, ruler] = [parseInt(css('--row')), parseInt(css('--ruler'))];
  timeline.style.height = `${ruler + row * Math.max(targets.size, 1)}px`;
  redraw();
}

function drawTimeline() {
  const width = timeline.clientWidth, height = timeline.clientHeight;
  const context = fit(timeline, width, height);
  const [row, ruler] = [parseInt(css('--row')), parseInt(css('--ruler'))];
  const paints = ['', css('--tracked'), css('--uncertain'), css('--lost')];
  drawRuler(context, width, ruler);
  let top = ruler;
  for (const [number, track] of targets) {
    context.fillStyle = number === chosen ? css('--raised') : 'transparent';
    context.fillRect(0, top, width, row);
    context.fillStyle = css('--line');
    context.fillRect(0, top, width, 1);
    drawLane(context, track, top + 7, row - 13, width, paints);
    top += row;
  }
  const x = column(frame, width);
  context.fillStyle = css('--accent');
  context.fillRect(Math.round(x) - 1, 0, 2, height);
  context.beginPath();
  context.moveTo(x - 7, 0); context.lineTo(x + 7, 0); context.lineTo(x, 11);
  context.fill();
}

const PAD = 12;
const column = (at, width) => PAD + (at + .5) / length() * (width - 2 * PAD);

function drawRuler(context, width, ruler) {
  const total = video.times.at(-1) || 1;
  const step = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => total / s <= width / 90) || 7200;
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  let at = 0;
  for (let time = 0; time <= total; time += step) {
    while (at < length() - 1 && video.times[at] < time - 1e-6) at++;
    const x = column(at, width);
    context.fillStyle = css('--line');
    context.fillRect(Math.round(x), ruler - 6, 1, 6);
    context.fillStyle = css('--muted');
    if (x < width - 40) context.fillText(clock(time, step < 1), x + 4, ruler / 2 + 2);
  }
}

// Height: confidence. Colour: state. Each column shows the worst of its frames.
function drawLane(context, track, top, height, width, paints) {
  const count = length(), inner = width - 2 * PAD;
  context.fillStyle = css('--line');
  context.globalAlpha = .6;
  context.fillRect(PAD, top + height - 1, inner, 1);
  context.globalAlpha = 1;
  const columns = Math.min(Math.ceil(inner), count);
  for (let i = 0; i < columns; i++) {
    const first = Math.floor(i * count / columns), last = Math.max(first + 1, Math.floor((i + 1) * count / columns));
    let state = 0, confidence = 1;
    for (let at = first; at < last; at++) {
      if (!track.state[at]) continue;
      state = Math.max(state, track.state[at]);
      confidence = Math.min(confidence, track.confidence[at]);
    }
    if (!state) continue;
    // Whole device pixels: columns neither overlap nor leave seams.
    const edge = (n) => Math.round((PAD + n * inner / columns) * devicePixelRatio) / devicePixelRatio;
    const x = edge(i), wide = edge(i + 1) - x, tall = Math.max(2, confidence * height);
    context.fillStyle = paints[state];
    context.globalAlpha = .28;
    context.fillRect(x, top + height - tall, wide, tall);
    context.globalAlpha = 1;
    context.fillRect(x, top + height - tall, wide, 2);
  }
  for (let at = 0; at < count; at++) if (track.person[at]) drawDiamond(context, column(at, width), top + height / 2);
}

function drawDiamond(context, x, y) {
  context.beginPath();
  context.moveTo(x, y - 7); context.lineTo(x + 6, y); context.lineTo(x, y + 7); context.lineTo(x - 6, y);
  context.closePath();
  context.fillStyle = css('--text');
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = css('--panel');
  context.stroke();
}

function scrub(event) {
  const rect = timeline.getBoundingClientRect();
  const [row, ruler] = [parseInt(css('--row')), parseInt(css('--ruler'))];
  if (event.type === 'pointerdown') {
    const at = Math.floor((event.clientY - rect.top - ruler) / row);
    if (at >= 0 && at < targets.size) choose([...targets.keys()][at]);
  }
  go(Math.floor((event.clientX - rect.left - PAD) / (rect.width - 2 * PAD) * length()));
}

timeline.addEventListener('pointerdown', (event) => { timeline.setPointerCapture(event.pointerId); scrub(event); });
timeline.addEventListener('pointermove', (event) => { if (timeline.hasPointerCapture(event.pointerId)) scrub(event); });

// The next frame, to one side, in which some target begins to need a look.
function findMark(step) {
  const needsLook = (at) => [...targets.values()].some((t) => t.state[at] > 1 && t.state[at - 1] <= 1 || t.person[at]);
  for (let at = frame + step; at >= 0 && at < length(); at += step) if (needsLook(at)) return go(at);
  say('There is nothing more to check on this side.', false, true);
}

// Targets -------------------------------------------------------------------------------

function choose(number) {
  if (chosen === number) return;
  chosen = number;
  listTargets();
  redraw();
}

function listTargets() {
  const list = $('targets');
  list.replaceChildren(...[...targets].map(([number, track]) => {
    const item = document.createElement('li');
    item.className = `target${number === chosen ? ' chosen' : ''}`;
    item.dataset.target = number;
    item.style.setProperty('--color', color(number));
    const name = Object.assign(document.createElement('input'), { value: track.name, maxLength: 80 });
    name.setAttribute('aria-label', `Name of target ${number}`);
    name.onchange = () => send('rename', { target: number, name: name.value });
    name.onkeydown = (event) => { if (event.key === 'Enter' || event.key === 'Escape') view.focus(); };
    const chip = Object.assign(document.createElement('span'), { className: 'chip' });
    const again = button('redraw', 'Draw its box anew (R)', () => { choose(number); setMode('redraw'); view.focus(); });
    again.classList.add('redraw');
    item.append(name, chip, again, button('trash', `Delete ${track.name}`, () => send('delete', { target: number })));
    item.onclick = () => choose(number);
    return item;
  }));
  layout();
}

function button(name, title, action) {
  const made = document.createElement('button');
  made.title = title;
  made.setAttribute('aria-label', title);
  made.innerHTML = `<svg class="icon"><use href="#i-${name}"/></svg>`;
  made.onclick = (event) => { event.stopPropagation(); action(); };
  return made;
}

// Texts and buttons ---------------------------------------------------------------------

function icon(id, name, title) {
  $(id).querySelector('use').setAttribute('href', `#i-${name}`);
  $(id).setAttribute('aria-label', title);
}

function clock(seconds, fine = true) {
  const whole = fine ? Math.floor(seconds * 10) / 10 : Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const text = (fine ? s.toFixed(1) : String(s)).padStart(fine ? 4 : 2, '0');
  return h ? `${h}:${String(m).padStart(2, '0')}:${text}` : `${m}:${text}`;
}

function updateTexts() {
  const at = frame;
  $('clock').firstChild.textContent = clock(video.times[at]);
  $('clock').lastChild.textContent = `frame ${at + 1} of ${length()}`;
  timeline.setAttribute('aria-valuenow', at + 1);
  timeline.setAttribute('aria-valuemax', length());
  for (const item of $('targets').children) {
    const track = targets.get(Number(item.dataset.target)), state = STATES[track.state[at]];
    const chip = item.querySelector('.chip');
    chip.className = `chip ${state}`;
    chip.textContent = track.person[at] ? '◆ yours' : !state ? '' : state === 'tracked' ? `${Math.round(100 * track.confidence[at])}%` : WORDS[state];
  }
  $('hint').textContent = hint();
  $('follow').hidden = !running || following;
  $('badge').hidden = !video.growing;
  $('badge').textContent = 'recording';
  $('track').disabled = !targets.size;
  $('download').disabled = !targets.size || $('download').classList.contains('busy');
}

function hint() {
  if (pending && keyboardBox) return 'Arrows move, Shift+arrows size, Enter is done, Esc leaves it';
  if (mode === 'new') return 'Drag a box around the new target';
  if (mode === 'redraw') return `Drag the box of ${targets.get(chosen)?.name} anew`;
  if (!targets.size && !pending) return 'Drag a box around what you want to track';
  const waiting = [...targets.values()].every((track) => !track.confidence.length || track.state.filter(Boolean).length <= track.person.filter(Boolean).length);
  return waiting && !running && !pending && length() > 1 ? 'More targets? Drag more boxes. Then press Track.' : '';
}

function setRunning(on) {
  if (on && !running) following = true;
  running = on;
  $('track').textContent = on ? 'Stop' : 'Track';
  $('track').classList.toggle('running', on);
  redraw();
}

function toggleTracking() {
  if (running) return send('stop');
  setPlaying(false);
  following = true;
  send('start');
}

// text: what to say; stays: until it is closed; note: no problem, just news.
function say(text, stays = false, note = false) {
  const toast = Object.assign(document.createElement('div'), { className: `toast${note ? ' note' : ''}` });
  toast.append(Object.assign(document.createElement('span'), { textContent: text }), button('close', 'Close', () => toast.remove()));
  while ($('toasts').children.length > 2) $('toasts').firstChild.remove();
  $('toasts').append(toast);
  if (!stays) setTimeout(() => toast.remove(), note ? 3000 : 9000);
}

// Keys ----------------------------------------------------------------------------------

let keyboardBox = false;

function startKeyboardBox(target) {
  if (!shown) return;
  setPlaying(false);
  following = false;
  const side = Math.min(video.width, video.height) / 5;
  const known = target !== null && targets.get(target).box(shown.frame);
  pending = { target, box: known || [(video.width - side) / 2, (video.height - side) / 2, side, side] };
  keyboardBox = true;
  view.focus();
  redraw();
}

function moveKeyboardBox(event) {
  const step = event.altKey ? 1 : Math.max(1, Math.round(Math.min(video.width, video.height) / 80));
  const [dx, dy] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] || [0, 0];
  const [x, y, w, h] = pending.box;
  if (event.key === 'Enter') { keyboardBox = false; commit(); }
  else if (event.key === 'Escape') { keyboardBox = false; pending = null; }
  else if (!dx && !dy) return false;
  else if (event.shiftKey) pending.box = [x, y, clamp(w + dx, MIN_SIDE, video.width - x), clamp(h + dy, MIN_SIDE, video.height - y)];
  else pending.box = [clamp(x + dx, 0, video.width - w), clamp(y + dy, 0, video.height - h), w, h];
  redraw();
  return true;
}

const keys = {
  ' ': () => setPlaying(!playing),
  t: toggleTracking,
  ArrowLeft: (event) => go(frame - (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => go(frame + (event.shiftKey ? 10 : 1)),
  Home: () => go(0),
  End: () => go(length() - 1),
  j: () => findMark(1),
  k: () => findMark(-1),
  n: () => startKeyboardBox(null),
  e: () => chosen !== null && startKeyboardBox(chosen),
  r: () => setMode('redraw'),
  l: () => $('boxes').click(),
  Delete: remove,
  Backspace: remove,
  Escape: () => { pending = null; setMode('select'); },
  '+': () => zoomBy(1.5),
  '=': () => zoomBy(1.5),
  '-': () => zoomBy(1 / 1.5),
  0: () => resetZoom(),
};

function remove() {
  if (chosen === null) return;
  if (targets.get(chosen).person[frame]) send('unbox', { target: chosen, frame });
  else send('delete', { target: chosen });
}

document.addEventListener('keydown', (event) => {
  if (event.target.closest('input, dialog[open], [popover]')) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === '?') return $('help-dialog').showModal();
  if (key === 'd' && !event.ctrlKey && !event.metaKey) return toggleTheme();
  if (!video || document.body.dataset.screen !== 'work') return;
  if ((event.ctrlKey || event.metaKey) && key === 'z') { event.preventDefault(); return send('undo'); }
  if (event.ctrlKey || event.metaKey) return;
  if (keyboardBox && pending) { if (moveKeyboardBox(event)) event.preventDefault(); return; }
  if (event.target.closest('button') && (key === ' ' || key === 'Enter')) return;
  if (/^[1-9]$/.test(key)) { const number = [...targets.keys()][key - 1]; if (number) choose(number); return; }
  if (keys[key]) { event.preventDefault(); keys[key](event); }
});

// The start -----------------------------------------------------------------------------

function showOffer() {
  $('file').accept = `video/*,${offer.suffixes.join()}`;
  $('limit').textContent = `, up to ${megabytes(offer.max_bytes)}`;
  $('stream').hidden = !offer.streams;
  $('library').hidden = !offer.library.length;
  $('library').querySelector('ul').replaceChildren(...offer.library.map((path) => {
    const item = document.createElement('li');
    const open = document.createElement('button');
    open.innerHTML = '<svg class="icon"><use href="#i-film"/></svg>';
    open.append(path);
    open.onclick = () => send('open', { source: path });
    item.append(open);
    return item;
  }));
  $('formats').replaceChildren(...offer.formats.map(({ format, title, file }) => {
    const choice = document.createElement('button');
    choice.setAttribute('role', 'menuitem');
    choice.append(title, Object.assign(document.createElement('small'), { textContent: file }));
    choice.onclick = () => { $('formats').hidePopover(); preparing(true); send('export', { format }); };
    return choice;
  }));
}

const megabytes = (bytes) => bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MB` : `${Math.round(bytes / 2 ** 30 * 10) / 10} GB`;

const hasSuffix = (file, suffixes) => suffixes.includes(file.name.slice(file.name.lastIndexOf('.')).toLowerCase());

function isTooLarge(file, limit) {
  if (file.size > limit) say(`${file.name} is larger than ${megabytes(limit)}, the limit here.`);
  return file.size > limit;
}

async function loadBoxes(file) {
  if (!file) return;
  $('boxes').value = '';
  const { suffixes, max_bytes } = offer.boxes;
  if (!hasSuffix(file, suffixes)) return say(`${file.name} is not a file of boxes; these are: ${suffixes.join(', ')}.`);
  if (isTooLarge(file, max_bytes)) return;
  try {
    const url = `/sessions/${session}/boxes?name=${encodeURIComponent(file.name)}`;
    const response = await fetch(url, { method: 'PUT', body: file });
    const { problem, targets, boxes } = await response.json();
    if (problem) say(problem, true);
    else say(`${file.name}: ${targets} ${targets === 1 ? 'target' : 'targets'}, ${boxes} ${boxes === 1 ? 'box' : 'boxes'} of yours.`, false, true);
  } catch {
    say(`${file.name} could not be loaded; is the server still there?`);
  }
}

// What is dropped on the page: a video, or boxes of the video that is open.
function take(file) {
  if (!file) return;
  if (!hasSuffix(file, offer.boxes.suffixes)) return upload(file);
  if (video) loadBoxes(file);
  else say(`Open the video first, then load ${file.name}.`);
}

function upload(file) {
  if (!file) return;
  if (!hasSuffix(file, offer.suffixes)) return say(`${file.name} is not a video that can be opened here.`);
  if (isTooLarge(file, offer.max_bytes)) return;
  const request = new XMLHttpRequest();
  const bar = $('upload');
  bar.hidden = false;
  bar.value = 0;
  request.upload.onprogress = ({ loaded, total }) => { bar.value = loaded / total; };
  request.onloadend = () => {
    $('file').value = '';
    if (request.status === 204) return;
    bar.hidden = true;
    let text = 'The upload failed; is the server still there?';
    try { text = JSON.parse(request.responseText).problem; } catch { /* not from the page's server */ }
    say(text);
  };
  request.open('PUT', `/sessions/${session}/video?name=${encodeURIComponent(file.name)}`);
  request.send(file);
}

function closeVideo() {
  setPlaying(false);
  following = false;
  document.body.dataset.screen = 'start';
  document.title = 'SSTrack';
  video = null;
}

function preparing(on) {
  $('download').classList.toggle('busy', on);
  if (on) say('Your file is being made.', false, true);
  redraw();
}

function fetchFile(name) {
  const link = document.createElement('a');
  link.href = `/sessions/${session}/files/${name}`;
  link.download = '';
  link.click();
}

function toggleTheme() {
  setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
  localStorage.setItem('theme', document.documentElement.dataset.theme);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  layout();
}

const dark = matchMedia('(prefers-color-scheme: dark)');
const systemTheme = () => { if (!localStorage.getItem('theme')) setTheme(dark.matches ? 'dark' : 'light'); };
dark.addEventListener('change', systemTheme);
setTheme(localStorage.getItem('theme') || (dark.matches ? 'dark' : 'light'));

$('boxes').onchange = () => loadBoxes($('boxes').files[0]);
$('load').onclick = () => $('boxes').click();
$('file').onchange = () => upload($('file').files[0]);
$('drop').onkeydown = (event) => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); $('file').click(); } };
document.addEventListener('dragover', (event) => { event.preventDefault(); $('drop').classList.add('over'); });
document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) $('drop').classList.remove('over'); });
document.addEventListener('drop', (event) => { event.preventDefault(); $('drop').classList.remove('over'); take(event.dataTransfer.files[0]); });
$('stream').onsubmit = (event) => { event.preventDefault(); say('Opening the stream.', false, true); send('open', { source: $('url').value.trim() }); };
$('theme').onclick = toggleTheme;
$('help').onclick = () => $('help-dialog').showModal();
$('undo').onclick = () => send('undo');
$('new-video').onclick = () => { if (!targets.size || confirm('Close this video? Its targets are lost, unless you downloaded them.')) { send('close'); closeVideo(); } };
$('play').onclick = () => setPlaying(!playing);
$('prev').onclick = () => go(frame - 1);
$('next').onclick = () => go(frame + 1);
$('prev-mark').onclick = () => findMark(-1);
$('next-mark').onclick = () => findMark(1);
$('track').onclick = toggleTracking;
$('follow').onclick = () => { setPlaying(false); following = true; redraw(); };
$('add').onclick = () => { setMode(mode === 'new' ? 'select' : 'new'); view.focus(); };
new ResizeObserver(layout).observe(view);
new ResizeObserver(layout).observe($('tracks'));
setRunning(false);
connect();
