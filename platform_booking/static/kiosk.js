// A kiosk's screen: digits to touch, a board that keeps up, a way back when nobody stays.
const code = document.querySelector("#f-code");
const pad = document.querySelector("[data-pad]");
if (pad) {
  pad.hidden = false;
  pad.addEventListener("click", (event) => {
    const key = event.target.closest("[data-digit]");
    if (!key) return;
    const digit = key.dataset.digit;
    code.value = digit ? (code.value + digit).slice(0, 6) : code.value.slice(0, -1);
  });
}

const board = document.querySelector("[data-refresh]");
if (board) setInterval(() => location.reload(), Number(board.dataset.refresh) * 1000);

const away = document.querySelector("[data-back]");
if (away) {
  let touched = Date.now();
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, () => { touched = Date.now(); });
  }
  setInterval(() => {
    if (Date.now() - touched > 90_000) location.assign(away.dataset.back);
  }, 5_000);
}
