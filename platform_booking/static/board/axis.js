// The time above the rows, the lines behind them, and the line of the present.
import { ticks } from "./time.js";
import { words } from "./words.js";

export class Axis {
  #axis;
  #lines;
  #zone;
  #labels = [];
  #rules = [];
  #now;
  #nowLabel;

  constructor(axis, lines, over, zone) {
    this.#axis = axis;
    this.#lines = lines;
    this.#zone = zone;
    this.#now = append(over, "board-now");
    this.#nowLabel = append(axis, "board-now-label");
    this.#nowLabel.textContent = words.now;
  }

  draw({ from, to, scale }, now) {
    const { fine, coarse } = ticks(this.#zone, from, to, scale);
    const x = (minute) => (minute - from) * scale;
    let used = 0;
    const label = (name, left, text, width) => {
      const node = this.#labels[used] ?? (this.#labels[used] = append(this.#axis, ""));
      used += 1;
      node.className = name;
      node.hidden = false;
      node.style.transform = `translateX(${left.toFixed(1)}px)`;
      node.style.setProperty("--x", `${left.toFixed(1)}px`);
      node.style.width = width ? `${width.toFixed(1)}px` : "";
      node.textContent = text;
    };
    for (const { at, text, until } of fine) label("board-fine", x(at), text, until ? x(until) - x(at) : 0);
    for (const { at, text, until } of coarse) label("board-coarse", x(at), text, x(until) - x(at));
    for (const node of this.#labels.splice(used)) node.remove();
    const marks = [...fine.map(({ at }) => [at, "board-rule"]), ...coarse.map(({ at }) => [at, "board-rule is-strong"])];
    marks.forEach(([at, name], place) => {
      const node = this.#rules[place] ?? (this.#rules[place] = append(this.#lines, ""));
      node.className = name;
      node.style.transform = `translateX(${x(at).toFixed(1)}px)`;
    });
    for (const node of this.#rules.splice(marks.length)) node.remove();
    const shown = now >= from && now < to;
    for (const node of [this.#now, this.#nowLabel]) {
      node.hidden = !shown;
      node.style.transform = `translateX(${x(now).toFixed(1)}px)`;
    }
  }
}

function append(parent, name) {
  const node = document.createElement("div");
  node.className = name;
  parent.append(node);
  return node;
}
