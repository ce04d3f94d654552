// Minutes since 1970 in, the park's wall clock out. The browser's own zone plays no part.
export const HOUR = 60;
export const DAY = 1440;
const MS = 60_000;
const two = (n) => String(n).padStart(2, "0");

export class Zone {
  #format;
  #offsets = new Map();
  #weekdays;

  constructor(name, weekdays) {
    this.#weekdays = weekdays;
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: name, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
    });
  }

  // Minutes east of Greenwich at an instant.
  offset(minute) {
    const hour = Math.floor(minute / HOUR);
    let known = this.#offsets.get(hour);
    if (known === undefined) {
      const part = {};
      for (const { type, value } of this.#format.formatToParts(hour * HOUR * MS)) part[type] = Number(value);
      known = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute) / MS - hour * HOUR;
      this.#offsets.set(hour, known);
    }
    return known;
  }

  // The wall clock at an instant, to be read with the getUTC… methods.
  wall(minute) { return new Date((minute + this.offset(minute)) * MS); }

  // The instant at which the wall clock shows this.
  instant(year, month, day, minutes = 0) {
    const wall = Date.UTC(year, month, day) / MS + minutes;
    return wall - this.offset(wall - this.offset(wall));
  }

  midnight(minute, days = 0) {
    const at = this.wall(minute);
    return this.instant(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + days);
  }

  monday(minute) {
    return this.midnight(minute, -((this.wall(minute).getUTCDay() + 6) % 7));
  }

  month(minute, months = 0) {
    const at = this.wall(minute);
    return this.instant(at.getUTCFullYear(), at.getUTCMonth() + months, 1);
  }

  clock(minute) { const at = this.wall(minute); return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`; }
  date(minute) { const at = this.wall(minute); return `${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`; }
  day(minute) { return `${this.wall(minute).getUTCFullYear()}-${this.date(minute)}`; }
  moment(minute) { return `${this.date(minute)} ${this.clock(minute)}`; }
  dayOfMonth(minute) { return this.wall(minute).getUTCDate(); }
  weekday(minute) { return this.#weekdays[(this.wall(minute).getUTCDay() + 6) % 7]; }

  // 03-08 09:00–12:00, or both dates where they differ.
  stretch(start, end) {
    const same = this.midnight(start) === this.midnight(end - 1);
    return `${this.moment(start)}–${same ? this.endClock(start, end) : this.moment(end)}`;
  }

  endClock(start, end) { return this.midnight(start) === this.midnight(end) ? this.clock(end) : "24:00"; }
}

// Where a view of that zoom starts when it is to show the present; board/rules.py follows the same rule.
export function home(zone, zoom, now) {
  if (zoom === "hour") return Math.floor(now / HOUR) * HOUR;
  if (zoom === "shift") return Math.floor(now / HOUR) * HOUR - HOUR;
  if (zoom === "fortnight") return zone.monday(now);
  if (zoom === "month" || zoom === "quarter") return zone.month(now);
  return zone.midnight(now);
}

// A start near `from` that leaves no crooked labels.
export function snapped(zone, span, from) {
  if (span >= 3 * DAY) {
    const day = zone.midnight(from);
    return from - day > DAY / 2 ? zone.midnight(from, 1) : day;
  }
  const step = span > HOUR ? HOUR : 5;
  return Math.round(from / step) * step;
}

const STEPS = [5, 15, 30, 60, 120, 180, 360, 720];

// Labels of both rows of the axis: {at, text} each, the coarse ones with the end of their stretch.
export function ticks(zone, from, to, scale) {
  const step = STEPS.find((minutes) => minutes * scale >= 46);
  if (step) return { fine: clockTicks(zone, from, to, step), coarse: dayTicks(zone, from, to, (at) => `${zone.day(at)} ${zone.weekday(at)}`) };
  const wide = DAY * scale;
  const months = monthTicks(zone, from, to);
  if (wide >= 20) {
    const text = wide >= 52 ? (at) => `${zone.dayOfMonth(at)} ${zone.weekday(at)}` : zone.dayOfMonth.bind(zone);
    return { fine: dayTicks(zone, from, to, text), coarse: months };
  }
  return { fine: dayTicks(zone, from, to, (at) => zone.date(at), 7), coarse: months };
}

function clockTicks(zone, from, to, step) {
  const found = [];
  for (let day = zone.midnight(from); day < to; day = zone.midnight(day, 1)) {
    const next = zone.midnight(day, 1);
    for (let at = day; at < next && at < to; at += step) if (at >= from - step) found.push({ at, text: zone.clock(at) });
  }
  return found;
}

function dayTicks(zone, from, to, text, every = 1) {
  const found = [];
  const first = every === 7 ? zone.monday(from) : zone.midnight(from);
  for (let at = first; at < to; at = zone.midnight(at, every)) found.push({ at, until: zone.midnight(at, every), text: String(text(at)) });
  return found;
}

function monthTicks(zone, from, to) {
  const found = [];
  for (let at = zone.month(from); at < to; at = zone.month(at, 1)) found.push({ at, until: zone.month(at, 1), text: zone.day(at).slice(0, 7) });
  return found;
}
