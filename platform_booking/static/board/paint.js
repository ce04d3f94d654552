// Puts rows and bars on the page. Few nodes, used again and again: a row that leaves at the top
// comes back at the bottom, and only the rows in view have any. Styles are set through the CSSOM.
import { hatched, itemsOf, outline } from "./items.js";
import { laneHeight } from "./rows.js";
import { together } from "./store.js";
import { say, settings, words } from "./words.js";

const SPARE = 3; // rows drawn beyond either edge
const NUMBERS = 15; // px above the curve of a pool
const SVG = "http://www.w3.org/2000/svg";
const EMPTY = { closed: [], outages: [], occurrences: [], bookings: [], busy: [], runs: [], levels: [], drafts: [] };

export class Painter {
  #space;
  #zone;
  #rows;
  #nodes = new Map(); // place in the list → node
  #idle = [];
  #items = new Map(); // row key → {stamp, items, held}
  #hatches = new Map();
  frame = null;
  tiles = [];
  stamp = ""; // changes when every row has to be drawn anew
  cursor = null; // {row, item}: what the keyboard is on

  constructor(space, zone, rows) {
    this.#space = space;
    this.#zone = zone;
    this.#rows = rows;
  }

  // What is on a row in this frame, computed once.
  on(row) {
    const known = this.#items.get(row.key);
    if (known?.stamp === this.stamp) return known;
    const held = together(this.tiles, row.key) ?? EMPTY;
    const fresh = { stamp: this.stamp, held, items: row.group ? [] : itemsOf(row, held, this.frame) };
    this.#items.set(row.key, fresh);
    return fresh;
  }

  begin(frame, tiles, stamp) {
    if (stamp === this.stamp) return;
    const drafts = frame.draft ? tiles.flatMap((tile) => [...(tile.rows?.values() ?? [])].flatMap((held) => held.drafts)) : [];
    this.frame = { ...frame, moving: new Set(drafts.map(({ moves }) => moves)) };
    this.tiles = tiles;
    this.stamp = stamp;
    this.#items.clear();
    this.#hatches.clear();
  }

  // Draws the rows between two heights, and nothing else.
  draw(top, bottom) {
    const { list } = this.#rows;
    const first = Math.max(0, this.#rows.placeAt(top) - SPARE);
    const last = Math.min(list.length, this.#rows.placeAt(bottom) + 1 + SPARE);
    for (const [place, node] of this.#nodes) {
      if (place >= first && place < last && list[place].key === node.row.key) continue;
      this.#nodes.delete(place);
      this.#retire(node);
    }
    for (let place = first; place < last; place += 1) {
      let node = this.#nodes.get(place);
      if (!node) {
        node = this.#idle.pop() ?? makeRow();
        this.#nodes.set(place, node);
        if (!node.isConnected) this.#space.append(node);
        node.hidden = false;
      }
      this.#paintRow(node, list[place]);
    }
    for (const node of this.#idle.splice(2 * SPARE)) node.remove();
  }

  #retire(node) {
    node.hidden = true;
    node.stamp = "";
    this.#idle.push(node);
  }

  #paintRow(node, row) {
    const stamp = `${row.key} ${row.place} ${row.y} ${this.stamp} ${row.group ? this.#rows.isFolded(row.key) : ""}`;
    if (node.stamp !== stamp) {
      node.stamp = stamp;
      node.row = row;
      node.style.transform = `translateY(${row.y}px)`;
      node.style.height = `${row.height}px`;
      node.setAttribute("aria-rowindex", row.place + 1);
      node.classList.toggle("is-group", Boolean(row.group));
      node.classList.toggle("is-beside", this.frame.draft && !row.group);
      if (row.group) this.#paintGroup(node, row); else this.#paintResource(node, row);
    }
    this.#mark(node, row);
  }

  #paintGroup(node, row) {
    const folded = this.#rows.isFolded(row.key);
    node.label.setAttribute("aria-expanded", String(!folded));
    node.label.setAttribute("aria-label", say(words.group, { name: row.name, n: row.resources.length }));
    node.code.textContent = `${folded ? "▸" : "▾"} ${row.name}`;
    node.title2.textContent = row.resources.length;
    node.label.title = "";
    this.#paintBars(node, []);
    for (const path of node.paths) path.setAttribute("d", "");
  }

