// The schedule board: one view in time and space, and everything that changes it.
import { read, write } from "./address.js";
import { Axis } from "./axis.js";
import { Details } from "./details.js";
import { gestures } from "./gestures.js";
import { Keys } from "./keys.js";
import { Painter } from "./paint.js";
import { Rows } from "./rows.js";
import { Store } from "./store.js";
import { home, snapped, Zone } from "./time.js";
import { Tools } from "./tools.js";
import { say, settings, words } from "./words.js";

const BESIDE = 0.3; // of the view, drawn beyond either edge
const NEWS_EVERY = 30_000; // ms
const NARROW = 600; // px: phones begin with a day
const ZOOMS = Object.keys(settings.zooms); // finest first
const find = (name) => document.querySelector(`[data-${name}]`);

class Board {
  #root = find("board");
  #body = find("body");
  #space = find("space");
  #says = find("says");
  #note = find("note");
  #axis;
  #tools;
  #details;
  #drawn = null; // {from, to, scale}: what the nodes stand for
  #waiting = false;
  #settling = 0;
  #clock = performance.now();

  constructor() {
    this.zone = new Zone(settings.zone, words.weekdays);
    this.rows = new Rows(settings);
    this.painter = new Painter(this.#space, this.zone, this.rows);
    this.store = new Store(settings.feed, () => this.#heard());
    this.#axis = new Axis(find("axis"), find("lines"), find("over"), this.zone);
    this.#details = new Details(find("details"), this.zone, (item) => this.#fit(item));
    this.#tools = new Tools(find("tools"), this);
    this.keys = new Keys(this.#body, this);
    gestures(this.#body, {
      pan: (pixels) => this.#pan(pixels), zoom: (by, at) => this.zoomBy(by, at),
      settle: () => this.#settle(), press: (target) => this.#press(target),
    });
    this.#root.hidden = false;
    this.#enter();
    this.#body.addEventListener("scroll", () => this.#later());
    new ResizeObserver(() => this.#resize()).observe(this.#root);
    addEventListener("popstate", () => this.#enter());
    setInterval(() => { if (!document.hidden) this.#news(); }, NEWS_EVERY);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#news(); });
  }

  get now() { return settings.now + (performance.now() - this.#clock) / 60_000; }
  get seen() { return [this.view.from, this.view.from + this.view.span]; }

  // Takes the view from the address.
  #enter() {
    const asked = read(settings.zooms);
    const zoom = asked.zoom ?? (innerWidth < NARROW ? "day" : settings.zoom);
    this.view = { ...asked, zoom, span: settings.zooms[zoom], from: asked.from ?? home(this.zone, zoom, this.now) };
    this.#chosen();
  }

  #chosen() {
    const { platforms, sought, draft } = this.view;
    this.rows.choose(platforms, sought, draft);
    const asked = `${[...platforms].sort()} ${draft}`;
    if (asked !== this.asked) this.store.choose(platforms, draft);
    this.asked = asked;
    this.#changed();
  }

  #changed(fresh = false) {
    this.#drawn = null;
    this.#tools.show(this.view, this.zone);
    write(this.view, fresh);
    this.#later();
  }

  // What the controls and the keyboard ask for.
  choose(change) {
    Object.assign(this.view, change);
    if (!("sought" in change)) write(this.view, true);
    this.#chosen();
    this.say(this.rows.count ? this.#window() : words.nothing_found);
  }

  today() { this.#go(home(this.zone, this.view.zoom, this.now)); }
  step(by) { this.#go(snapped(this.zone, this.view.span, this.view.from + by * this.view.span)); }

  #go(from, zoom = this.view.zoom) {
    Object.assign(this.view, { from, zoom, span: settings.zooms[zoom] });
    this.#changed(true);
    this.say(this.#window());
  }

  // `at`: which part of the view keeps its place, from 0 to 1; the present if it is in view.
  zoomTo(zoom, at) {
    if (!(zoom in settings.zooms) || zoom === this.view.zoom) return;
    const { from, span } = this.view;
    const place = (this.now - from) / span;
    const part = at ?? (place >= 0 && place <= 1 ? place : 0.5);
    const next = settings.zooms[zoom];
    this.#go(snapped(this.zone, next, from + part * span - part * next), zoom);
  }

  zoomBy(by, at) {
    const zoom = ZOOMS[ZOOMS.indexOf(this.view.zoom) + by];
    if (zoom) this.zoomTo(zoom, at);
  }

  search() { this.#tools.search(); }

  fold(key) {
    this.rows.fold(key);
    this.#drawn = null;
    this.#draw();
    this.focus(this.rows.find(key), null);
    this.say(this.rows.isFolded(key) ? words.collapsed : words.expanded);
  }

  focus(row, item) {
    if (!row) return;
    const { scrollTop, clientHeight } = this.#body;
    if (row.y < scrollTop) this.#body.scrollTop = row.y;
    else if (row.y + row.height > scrollTop + clientHeight) this.#body.scrollTop = row.y + row.height - clientHeight;
    const [from, to] = this.seen;
    if (item && (item.end <= from || item.start >= to)) {
      this.view.from = snapped(this.zone, this.view.span, item.start - this.view.span / 4);
      this.#changed();
    }
    this.painter.moveCursor({ row: row.key, item: item?.key ?? null });
    this.#draw();
    this.painter.target(this.painter.cursor)?.focus({ preventScroll: true });
  }

  open(row, item) {
    if (!item) return;
    const draft = this.painter.tiles.map((tile) => tile.draft).find(Boolean);
    this.#details.show(row, item, draft);
  }

  announceEnd() { this.say(words.end_right); }
  say(text) { this.#says.textContent = text; }

  #window() {
    const [from, to] = this.seen.map(Math.round);
    return say(words.window, { zoom: words.zooms[this.view.zoom], from: this.zone.moment(from), to: this.zone.moment(to), n: this.rows.count });
  }

  #fit(item) {
    const zoom = ZOOMS.find((name) => settings.zooms[name] >= (item.end - item.start) * 1.2) ?? this.view.zoom;
    const span = settings.zooms[zoom];
    this.#go(snapped(this.zone, span, (item.start + item.end - span) / 2), zoom);
  }

  #press(target) {
    const node = target.closest(".board-row");
    if (!node) return;
    const bar = target.closest(".bar");
    if (bar) { this.painter.moveCursor({ row: node.row.key, item: bar.item.key }); bar.focus({ preventScroll: true }); this.open(node.row, bar.item); }
    else if (node.row.group) this.fold(node.row.key);
  }

  #pan(pixels) {
    this.view.from += pixels / this.#scale;
    this.#later();
  }

  // A pan has come to rest: the address and the labels follow.
  #settle() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      this.view.from = Math.round(this.view.from);
      this.#drawn = null; // labels are set where they can be read now
      this.#later();
      this.#tools.show(this.view, this.zone);
      write(this.view, false);
    }, 150);
  }

  #heard() {
    this.#note.hidden = this.store.fault === null;
    this.#note.textContent = this.store.fault ? words[this.store.fault] : "";
    this.#later();
  }

  #news() {
    const { from, to } = this.#drawn ?? {};
    if (from !== undefined) this.store.refresh(from, to, this.view.span);
    this.#drawn = null; // the line of the present moves on
    this.#later();
  }

  #resize() {
    this.#root.style.setProperty("--gutter", `${this.#body.offsetWidth - this.#body.clientWidth}px`);
    this.#root.style.setProperty("--top", `${this.#root.getBoundingClientRect().top + scrollY}px`);
    this.#drawn = null;
    this.#later();
  }

