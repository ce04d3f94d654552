// On a phone each row of a list is a card (site.css): every cell then needs the name of its
// column, and the roles that a table loses with its form.
const ROLES = [["thead, tbody", "rowgroup"], ["tr", "row"], ["td", "cell"], ["thead th", "columnheader"], ["tbody th", "rowheader"]];

for (const table of document.querySelectorAll(".table-responsive > table:not(.w-auto)")) {
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
  if (!heads.length) continue;
  table.setAttribute("role", "table");
  for (const [what, role] of ROLES) for (const part of table.querySelectorAll(`:scope ${what}`)) part.setAttribute("role", role);
  for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
    [...row.cells].forEach((cell, n) => {
      const head = heads[n];
      if (n === 0) cell.classList.add("first");
      else if (head && !head.querySelector(".visually-hidden")) cell.dataset.label = head.textContent.trim();
      else cell.classList.add("whole"); // buttons
    });
  }
}
