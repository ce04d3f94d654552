// Shows how far a search or a publication is, and loads the page anew when it is done.
const line = document.querySelector("[data-progress]");
const say = (progress) => {
  const words = { phase: line.dataset[progress.phase], seconds: progress.seconds,
    value: progress.value.toLocaleString() };
  line.textContent = line.dataset.line.replace(/\{(\w+)\}/g, (_, word) => words[word]);
};
const step = async () => {
  try {
    const answer = await fetch(line.dataset.progress, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const { under_way: underWay, progress } = await answer.json();
      if (underWay !== line.dataset.underWay) { location.reload(); return; }
      if (underWay === "search" && line.dataset[progress.phase]) say(progress);
    }
  } catch { /* the next try may get through */ }
  setTimeout(step, 2000);
};
if (line) step();
