// What is drawn on one row: bars, steps of a pool, and heaps where bars would be too thin to tell apart.
import { amount, say, settings, words } from "./words.js";

const THIN = 6; // px: narrower bars close together become one heap
const GAP = 3; // px
const STEP = 22; // px: a step of a pool narrower than this is told with its neighbours

export function itemsOf(row, held, frame) {
  const inside = (thing) => thing.start < frame.to && thing.end > frame.from;
  const outages = held.outages.filter(inside).map(outage);
  const bars = BARS[row.kind](row, held, inside, frame);
  const beside = frame.draft ? heaped(held.drafts.filter(inside).map(drafted), frame.scale, "draft") : [];
  const main = row.kind === "pooled" ? bars : heaped(bars, frame.scale, "main");
  return [...main, ...outages, ...beside].sort((one, other) => one.start - other.start || one.end - other.end);
}

const BARS = {
  unary: (row, held, inside, frame) => [
    ...held.bookings.filter(inside).map((booking) => booked(booking, frame)),
    ...held.busy.filter(inside).map(busy),
  ],
  batch: (row, held, inside) => held.runs.filter(inside).map((run) => loaded(row, run, on(held, run))),
  event: (row, held, inside) => held.occurrences.filter(inside).map((occurrence) => dated(row, occurrence, on(held, occurrence))),
  pooled: (row, held, inside, frame) => steps(row, held, frame),
};

const on = (held, { start, end }) => held.bookings.filter((booking) => booking.start === start && booking.end === end);
export const titleOf = (booking) => booking.title || booking.project || words.booked;
const MARKS = { offered: "… ", requested: "? ", in_use: "▶ ", completed: "✓ " };

function booked(booking, frame) {
  const title = titleOf(booking);
  const who = booking.ours ? "" : `${booking.organisation} · `;
  const moving = frame.moving.has(booking.id);
  return {
    key: booking.id, start: booking.start, end: booking.end, kind: "booking", bookings: [booking],
    look: `${booking.ours ? "is-ours" : "is-seen"}${open(booking.state)}${moving ? " is-moving" : ""}`,
    short: moving ? "⇢" : (MARKS[booking.state] ?? "").trim(),
    text: `${moving ? "⇢ " : ""}${MARKS[booking.state] ?? ""}${who}${title}`,
    name: () => [`${who}${title}`, booking.step, words.states[booking.state], moving ? words.moves : ""],
  };
}

const open = (state) => (state === "offered" || state === "requested" ? " is-open" : state === "completed" ? " is-done" : "");

function busy(stay) {
  return { key: `b${stay.start}`, ...stay, kind: "busy", bookings: [], look: "is-busy", text: "", name: () => [words.busy] };
}

function outage(down) {
  const kind = words.outages[down.kind];
  return {
    key: `o${down.start}${down.kind}`, ...down, kind: "outage", reason: down.reason, outage: kind, bookings: [], look: "is-outage",
    short: "✕", text: `✕ ${down.reason || words.down}`, name: () => [kind, down.reason],
  };
}

function loaded(row, run, bookings) {
  return {
    key: `r${run.start}`, ...run, kind: "run", bookings, look: `${share(bookings)} is-filled`, fill: run.used / run.capacity,
    short: `${run.used}/${run.capacity}`, text: `${run.used}/${run.capacity}${bookings.length ? ` ${titleOf(bookings[0])}` : ""}`,
    name: () => [say(words.run, { used: amount(run.used, row), capacity: amount(run.capacity, row) }), ...bookings.map(titleOf)],
  };
}

function dated(row, occurrence, bookings) {
  const fill = `${amount(occurrence.used, row)} / ${amount(occurrence.capacity, row)}`;
  return {
    ...occurrence, label: occurrence.name, key: occurrence.id, kind: "occurrence", bookings, look: `${share(bookings)} is-filled`, fill: occurrence.used / occurrence.capacity,
    short: fill, text: `${fill} ${occurrence.name}`,
    name: () => [say(words.occurrence, { name: occurrence.name, used: amount(occurrence.used, row), capacity: amount(occurrence.capacity, row) }), ...bookings.map(titleOf)],
  };
}

function drafted(draft) {
  const mark = draft.change === "moved" ? "⇄" : "+";
  return {
    key: `d${draft.order}${draft.step}${draft.start}`, ...draft, kind: "draft", bookings: [], beside: true, draft, look: "is-draft", short: mark,
    text: `${mark} ${draft.title}`, name: () => [words.changes[draft.change], draft.organisation, draft.title, draft.step],
  };
}

