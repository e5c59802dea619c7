"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const make = (tag, text, onclick) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (onclick) { made.type = "button"; made.addEventListener("click", onclick); }
    return made;
  };

  // -- filters: whatever is about a subject, visit, population or flag shows only where it fits
  const chosen = () => {
    const found = {};
    for (const key of ["s", "v", "p", "f"]) { const select = $("filter-" + key); if (select && select.value) found[key] = select.value; }
    return found;
  };
  const fits = (item, wanted) => {
    for (const key in wanted) {
      const about = item.dataset[key];
      if (about === undefined) { if (key === "f" && item.tagName === "TR" && item.closest("table").dataset.flags) return false; continue; }
      if (key === "s" || key === "v" ? about !== wanted[key] : !about.split(" ").includes(wanted[key])) return false;
    }
    return true;
  };
  // A row without flags in a table where others have some does not carry the flag that is asked for.
  for (const table of all("table")) if (table.querySelector("tr[data-f]")) table.dataset.flags = "1";
  const about = all("[data-s], [data-v], [data-p], [data-f], table[data-flags] tbody tr").filter((e) => e.tagName === "TR" || e.tagName === "FIGURE");
  const filter = () => {
    const wanted = chosen();
    let shown = 0, rows = 0;
    for (const item of about) {
      item.hidden = !fits(item, wanted);
      if (item.tagName === "TR") { rows += 1; shown += !item.hidden; }
    }
    if ($("shown")) $("shown").textContent = Object.keys(wanted).length ? `${shown.toLocaleString("en")} of ${rows.toLocaleString("en")} rows shown` : "";
  };
  if ($("filters")) {
    $("filters").hidden = false;
    for (const select of all("#filters select")) select.addEventListener("change", filter);
    $("clear").addEventListener("click", () => { for (const s of all("#filters select")) s.value = ""; filter(); });
  }

  // -- tables: sort by a column, save as CSV what is shown
  const value = (row, column) => row.cells[column].textContent.trim();
  const numeric = (text) => { const n = parseFloat(text.replace(/[<>,\u00a0 ]/g, "").replace("−", "-")); return Number.isNaN(n) ? null : n; };
  const compare = (a, b) => {
    const x = numeric(a), y = numeric(b);
    if (x !== null && y !== null && x !== y) return x - y;
    if ((x === null) !== (y === null)) return x === null ? 1 : -1;
    return a.localeCompare(b, "en", { numeric: true });
  };
  const sort = (head, column) => {
    const body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of all("th[aria-sort]", head.parentElement)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
    body.append(...rows.map((r) => r[1]));
  };
  const save = (name, blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csv = (table) => {
    const rows = [...table.rows].filter((row) => !row.hidden);
    return rows.map((row) => [...row.cells].map((c) => quoted(c.textContent.trim())).join(",")).join("\n") + "\n";
  };
  for (const table of all("table[data-name]")) {
    const heads = [...table.tHead.rows[0].cells];
    if (!table.classList.contains("matrix")) {
      heads.forEach((head, column) => {
        const inside = head.querySelector("span") || head;
        const button = make("button", inside.textContent, () => sort(head, column));
        inside.replaceChildren(button);
      });
    }
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(make("button", "Save the rows shown as CSV", () => save(`${table.dataset.name}.csv`, new Blob([csv(table)], { type: "text/csv" }))));
    table.closest(".scroll").after(tools);
  }

  // -- drawings: save as SVG or PNG, with the colours that they have on the page
  const KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "stroke-linejoin", "paint-order", "opacity", "display",
    "font-family", "font-size", "font-weight", "text-anchor", "vector-effect", "image-rendering"];
  const alone = (svg) => {
    const copy = svg.cloneNode(true);
    const from = all("*", svg), to = all("*", copy);
    from.forEach((element, i) => {
      const style = getComputedStyle(element);
      for (const name of KEPT) to[i].style.setProperty(name, style.getPropertyValue(name));
    });
    for (const use of all("use", copy)) {
      const shared = document.querySelector(use.getAttribute("href"));
      const group = shared.cloneNode(true);
      const parts = all("*", group);
      all("*", shared).forEach((element, i) => {
        const style = getComputedStyle(element);
        for (const name of KEPT) parts[i].style.setProperty(name, name === "display" ? "inline" : style.getPropertyValue(name));
      });
      group.removeAttribute("id");
      use.replaceWith(group);
    }
    const [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
    const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, v] of Object.entries({ width, height, fill: getComputedStyle(document.body).backgroundColor })) ground.setAttribute(name, v);
    copy.prepend(ground);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    copy.setAttribute("font-family", "sans-serif");
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  };
  const drawn = (svg, name, kind) => {
    const { text, width, height } = alone(svg);
    if (kind === "svg") return save(`${name}.svg`, new Blob([text], { type: "image/svg+xml" }));
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = 3 * width; canvas.height = 3 * height;
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(`${name}.png`, blob));
    };
    picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  };
  const savers = (svg, name) => {
    const tools = document.createElement("div");
    tools.className = "tools";
    for (const kind of ["svg", "png"]) {
      const button = make("button", kind.toUpperCase(), () => drawn(svg, name, kind));
      button.setAttribute("aria-label", `Save ${name} as ${kind.toUpperCase()}`);
      tools.append(button);
    }
    return tools;
  };
  for (const figure of all("figure.tile, figure.wide")) {
    const svg = figure.querySelector("svg");
    const name = (figure.id || svg.getAttribute("aria-label")).replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 60);
    figure.append(savers(svg, name));
  }

  // -- gates: contact sheets, one sample's tree, outliers first, back-gating, a closer look
  const sheets = all("details.sheet");
  const home = sheets.map((sheet) => [sheet.querySelector(".plots"), all("figure", sheet)]);
  const arrange = () => {
    const sample = $("view-sample").value, far = $("order").value === "far", tree = $("tree");
    tree.replaceChildren();
    for (const [place, figures] of home) {
      const ordered = far ? [...figures].sort((a, b) => b.dataset.far - a.dataset.far) : figures;
      place.append(...ordered);
      if (sample) tree.append(...figures.filter((f) => f.dataset.sample === sample));
    }
    tree.hidden = !sample;
    for (const sheet of sheets) sheet.hidden = Boolean(sample);
  };
  const backgate = () => {
    const wanted = $("back").value;
    for (const drawn of all(".back")) drawn.classList.toggle("on", drawn.dataset.back === wanted && wanted !== "");
  };
  if ($("gallery-controls")) {
    $("gallery-controls").hidden = false;
    for (const id of ["view-sample", "order"]) $(id).addEventListener("change", arrange);
    if ($("back")) $("back").addEventListener("change", backgate);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button.zoom");
    if (!button || !$("closer")) return;
    const figure = button.closest("figure"), copy = button.querySelector("svg").cloneNode(true);
    const caption = figure.querySelector("figcaption");
    $("closer-title").textContent = caption.querySelector(".of-sample").textContent + ": " + caption.querySelector(".of-gate").textContent;
    $("closer-words").textContent = caption.querySelector(".hush").textContent.replace(/^: /, "");
    $("closer-plot").replaceChildren(copy, savers(copy, `gate-${figure.dataset.sample}`.replace(/[^A-Za-z0-9._-]+/g, "-")));
    $("closer").showModal();
  });

  // -- paper shows what is folded away, but for the sheets of plots
  let folded = [];
  addEventListener("beforeprint", () => { folded = all("details:not([open]):not(.sheet)").filter((d) => d.id !== "populations"); for (const d of folded) d.open = true; });
  addEventListener("afterprint", () => { for (const d of folded) d.open = false; });
  // A link to something folded opens it.
  const unfold = () => { const target = location.hash && document.getElementById(location.hash.slice(1)); if (target && target.tagName === "DETAILS") target.open = true; };
  addEventListener("hashchange", unfold);
  unfold();
  document.documentElement.dataset.ready = "yes";
})();
