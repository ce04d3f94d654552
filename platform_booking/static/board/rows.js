// Which rows there are: platforms as groups, their resources beneath, folded and filtered.
const HEIGHT = { group: 28, unary: 34, batch: 34, event: 34, pooled: 48 };
const BESIDE = 24; // more for the draft's lane

export class Rows {
  #groups;
  #folded = new Set();
  #chosen = new Set();
  #sought = [];
  draft = false;
  list = [];
  height = 0;
  count = 0; // resources

  constructor({ platforms, rows }) {
    const names = new Map(platforms);
    const resources = rows.map(([id, code, name, kind, capacity, platform, area, sought]) => ({
      key: id, code, name, kind, capacity, platform, area: area === 1, sought: `${code} ${name} ${sought} ${platform} ${names.get(platform)}`.toLowerCase(),
    }));
    this.#groups = platforms.map(([code, name]) => ({
      key: code, code, name, group: true, resources: resources.filter((resource) => resource.platform === code),
    }));
    this.arrange();
  }

  choose(platforms, sought, draft) {
    this.#chosen = platforms;
    this.#sought = sought.toLowerCase().split(/\s+/).filter(Boolean);
    this.draft = draft;
    this.arrange();
  }

  fold(key) {
    if (!this.#folded.delete(key)) this.#folded.add(key);
    this.arrange();
  }

  isFolded(key) { return this.#folded.has(key); }

  arrange() {
    this.list = [];
    this.count = 0;
    let y = 0;
    const put = (row, height) => {
      this.list.push({ ...row, y, height, place: this.list.length });
      y += height;
    };
    for (const group of this.#groups) {
      if (this.#chosen.size && !this.#chosen.has(group.code)) continue;
      const matching = group.resources.filter(({ sought }) => this.#sought.every((word) => sought.includes(word)));
      if (!matching.length) continue;
      this.count += matching.length;
      put({ ...group, resources: matching }, HEIGHT.group);
      if (this.#folded.has(group.key)) continue;
      for (const resource of matching) put(resource, HEIGHT[resource.kind] + (this.draft ? BESIDE : 0));
    }
    this.height = y;
  }

  // The first row that reaches below y.
  placeAt(y) {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.list[middle].y + this.list[middle].height <= y) low = middle + 1; else high = middle;
    }
    return low;
  }

  find(key) { return this.list.find((row) => row.key === key); }
}

export const laneHeight = (row, draft) => row.height - (draft ? BESIDE : 0);