function share(bookings) {
  if (bookings.some((booking) => booking.ours)) return "is-ours";
  return bookings.length ? "is-seen" : "is-busy";
}

// Bars too thin to tell apart become one, which says how many it stands for.
function heaped(bars, scale, lane) {
  const sorted = bars.sort((one, other) => one.start - other.start || one.end - other.end);
  const found = [];
  for (const bar of sorted) {
    const last = found.at(-1);
    const close = last && (bar.start - last.end) * scale < GAP;
    const overlaps = last && bar.start < last.end && lane === "draft";
    const thin = (thing) => thing.of || (thing.end - thing.start) * scale < THIN;
    if (close && (overlaps || (thin(last) && thin(bar)))) found[found.length - 1] = heap(last, bar); else found.push(bar);
  }
  return found;
}

function heap(first, second) {
  const of = [...(first.of ?? [first]), second];
  const looks = of.map((bar) => bar.look.split(" ")[0]);
  const look = ["is-draft", "is-ours", "is-seen", "is-busy"].find((one) => looks.includes(one));
  return {
    key: of[0].key, start: first.start, end: Math.max(first.end, second.end), kind: "heap", of, beside: first.beside,
    bookings: of.flatMap((bar) => bar.bookings), look: `${look} is-heap`, short: String(of.length), text: String(of.length),
    name: () => [say(words.many, { n: of.length })],
  };
}

// Stretches of a pool in which as much is in use; narrow neighbours are told by their most.
function steps(row, held, { from, to, scale }) {
  const found = [];
  const levels = held.levels;
  const narrow = (step) => (step.end - step.start) * scale < STEP;
  for (let n = 0; n < levels.length; n += 1) {
    const start = levels[n].at;
    const end = levels[n + 1]?.at ?? start;
    if (end <= from || start >= to || end === start) continue;
    const { used, seen } = levels[n];
    const last = found.at(-1);
    if (last && last.end === start && last.used === used && last.seen === seen && !last.rough) last.end = end;
    else if (last && last.end === start && narrow(last) && narrow({ start, end }) && (used > 0 || last.used > 0)) {
      Object.assign(last, { end, rough: true, used: Math.max(last.used, used), seen: Math.max(last.seen, seen) });
    } else found.push({ start, end, used, seen, rough: false });
  }
  return found.filter(({ used }) => used > 0).map((step) => ({
    ...step, key: `l${step.start}`, kind: "level", look: `is-level${step.seen ? (settings.firm ? " is-ours" : " is-seen") : ""}${step.used >= row.capacity && !step.rough ? " is-full" : ""}`,
    get bookings() { return held.bookings.filter((booking) => booking.start < step.end && booking.end > step.start); },
    short: `${step.rough ? "≤" : ""}${step.used}`, text: `${step.rough ? "≤" : ""}${step.used}/${row.capacity}`,
    name: () => [say(step.rough ? words.level_most : words.level, { used: step.used, capacity: row.capacity })],
  }));
}

// The curve of a pool as the outlines of areas, `height` px high for all of its capacity.
export function outline(levels, field, { from, to, scale }, capacity, height) {
  const parts = [];
  const round = (pixels) => Math.round(pixels * 10) / 10;
  let x = 0;
  let y = height; // of what is drawn so far; `height` for nothing in use
  const step = (nextX, nextY) => {
    if (nextY === y) return;
    parts.push(y === height ? `M${nextX} ${height}V${nextY}` : `H${nextX}V${nextY}`);
    if (nextY === height) parts.push("Z");
    x = nextX;
    y = nextY;
  };
  let before = null; // what is in use when the frame begins
  for (const level of levels) {
    if (level.at <= from) { before = level; continue; }
    if (before) { step(0, round(height * (1 - Math.min(1, before[field] / capacity)))); before = null; }
    if (level.at >= to) break;
    const nextX = round((level.at - from) * scale);
    const nextY = round(height * (1 - Math.min(1, level[field] / capacity)));
    if (nextX - x < 1 && nextY > y && nextX > 1) continue; // thinner than a pixel: its most is drawn
    step(nextX, nextY);
  }
  step(round((to - from) * scale), height);
  return parts.join("");
}

export function hatched(closed, { from, to, scale }, height) {
  const parts = [];
  for (let n = 0; n < closed.length; n += 2) {
    const start = Math.max(closed[n], from);
    const end = Math.min(closed[n + 1], to);
    if ((end - start) * scale < 2) continue;
    const x = Math.round((start - from) * scale * 10) / 10;
    parts.push(`M${x} 0h${Math.round((end - start) * scale * 10) / 10}v${height}H${x}z`);
  }
  return parts.join("");
}
