"use strict";
// Search, filters, sorting, and links to rows. The page reads without it.
(() => {
  // More rows than these are not laid out because of a search: it has to stay quick.
  const MAX_OPENED_ROWS = 500;
  const $ = (id) => document.getElementById(id);
  const form = $("filters");
  if (!form) return;
  const inputs = ["search", "namespace", "platform", "outcome"].map($);
  const status = $("shown");

  const groups = [...document.querySelectorAll("details.group")].map((element) => ({
    element,
    wasOpen: element.open,
    body: element.querySelector("tbody"),
    count: element.querySelector(".count"),
    total: element.querySelector(".count").textContent,
    rows: null,
  }));

  // What is compared of rows is read when it is first needed.
  const rowsOf = (group) => {
    group.rows ??= [...group.body.rows].map((row, position) => {
      const [name, kind, , images, found] = row.cells;
      const names = [...images.querySelectorAll("code")].map((code) => code.textContent);
      const text = name.querySelector("a").textContent;
      return {
        row,
        position,
        text: [text, ...names].join("\n").toLowerCase(),
        outcomes: (row.dataset.o ?? "").split(" "),
        keys: [text, kind.textContent, Number(row.dataset.r), names[0] ?? "",
          found.childElementCount],
      };
    });
    return group.rows;
  };

  const plural = (count) => `${count} workload${count === 1 ? "" : "s"}`;

  const filter = () => {
    const [search, namespace, platform, outcome] = inputs.map((input) => input.value);
    const needle = search.trim().toLowerCase();
    const isFiltered = Boolean(needle || namespace || platform || outcome);
    const hasOutcome = (token) =>
      (!platform || token.slice(0, -1) === platform) && (!outcome || token.slice(-1) === outcome);
    let all = 0;
    let shown = 0;
    groups.forEach((group, position) => {
      const isAsked = !namespace || namespace === String(position);
      let here = 0;
      for (const one of rowsOf(group)) {
        const isShown = isAsked && one.text.includes(needle) &&
          ((!platform && !outcome) || one.outcomes.some(hasOutcome));
        if (one.row.hidden === isShown) one.row.hidden = !isShown;
        here += isShown;
      }
      all += group.rows.length;
      shown += here;
      group.element.hidden = here === 0;
      group.element.open = isFiltered ? here > 0 && shown <= MAX_OPENED_ROWS : group.wasOpen;
      group.count.textContent =
        here === group.rows.length ? group.total : `${here} of ${group.total}`;
    });
    if (!isFiltered) status.textContent = plural(all);
    else if (shown === 0) status.textContent = "No workload matches.";
    else status.textContent = `${shown} of ${plural(all)} shown`;
  };

  const collator = new Intl.Collator("en", { numeric: true });
  const compare = (one, other) =>
    typeof one === "number" ? one - other : collator.compare(one, other);

  // One order for all namespaces: their headings agree.
  const sort = (column, direction) => {
    const sign = direction === "descending" ? -1 : 1;
    for (const group of groups) {
      const sorted = [...rowsOf(group)].sort((one, other) =>
        sign * compare(one.keys[column], other.keys[column]) || one.position - other.position);
      group.body.replaceChildren(...sorted.map((one) => one.row));
      [...group.element.querySelectorAll("thead th")].forEach((heading, position) =>
        heading.setAttribute("aria-sort", position === column ? direction : "none"));
    }
  };

  // A link to a row shows it, whatever is filtered or closed.
  const reveal = () => {
    const id = location.hash.slice(1);
    if (!id) return;
    let target = $(id);
    try {
      target ??= $(decodeURIComponent(id));
    } catch {
      // It is no encoded name: there is nothing to show.
    }
    if (!target) return;
    if (target.closest("[hidden]")) {
      form.reset();
      filter();
    }
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView({ block: "center" });
  };

  for (const input of inputs) input.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => {
    const heading = event.target.closest?.("th[aria-sort]");
    if (!heading || !event.target.closest("button")) return;
    const next = heading.ariaSort === "ascending" ? "descending" : "ascending";
    sort(heading.cellIndex, next);
  });
  addEventListener("hashchange", reveal);
  for (const button of document.querySelectorAll("th button")) button.disabled = false;
  form.hidden = false;
  // A browser that comes back to the page has kept what was typed.
  if (inputs.some((input) => input.value)) filter();
  reveal();
})();
