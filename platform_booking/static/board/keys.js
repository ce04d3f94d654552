// The keyboard: one stop for Tab, arrows from there. The cursor is kept by name, not by node,
// so that it survives scrolling, zooming and news.
export class Keys {
  #board;

  constructor(body, board) {
    this.#board = board;
    body.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const act = this.#act(event);
      if (!act) return;
      event.preventDefault();
      act();
    });
    body.addEventListener("focusin", (event) => {
      const node = event.target.closest(".board-row");
      if (!node) return;
      const bar = event.target.closest(".bar");
      board.painter.moveCursor({ row: node.row.key, item: bar?.item.key ?? null });
    });
  }

  #act({ key, shiftKey }) {
    const board = this.#board;
    if (shiftKey && key === "ArrowLeft") return () => board.step(-0.5);
    if (shiftKey && key === "ArrowRight") return () => board.step(0.5);
    const acts = {
      ArrowDown: () => this.#row(1), ArrowUp: () => this.#row(-1), PageDown: () => this.#row(10), PageUp: () => this.#row(-10),
      Home: () => this.#row(-Infinity), End: () => this.#row(Infinity),
      ArrowRight: () => this.#item(1), ArrowLeft: () => this.#item(-1),
      Enter: () => this.#open(), " ": () => this.#open(),
      "+": () => board.zoomBy(-1), "=": () => board.zoomBy(-1), "-": () => board.zoomBy(1),
      t: () => board.today(), T: () => board.today(), "/": () => board.search(),
    };
    return acts[key];
  }

  get #cursor() {
    const { list } = this.#board.rows;
    const cursor = this.#board.painter.cursor;
    const row = cursor && this.#board.rows.find(cursor.row);
    return row ? { row, item: cursor.item } : { row: list[0], item: null };
  }

  #row(by) {
    const { list } = this.#board.rows;
    const { row, item } = this.#cursor;
    if (!row) return;
    const next = list[Math.min(list.length - 1, Math.max(0, row.place + by))];
    if (next === row) return;
    const here = item && this.#board.painter.on(row).items.find(({ key }) => key === item);
    const around = here ? (here.start + here.end) / 2 : null;
    this.#board.focus(next, around === null ? null : nearest(this.#inView(next), around));
  }

  #inView(row) {
    const [from, to] = this.#board.seen;
    return this.#board.painter.on(row).items.filter(({ start, end }) => start < to && end > from);
  }

  #item(by) {
    const { row, item } = this.#cursor;
    if (!row) return;
    if (row.group) {
      if (this.#board.rows.isFolded(row.key) === (by > 0)) this.#board.fold(row.key);
      return;
    }
    const { items } = this.#board.painter.on(row);
    const place = items.findIndex(({ key }) => key === item);
    const next = place < 0 ? this.#inView(row)[0] : items[place + by];
    if (next && (place >= 0 || by > 0)) this.#board.focus(row, next);
    else if (by < 0) this.#board.focus(row, null);
    else this.#board.announceEnd();
  }

  #open() {
    const { row, item } = this.#cursor;
    if (!row) return;
    if (row.group) this.#board.fold(row.key);
    else if (item) this.#board.open(row, this.#board.painter.on(row).items.find(({ key }) => key === item));
    else this.#item(1);
  }
}

const nearest = (items, at) => {
  let best = null;
  let least = Infinity;
  for (const item of items) {
    const away = Math.max(item.start - at, at - item.end, 0);
    if (away < least) { best = item; least = away; }
  }
  return best;
};
