// The view in the page's address: links can be kept, and the back button works.
export function read(zooms) {
  const given = new URLSearchParams(location.search);
  const at = Date.parse(given.get("from") ?? "");
  const zoom = given.get("zoom");
  return {
    from: Number.isNaN(at) ? null : Math.floor(at / 60_000),
    zoom: zoom in zooms ? zoom : null,
    platforms: new Set(given.getAll("platform").join(",").split(",").map((code) => code.trim()).filter(Boolean)),
    draft: given.get("draft") === "1",
    sought: given.get("q") ?? "",
  };
}

export function address(view, more = {}) {
  const shown = new URLSearchParams({ from: `${new Date(Math.round(view.from) * 60_000).toISOString().slice(0, 16)}Z`, zoom: view.zoom });
  if (view.platforms.size) shown.set("platform", [...view.platforms].sort().join(","));
  if (view.draft) shown.set("draft", "1");
  if (view.sought) shown.set("q", view.sought);
  for (const [name, value] of Object.entries(more)) shown.set(name, value);
  return `${location.pathname}?${shown.toString().replaceAll("%3A", ":").replaceAll("%2C", ",")}`;
}

// `fresh`: a step that the back button goes back over; else the present step is corrected.
export function write(view, fresh) {
  const target = address(view);
  if (`${location.pathname}${location.search}` === target) return;
  history[fresh ? "pushState" : "replaceState"](null, "", target);
}
