// Light, dark, or as the system: kept on this device. Runs before the first paint.
const root = document.documentElement;
const system = window.matchMedia("(prefers-color-scheme: dark)");
const kept = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
const show = () => root.setAttribute("data-bs-theme", kept() ?? (system.matches ? "dark" : "light"));
show();
system.addEventListener("change", show);
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", next); } catch { /* private window: for this page only */ }
  root.setAttribute("data-bs-theme", next);
});