  #paintResource(node, row) {
    const { items, held } = this.on(row);
    node.label.removeAttribute("aria-expanded");
    node.label.setAttribute("aria-label", `${row.code} ${row.name}, ${items.length ? say(words.items, { n: items.length }) : words.no_items}`);
    node.code.textContent = row.code;
    node.title2.textContent = row.name;
    node.label.title = `${row.code} ${row.name}`;
    const height = laneHeight(row, this.frame.draft);
    const [closed, used, seen] = node.paths;
    const hatchKey = `${row.height} ${held.closed.join()}`;
    let hatch = this.#hatches.get(hatchKey);
    if (hatch === undefined) this.#hatches.set(hatchKey, (hatch = hatched(held.closed, this.frame, row.height)));
    closed.setAttribute("d", hatch);
    const curve = row.kind === "pooled" && held.levels.length > 0;
    used.setAttribute("d", curve ? outline(held.levels, "used", this.frame, row.capacity, height - NUMBERS - 1) : "");
    seen.setAttribute("d", curve ? outline(held.levels, "seen", this.frame, row.capacity, height - NUMBERS - 1) : "");
    this.#paintBars(node, items, height);
  }

  #paintBars(node, items, height) {
    const { from, to, scale } = this.frame;
    const bars = node.bars;
    while (bars.length > items.length) bars.pop().remove();
    items.forEach((item, place) => {
      let bar = bars[place];
      if (!bar) {
        bar = document.createElement("div");
        bar.setAttribute("role", "button");
        bar.tabIndex = -1;
        bars.push(bar);
        node.track.append(bar);
      }
      const start = Math.max(item.start, from);
      const left = (start - from) * scale;
      const width = Math.max(3, (Math.min(item.end, to) - start) * scale - 1);
      bar.item = item;
      const size = width < 20 ? " is-thin" : width > 240 || left < this.frame.beside ? " is-long" : "";
      bar.className = `bar ${item.look}${size}${item.beside ? " is-lower" : ""}`;
      bar.style.transform = `translateX(${left.toFixed(1)}px)`;
      bar.style.width = `${width.toFixed(1)}px`;
      bar.style.setProperty("--w", `${width.toFixed(1)}px`);
      bar.style.setProperty("--x", `${left.toFixed(1)}px`);
      if (item.fill !== undefined) bar.style.setProperty("--fill", String(Math.min(1, item.fill)));
      if (!item.beside) bar.style.setProperty("--lane", `${height}px`);
      bar.textContent = fitting(item, width);
      bar.setAttribute("aria-label", this.nameOf(item));
    });
  }

  nameOf(item) {
    const said = [this.#zone.stretch(item.start, item.end), ...item.name()];
    return said.filter(Boolean).join(", ");
  }

  // Only what the keyboard is on can be reached with Tab.
  #mark(node, row) {
    const here = this.cursor?.row === row.key;
    node.label.tabIndex = here && !this.cursor.item ? 0 : -1;
    for (const bar of node.bars) bar.tabIndex = here && bar.item.key === this.cursor.item ? 0 : -1;
  }

  // The node of what the keyboard is on, when it is drawn.
  target(cursor) {
    for (const node of this.#nodes.values()) {
      if (node.row.key !== cursor.row) continue;
      return cursor.item ? node.bars.find((bar) => bar.item.key === cursor.item) : node.label;
    }
    return undefined;
  }

  moveCursor(cursor) {
    this.cursor = cursor;
    for (const node of this.#nodes.values()) this.#mark(node, node.row);
  }
}

// The most that can be read in so many pixels.
function fitting(item, width) {
  const room = width - (item.kind === "level" ? 8 : 18);
  if (item.kind === "level" ? room >= 7 * item.text.length : room >= 26 + 6 * (item.short?.length ?? 0)) return item.text;
  return item.short && room >= 7 * item.short.length ? item.short : "";
}

function makeRow() {
  const part = (name, role) => {
    const node = document.createElement("div");
    node.className = name;
    if (role) node.setAttribute("role", role);
    return node;
  };
  const node = part("board-row", "row");
  node.label = part("board-name", "rowheader");
  node.code = document.createElement("span");
  node.code.className = "code";
  node.title2 = document.createElement("span");
  node.title2.className = "name";
  node.label.append(node.code, node.title2);
  const lane = part("board-lane", "gridcell");
  node.track = part("board-track");
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("aria-hidden", "true");
  node.paths = ["closed", "used", "seen"].map((name) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name === "seen" && !settings.firm ? "seen is-staffs" : name);
    if (name !== "closed") path.setAttribute("transform", `translate(0 ${NUMBERS})`);
    picture.append(path);
    return path;
  });
  node.track.append(picture);
  lane.append(node.track);
  node.append(node.label, lane);
  node.bars = [];
  node.stamp = "";
  return node;
}
