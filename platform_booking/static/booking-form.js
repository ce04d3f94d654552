// The form of a slot: a click on a free place begins there, links keep what was typed,
// another recipe shows its runs, and a second click on "Book" does nothing.
const form = document.querySelector("[data-booking-form]");
const start = form.elements.starts_at;
const end = form.elements.ends_at;
const QUARTER = 15;

const pad = (n) => String(n).padStart(2, "0");
// A field's text is a time of the park's zone: it is counted as if it were UTC and never converted.
const read = (text) => Date.parse(`${text}Z`);
const text = (moment) => new Date(moment).toISOString().slice(0, 16);

const length = () => {
  const typed = read(end.value) - read(start.value);
  return typed > 0 ? typed : Number(form.dataset.typical) * 60_000;
};

const draw = () => {
  for (const svg of document.querySelectorAll("[data-day]")) {
    svg.querySelectorAll(".why-picked").forEach((old) => old.remove());
    const midnight = read(`${svg.dataset.day}T00:00`);
    const from = Math.max(0, (read(start.value) - midnight) / 60_000);
    const to = Math.min(1440, (read(end.value) - midnight) / 60_000);
    if (!(to > from)) continue;
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ x: from, y: 0, width: to - from, height: 24, class: "why-picked" })) mark.setAttribute(name, value);
    svg.append(mark);
  }
};

const begin = (from, to) => {
  start.value = text(from);
  end.value = text(to);
  draw();
};

if (start && end) {
  document.querySelector("[data-hint]")?.removeAttribute("hidden");
  for (const svg of document.querySelectorAll("[data-day]")) {
    svg.classList.add("clickable");
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const minute = Math.floor(((event.clientX - box.left) / box.width) * 1440 / QUARTER) * QUARTER;
      const from = read(`${svg.dataset.day}T${pad(Math.floor(minute / 60) % 24)}:${pad(minute % 60)}`);
      begin(from, from + length());
    });
  }
  let kept = length();
  start.addEventListener("focus", () => { kept = length(); });
  start.addEventListener("change", () => {
    if (start.value) end.value = text(read(start.value) + kept);
    draw();
  });
  end.addEventListener("change", draw);
  draw();
}

const typed = () => {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !["csrf_token", "token", "flags"].includes(name)) fields.set(name, value);
  }
  return fields;
};

const go = (address) => {
  const url = new URL(address, location.href);
  const given = url.searchParams;
  for (const [name, value] of typed()) {
    const own = { starts_at: "start", ends_at: "end" }[name];
    if (!given.has(name) && !(own && given.has(own))) given.set(name, value);
  }
  location.assign(url);
};

for (const link of document.querySelectorAll("a[data-keep]")) {
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(link.href);
  });
}
form.elements.recipe_id?.addEventListener("change", () => go(form.action));

form.addEventListener("submit", (event) => {
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => { delete form.dataset.sent; }); // back from the next page
