// The controls above the board: they tell the board what to show, and show what it shows.
import { address } from "./address.js";
import { say, settings, words } from "./words.js";

export class Tools {
  #root;
  #find = (name) => this.#root.querySelector(`[data-${name}]`);

  constructor(root, board) {
    this.#root = root;
    root.addEventListener("submit", (event) => event.preventDefault());
    root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.pan) board.step(Number(button.dataset.pan));
      if (button.dataset.zoom) board.zoomTo(button.dataset.zoom);
      if ("today" in button.dataset) board.today();
    });
    this.#find("zoom-select").addEventListener("change", (event) => board.zoomTo(event.target.value));
    this.#find("platforms").addEventListener("change", () => {
      board.choose({ platforms: new Set([...root.querySelectorAll("[name=platform]:checked")].map(({ value }) => value)) });
    });
    document.addEventListener("click", (event) => {
      const menu = this.#find("platforms");
      if (menu.open && !menu.contains(event.target)) menu.open = false;
    });
    this.#find("platforms").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#find("platforms").open = false;
      this.#find("platforms-summary").focus();
    });
    this.#find("search").addEventListener("input", (event) => board.choose({ sought: event.target.value }));
    this.#find("draft")?.addEventListener("change", (event) => board.choose({ draft: event.target.checked }));
  }

  search() { this.#find("search").focus(); }

  show(view, zone) {
    const [from, to] = [Math.round(view.from), Math.round(view.from + view.span)];
    this.#find("range").textContent = view.span >= 3 * 1440 ? `${zone.day(from)} – ${zone.date(to - 1)}` : `${zone.day(from)} ${zone.clock(from)} – ${zone.midnight(from) === zone.midnight(to - 1) ? zone.endClock(from, to) : zone.moment(to)}`;
    for (const button of this.#root.querySelectorAll("[data-zoom]")) button.setAttribute("aria-pressed", String(button.dataset.zoom === view.zoom));
    this.#find("zoom-select").value = view.zoom;
    for (const box of this.#root.querySelectorAll("[name=platform]")) box.checked = view.platforms.has(box.value);
    const { size } = view.platforms;
    const [one] = view.platforms;
    const names = new Map(settings.platforms);
    this.#find("platforms-summary").textContent = size === 0 ? words.all_platforms : size === 1 ? names.get(one) ?? one : say(words.platforms, { n: size });
    const search = this.#find("search");
    if (document.activeElement !== search) search.value = view.sought;
    const draft = this.#find("draft");
    if (draft) draft.checked = view.draft;
    document.querySelector("[data-draft-key]")?.toggleAttribute("hidden", !view.draft);
    this.#find("as-table").href = address({ ...view, sought: "" }, { as: "table" });
  }
}
