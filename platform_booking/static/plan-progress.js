// Shows how far a running plan is, and loads the page anew when it is done.
const line = document.querySelector("[data-progress]");
const step = async () => {
  try {
    const answer = await fetch(line.dataset.progress, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const { state, progress } = await answer.json();
      if (state !== line.dataset.state) { location.reload(); return; }
      if (progress.seconds !== undefined) {
        line.textContent = `${progress.phase} · ${progress.wave} · ${progress.value.toLocaleString()} · ${progress.seconds} s`;
      }
    }
  } catch { /* the next try may get through */ }
  setTimeout(step, 2000);
};
if (line) step();
