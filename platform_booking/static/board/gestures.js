// Wheel, mouse and fingers. Up and down is the browser's own scrolling; sideways is time.
const STEP = 60; // of the wheel, for one zoom level
const SLACK = 4; // px that a click may wander

export function gestures(body, { pan, zoom, settle, press }) {
  let turned = 0;
  const fraction = (event) => {
    const box = body.getBoundingClientRect();
    const name = parseFloat(getComputedStyle(body).getPropertyValue("--name")) || 0;
    return Math.min(1, Math.max(0, (event.clientX - box.left - name) / (box.width - name)));
  };

  body.addEventListener("wheel", (event) => {
    const pixels = event.deltaMode === 1 ? 32 : 1;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      turned += event.deltaY * pixels;
      if (Math.abs(turned) < STEP) return;
      zoom(Math.sign(turned), fraction(event));
      turned = 0;
      return;
    }
    const sideways = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) <= Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
    event.preventDefault();
    pan(sideways * pixels);
    settle();
  }, { passive: false });

  const down = new Map(); // pointer → event of its last move
  let moved = false;
  let apart = 0;

  body.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.target.closest(".board-lane")) return;
    if (!down.size) moved = false;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    apart = spread(down);
  });
  body.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    if (down.size === 2) {
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      const now = spread(down);
      if (apart && (now / apart > 1.5 || apart / now > 1.5)) {
        zoom(now > apart ? -1 : 1, fraction(event));
        apart = now;
        moved = true;
      }
      return;
    }
    const across = before.x - event.clientX;
    if (!moved && Math.abs(across) < SLACK) return;
    if (!moved) body.setPointerCapture(event.pointerId);
    moved = true;
    body.classList.add("is-dragged");
    pan(across);
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    body.classList.remove("is-dragged");
    if (moved) settle();
  };
  body.addEventListener("pointerup", up);
  body.addEventListener("pointercancel", up);
  body.addEventListener("click", (event) => {
    if (moved) { moved = false; return; }
    press(event.target);
  });
}

function spread(down) {
  if (down.size !== 2) return 0;
  const [one, other] = [...down.values()];
  return Math.hypot(one.x - other.x, one.y - other.y);
}
