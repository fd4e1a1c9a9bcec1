"use strict";
const narrow = matchMedia("(max-width: 69.99rem)");
const contents = document.querySelector("nav details");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
contents.addEventListener("click", (event) => { if (narrow.matches && event.target.matches("a")) contents.open = false; });

// A link to a record opens the fold that holds it.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = target && target.closest("main details");
  if (!fold) return;
  fold.open = true;
  target.scrollIntoView({ block: "center", inline: "center" });
};
addEventListener("hashchange", reveal);
reveal();

const number = /[-+]?\d+(\.\d+)?(e[-+]?\d+)?/i;
const key = (cell) => {
  const text = cell.textContent.trim();
  const found = cell.tagName === "TD" && !cell.classList.contains("prose") ? text.match(number) : null;
  return found ? Number(found[0]) : text;
};
const compare = (one, other) => typeof one === "number" && typeof other === "number"
  ? one - other : String(one).localeCompare(String(other), undefined, { numeric: true });

const sort = (table, head, column) => {
  const order = head.ariaSort === "ascending" ? "descending" : head.ariaSort === "descending" ? null : "ascending";
  for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  if (order) head.ariaSort = order;
  for (const button of table.tHead.querySelectorAll("button")) {
    button.textContent = { ascending: "▲", descending: "▼" }[button.parentElement.ariaSort] ?? "⇅";
  }
  const rows = [...table.tBodies[0].rows];
  const blank = (row) => row.cells[column].classList.contains("blank") ? 1 : 0;
  const way = order === "descending" ? -1 : 1;
  rows.sort((one, other) => order
    ? blank(one) - blank(other) || way * compare(key(one.cells[column]), key(other.cells[column]))
    : one.dataset.row - other.dataset.row);
  table.tBodies[0].append(...rows);
};

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.row = place; });
  [...table.tHead.rows[table.tHead.rows.length - 1].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "⇅";
    button.title = "sort";
    button.ariaLabel = `Sort by ${head.textContent.trim() || "row"}`;
    button.addEventListener("click", () => sort(table, head, column));
    head.append(" ", button);
  });
}
