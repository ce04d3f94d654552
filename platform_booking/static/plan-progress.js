// Shows how far a search or a publication is, and loads the page anew when it is done.
// The server tells by events; where there are none it is asked now and then.
const line = document.querySelector("[data-progress]");
const number = (value) => value.toLocaleString(document.documentElement.lang);
const fill = (text, words) => text.replace(/\{(\w+)\}/g, (_, word) => words[word]);
const say = ({ phase, seconds, value, bound, rate, left }) => {
  const { line: usual, left: more, proven } = line.dataset;
  let text = fill(usual, { phase: line.dataset[phase], seconds, value: number(value) });
  if (phase === "improve" && left !== null && rate !== null) {
    text = fill(more, { line: text, rate: number(Math.round(rate)), left: Math.round(left) });
  }
  if (bound !== null) text = fill(proven, { line: text, bound: number(bound) });
  line.textContent = text;
};
const take = ({ under_way: underWay, progress }) => {
  if (underWay !== line.dataset.underWay) { location.reload(); return false; }
  if (underWay === "search" && line.dataset[progress.phase]) say(progress);
  return true;
};
const ask = async () => {
  try {
    const answer = await fetch(line.dataset.progress, { headers: { Accept: "application/json" } });
    if (answer.ok && !take(await answer.json())) return;
  } catch { /* the next try may get through */ }
  setTimeout(ask, 2000);
};
const listen = () => {
  const events = new EventSource(line.dataset.events);
  events.onmessage = (event) => { if (!take(JSON.parse(event.data))) events.close(); };
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) ask(); // refused: there are too many
  };
};
if (line?.dataset.events) listen(); else if (line) ask();