  get #scale() { return this.width / this.view.span; }

  #later() {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => { this.#waiting = false; this.#draw(); });
  }

  // Draws what is missing; a pan within what is drawn only shifts it.
  #draw() {
    const name = parseFloat(getComputedStyle(this.#root).getPropertyValue("--name"));
    this.width = Math.max(50, this.#body.clientWidth - name);
    const { from, span, draft } = this.view;
    const scale = this.#scale;
    if (!this.#drawn || this.#drawn.scale !== scale || from < this.#drawn.from || from + span > this.#drawn.to) {
      const beside = Math.round(span * BESIDE);
      this.#drawn = { from: Math.floor(from) - beside, to: Math.ceil(from + span) + beside, scale };
      this.#axis.draw(this.#drawn, this.now);
      this.#space.style.height = `${this.rows.height}px`;
      this.#body.setAttribute("aria-rowcount", String(this.rows.list.length));
    }
    const frame = { ...this.#drawn, draft, beside: span * BESIDE * scale };
    const tiles = this.store.need(frame.from, frame.to, span);
    this.#root.style.setProperty("--pan", `${((this.#drawn.from - from) * scale).toFixed(1)}px`);
    const held = this.#space.contains(document.activeElement);
    this.painter.begin(frame, tiles, `${frame.from} ${frame.to} ${scale} ${this.store.version} ${draft}`);
    if (!this.rows.find(this.painter.cursor?.row)) this.painter.cursor = { row: this.rows.list[0]?.key, item: null };
    this.painter.draw(this.#body.scrollTop, this.#body.scrollTop + this.#body.clientHeight);
    this.#keepFocus(held);
    this.#root.classList.toggle("is-loading", this.store.loading);
    this.#root.setAttribute("aria-busy", String(this.store.loading));
  }

  // What the keyboard is on keeps the focus while nodes are used again for other things.
  #keepFocus(held) {
    const target = this.painter.target(this.painter.cursor);
    this.#body.tabIndex = target ? -1 : 0;
    if (held && document.activeElement !== target) (target ?? this.#body).focus({ preventScroll: true });
  }
}

new Board();
