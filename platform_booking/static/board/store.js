// What is booked, fetched by tiles of time and kept as long as it is near the view.
// A tile is asked for again with the tag of its last answer: nothing new costs next to nothing.
import { DAY } from "./time.js";

const KEPT = 14;
const sizeFor = (span) => (span <= 7 * DAY ? 7 * DAY : 28 * DAY);

export class Store {
  #address;
  #heard;
  #tiles = new Map();
  #chosen = { platforms: [], draft: false };
  #abort = new AbortController();
  version = 0;
  fault = null; // "failed" | "signed_out" of the last answer, null when it came

  constructor(address, heard) {
    this.#address = address;
    this.#heard = heard;
  }

  // Other platforms, or the draft beside: what is kept answers another question.
  choose(platforms, draft) {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#tiles.clear();
    this.#chosen = { platforms: [...platforms].sort(), draft };
    this.version += 1;
  }

  get loading() { return [...this.#tiles.values()].some((tile) => tile.asking && !tile.rows); }

  // The tiles of [from, to); what is missing is asked for.
  need(from, to, span) {
    const size = sizeFor(span);
    const found = [];
    for (let at = Math.floor(from / size) * size; at < to; at += size) {
      const key = `${size}:${at}`;
      let tile = this.#tiles.get(key);
      if (!tile) tile = { from: at, to: at + size, tag: null, rows: null, draft: null, asking: false };
      this.#tiles.delete(key); // last used, last thrown away
      this.#tiles.set(key, tile);
      if (!tile.rows && !tile.asking && !tile.failed) this.#ask(tile);
      found.push(tile);
    }
    for (const key of this.#tiles.keys()) {
      if (this.#tiles.size <= Math.max(KEPT, found.length)) break;
      this.#tiles.delete(key);
    }
    return found;
  }

  // Asks for news of the tiles in view.
  refresh(from, to, span) {
    for (const tile of this.need(from, to, span)) if (!tile.asking) this.#ask(tile);
  }

  async #ask(tile) {
    tile.asking = true;
    const { signal } = this.#abort;
    const asked = new URLSearchParams({ from: iso(tile.from), to: iso(tile.to) });
    if (this.#chosen.platforms.length) asked.set("platform", this.#chosen.platforms.join(","));
    if (this.#chosen.draft) asked.set("draft", "1");
    const headers = { Accept: "application/json" };
    if (tile.tag) headers["If-None-Match"] = tile.tag;
    let fault = null;
    try {
      const answer = await fetch(`${this.#address}?${asked}`, { headers, signal });
      if (answer.status === 200) {
        take(tile, await answer.json());
        tile.tag = answer.headers.get("ETag");
        this.version += 1;
      } else if (answer.status !== 304) fault = answer.status === 401 ? "signed_out" : "failed";
    } catch (error) {
      if (error.name === "AbortError") return;
      fault = "failed";
    }
    tile.asking = false;
    tile.failed = fault !== null;
    this.fault = fault;
    this.#heard(tile);
  }
}

const iso = (minute) => `${new Date(minute * 60_000).toISOString().slice(0, 16)}Z`;
const nothing = (closed) => ({ closed, outages: [], occurrences: [], bookings: [], busy: [], runs: [], levels: [], drafts: [] });

// The answer's arrays as objects by resource, times in minutes since 1970.
function take(tile, told) {
  const base = told.from;
  const text = (place) => told.words[place];
  const calendars = told.closed.map((flat) => flat.map((minute) => minute + base));
  const rows = told.rows.map(([, calendar]) => nothing(calendars[calendar]));
  const span = (start, end) => ({ start: start + base, end: end + base });
  for (const [row, start, end, kind, reason] of told.outages) rows[row].outages.push({ ...span(start, end), kind, reason });
  for (const [row, id, start, end, capacity, used, seen, name, closes] of told.occurrences) {
    rows[row].occurrences.push({ ...span(start, end), id, capacity, used, seen, name, closes: closes === null ? null : closes + base });
  }
  for (const [row, id, start, end, quantity, state, ours, title, step, project, organisation, recipe, order] of told.bookings) {
    rows[row].bookings.push({
      ...span(start, end), id, quantity, state, ours: ours === 1, order,
      title: text(title), step: text(step), project: text(project), organisation: text(organisation), recipe: text(recipe),
    });
  }
  for (const [row, start, end] of told.busy) rows[row].busy.push(span(start, end));
  for (const [row, start, end, used, capacity, seen] of told.runs) rows[row].runs.push({ ...span(start, end), used, capacity, seen });
  for (const [row, ...flat] of told.levels) {
    for (let n = 0; n < flat.length; n += 3) rows[row].levels.push({ at: flat[n] + base, used: flat[n + 1], seen: flat[n + 2] });
  }
  for (const [row, start, end, quantity, change, title, step, organisation, recipe, order, moves] of told.draft?.placements ?? []) {
    rows[row].drafts.push({
      ...span(start, end), quantity, change, order, moves,
      title: text(title), step: text(step), organisation: text(organisation), recipe: text(recipe),
    });
  }
  tile.draft = told.draft ? { plan: told.draft.plan, night: told.draft.night } : null;
  tile.rows = new Map(told.rows.map(([id], place) => [id, rows[place]]));
}

// What several tiles tell of one resource, each thing once.
export function together(tiles, id) {
  const parts = tiles.map((tile) => tile.rows?.get(id)).filter(Boolean);
  if (parts.length === 1) return parts[0];
  const whole = nothing(parts.flatMap((part) => part.closed));
  const once = (name, key) => {
    const found = new Map();
    for (const part of parts) for (const thing of part[name]) found.set(key(thing), thing);
    return [...found.values()];
  };
  const stretch = (thing) => `${thing.start}-${thing.end}`;
  whole.bookings = once("bookings", (booking) => booking.id);
  whole.occurrences = once("occurrences", (occurrence) => occurrence.id);
  whole.outages = once("outages", (outage) => `${stretch(outage)}${outage.kind}`);
  whole.busy = once("busy", stretch);
  whole.runs = once("runs", stretch);
  whole.drafts = once("drafts", (draft) => `${stretch(draft)}${draft.order}${draft.step}`);
  whole.levels = once("levels", (level) => level.at);
  return whole;
}
