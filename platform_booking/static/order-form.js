// The order form's comforts: rows come and go without a round trip, tools follow what they
// are to do. Without this script the same buttons ask the server.
const form = document.querySelector("[data-order-form]");
const rows = form.querySelector("[data-rows]");
const pattern = document.getElementById("step-row");
const all = new WeakMap(); // every option of a tool list, as the server gave it

const renumber = () => {
  const found = [...rows.querySelectorAll("[data-row]")];
  found.forEach((row, n) => {
    row.querySelector("[data-number]").textContent = String(n + 1);
    row.querySelectorAll(".from-second").forEach((part) => { part.hidden = n === 0; });
    row.querySelector("[data-remove]").hidden = found.length === 1;
  });
};

const narrow = (row) => {
  const wanted = row.querySelector("[data-capability]").value;
  for (const list of row.querySelectorAll("[data-tool]")) {
    if (!all.has(list)) all.set(list, [...list.children].map((child) => child.cloneNode(true)));
    const chosen = list.value;
    const able = (option) => !wanted || !option.dataset.can || option.dataset.can.split(" ").includes(wanted);
    list.replaceChildren(...all.get(list).flatMap((child) => {
      const copy = child.cloneNode(true);
      if (copy.tagName !== "OPTGROUP") return [copy];
      [...copy.children].filter((option) => !able(option)).forEach((option) => option.remove());
      return copy.children.length ? [copy] : [];
    }));
    list.value = [...list.options].some((option) => option.value === chosen) ? chosen : "";
  }
};

const whichever = () => {
  const kind = form.elements.kind.value;
  form.querySelectorAll("[data-when]").forEach((part) => { part.hidden = part.dataset.when !== kind; });
};

const add = () => {
  const used = [...rows.querySelectorAll("[data-row]")].map((row) => Number(row.dataset.row));
  const number = Math.max(-1, ...used) + 1;
  const fresh = pattern.content.firstElementChild.cloneNode(true);
  for (const node of [fresh, ...fresh.querySelectorAll("*")]) {
    for (const { name, value } of [...node.attributes]) {
      if (value.includes("__n__")) node.setAttribute(name, value.replaceAll("__n__", String(number)));
    }
  }
  rows.append(fresh);
  renumber();
  fresh.querySelector("select").focus();
};

form.addEventListener("click", (event) => {
  const remove = event.target.closest("[data-remove]");
  if (!remove && !event.target.closest("[data-add]")) return;
  event.preventDefault();
  if (!remove) { add(); return; }
  remove.closest("[data-row]").remove();
  renumber();
  form.querySelector("[data-add]").focus();
});

form.addEventListener("change", (event) => {
  if (event.target.name === "kind") whichever();
  if (event.target.matches("[data-capability]")) narrow(event.target.closest("[data-row]"));
  if (event.target.matches("[data-tool]")) {
    const can = event.target.selectedOptions[0]?.dataset.can?.split(" ") ?? [];
    const capability = event.target.closest("[data-row]").querySelector("[data-capability]");
    if (can.length === 1 && !capability.value) { [capability.value] = can; narrow(event.target.closest("[data-row]")); }
  }
});

// The way back fetches the form anew; it stays the same form, so that it makes no second order.
const token = form.elements.token;
const settleToken = () => {
  if (history.state?.token) token.value = history.state.token;
  else history.replaceState({ token: token.value }, "");
};

let sent = false;
form.addEventListener("submit", (event) => {
  if (sent) { event.preventDefault(); return; } // a second click; the server would not mind
  sent = true;
});
const settle = () => {
  sent = false;
  settleToken();
  rows.querySelectorAll("[data-row]").forEach(narrow);
  renumber();
  whichever();
};
addEventListener("pageshow", settle); // on the way back the browser fills in what was typed
settle();
(document.querySelector("[data-focus]") ?? document.querySelector("[role=alert]"))?.scrollIntoView({ block: "center" });
