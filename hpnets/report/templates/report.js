"use strict";
// A table is sorted by the button in a column's head; a second press turns the order round; missing values stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentElement.children].indexOf(head);
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const key = (row) => row.cells[column].dataset.value;
    const compare = (a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : Number(x) - Number(y);
      return rising ? order : -order;
    };
    body.append(...[...body.rows].sort(compare));
  });
}
// A row is shown if it holds every word of the filter.
for (const input of document.querySelectorAll("input[data-filters]")) {
  const table = document.getElementById(input.dataset.filters), count = document.getElementById(input.dataset.counts);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase(), fits = words.every((word) => text.includes(word));
      row.classList.toggle("hidden", !fits);
      shown += fits;
    }
    count.textContent = `${shown} of ${table.tBodies[0].rows.length} shown`;
  });
}
// A button of the legend shows or hides the lines of its series.
for (const button of document.querySelectorAll("button[data-series]")) {
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    for (const line of document.querySelectorAll(`.series-${button.dataset.series}`)) line.classList.toggle("hidden", !shown);
  });
}
