// What is known of one bar, in a dialog. Texts are set as texts, never as markup.
import { titleOf } from "./items.js";
import { amount, duration, say, settings, words } from "./words.js";

const MOST = 50; // listed in one dialog
const ANY = "00000000-0000-0000-0000-000000000000";

export class Details {
  #dialog;
  #title;
  #body;
  #zone;
  #fit;

  constructor(dialog, zone, fit) {
    this.#dialog = dialog;
    this.#title = dialog.querySelector("[data-details-title]");
    this.#body = dialog.querySelector("[data-details-body]");
    this.#zone = zone;
    this.#fit = fit;
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  show(row, item, draft) {
    this.#title.textContent = this.#heading(row, item);
    const facts = words.facts;
    const pairs = [
      [facts.resource, `${row.code} ${row.name}`],
      [facts.from, this.#full(item.start)],
      [facts.to, this.#full(item.end)],
      [facts.duration, duration(item.end - item.start)],
    ];
    const one = item.kind === "booking" ? item.bookings[0] : item.draft;
    if (one) pairs.push(...this.#facts(row, one));
    if (item.kind === "run") pairs.push([facts.load, `${item.used} / ${item.capacity}`]);
    if (item.kind === "occurrence") {
      pairs.push([facts.taken, `${amount(item.used, row)} / ${amount(item.capacity, row)}`]);
      if (item.closes !== null) pairs.push([facts.closes, this.#full(item.closes)]);
    }
    if (item.kind === "level") pairs.push([facts.taken, `${item.rough ? "≤ " : ""}${item.used} / ${row.capacity}`]);
    if (item.reason) pairs.push([facts.reason, item.reason]);
    if (item.draft && draft) pairs.push([facts.night, draft.night]);
    const links = [];
    if (one) links.push(...linksOf(one));
    if (item.draft && draft) links.push(link("plan", draft.plan, words.open_plan));
    this.#body.replaceChildren(list(pairs), ...this.#listed(row, item, one), foot(links.filter(Boolean)));
    this.#dialog.showModal();
  }

  #heading(row, item) {
    if (item.kind === "booking") return titleOf(item.bookings[0]);
    if (item.kind === "draft") return item.draft.title;
    return item.name()[0];
  }

  #facts(row, thing) {
    const facts = words.facts;
    return [
      [facts.organisation, thing.organisation],
      [facts.project, thing.project],
      [facts.step, thing.step],
      [facts.recipe, thing.recipe],
      [facts.quantity, amount(thing.quantity, row)],
      [facts.state, thing.state ? words.states[thing.state] : words.changes[thing.change]],
    ].filter(([, value]) => value);
  }

  // What a heap, a run or a step of a pool is made of.
  #listed(row, item, one) {
    if (item.kind === "busy") return [paragraph(words.busy_text)];
    if (one) return [];
    const parts = [];
    if (item.of) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-sm btn-outline-primary mb-2";
      button.textContent = words.fit;
      button.addEventListener("click", () => { this.#dialog.close(); this.#fit(item); });
      parts.push(button);
    }
    const entries = item.of
      ? item.of.map((bar) => [bar.start, bar.end, bar.name().filter(Boolean).join(", "), bar.bookings[0] ?? bar.draft])
      : item.bookings.map((booking) => [booking.start, booking.end, `${booking.ours ? "" : `${booking.organisation} · `}${titleOf(booking)} (${amount(booking.quantity, row)})`, booking]);
    if (!entries.length) return parts;
    const all = document.createElement("ul");
    all.className = "board-listed list-unstyled";
    for (const [start, end, text, thing] of entries.slice(0, MOST)) {
      const entry = document.createElement("li");
      const [target] = thing ? linksOf(thing) : [];
      const told = target ?? document.createElement("span");
      told.textContent = text;
      told.className = "";
      const when = document.createElement("small");
      when.className = "text-body-secondary";
      when.textContent = this.#zone.stretch(start, end);
      entry.append(told, " ", when);
      all.append(entry);
    }
    if (entries.length > MOST) all.append(paragraph(`… ${say(words.many, { n: entries.length })}`));
    return [...parts, all];
  }

  #full(minute) { return `${this.#zone.day(minute)} ${this.#zone.weekday(minute)} ${this.#zone.clock(minute)}`; }
}

function linksOf(thing) {
  return [
    thing.order ? link("order", thing.order, words.open_order) : null,
    thing.id ? link("booking", thing.id, words.open_booking) : null,
  ].filter(Boolean);
}

function link(kind, id, text) {
  const pattern = settings.addresses[kind];
  if (!pattern) return null;
  const node = document.createElement("a");
  node.href = pattern.replace(ANY, encodeURIComponent(id));
  node.className = "btn btn-sm btn-outline-primary";
  node.textContent = text;
  return node;
}

function list(pairs) {
  const facts = document.createElement("dl");
  for (const [term, value] of pairs) {
    const name = document.createElement("dt");
    name.textContent = term;
    const what = document.createElement("dd");
    what.textContent = value;
    facts.append(name, what);
  }
  return facts;
}

function foot(links) {
  const node = document.createElement("p");
  node.className = "d-flex flex-wrap gap-2 mb-0";
  node.append(...links);
  return node;
}

function paragraph(text) {
  const node = document.createElement("p");
  node.textContent = text;
  return node;
}
