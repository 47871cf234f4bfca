"use strict";

// The shape of the data is described in data.py.
const data = JSON.parse(document.getElementById("data").textContent);
const REGION = "\u0001";
const [CONDITION, STATUS, CODE, REASON, PROSPECT, RUN, OUTCOME, SINCE, TRANSITIONS, ATTEMPTS] =
  Array.from({ length: 10 }, (_, n) => n);
const MEANINGS = {
  "enabled": "Member, as it is to be",
  "gap": "Not enabled: a run would act on it",
  "in progress": "Not enabled yet: a run is working on it",
  "drift": "Not enabled any more: a run had enabled it",
  "failed": "Not enabled, and no run is started for it",
  "left out": "Not to be enabled",
  "unread": "The service could not be read",
};
const GAPS = ["gap", "in progress", "drift", "failed"];
const ROW = 28;
const [NARROWEST, WIDEST, BETWEEN_SERVICES] = [23, 40, 8];
const OVERSCAN = 6;
const MOST_PRINTED = 2000;

const labels = Object.fromEntries(data.services);
const columns = data.targets.map(([service, region], index) => ({
  index, service, region, name: `${labels[service]} ${region}`,
}));
const units = data.units.map(([path, names]) => ({
  path, names, label: (names.length > 1 ? names.slice(1) : names).join(" / "),
}));
const accounts = data.accounts.map(([id, name, unit], index) => ({
  index, id, name, unit: units[unit],
  text: `${id} ${name} ${units[unit].path} ${units[unit].label}`.toLowerCase(),
}));
const $ = (id) => document.getElementById(id);

/* Elements */

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  return filled(made, attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

const slug = (condition) => condition.replace(" ", "-");
const MARKS = Object.fromEntries(data.conditions.map((condition) => [condition, `mark ${slug(condition)}`]));

function mark(condition) {
  return element("span", { "class": MARKS[condition], "aria-hidden": "true" });
}

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/* Reading the data */

const detailOf = (account, column) => data.details[data.cells[account.index][column.index]];
const conditionOf = (detail) => data.conditions[detail[CONDITION]];
const text = (number, column) => data.strings[number].replaceAll(REGION, column ? column.region : "");

function moment(seconds) {
  const written = new Date((data.epoch + seconds) * 1000).toISOString().replace(/\.\d+Z/, "Z");
  return element("time", { datetime: written }, written.replace("T", " "));
}

function conditionCounts(of, among) {
  const counts = Object.fromEntries(data.conditions.map((condition) => [condition, 0]));
  for (const account of of) {
    for (const column of among) counts[conditionOf(detailOf(account, column))] += 1;
  }
  return counts;
}

const gapsIn = (counts) => GAPS.reduce((sum, condition) => sum + counts[condition], 0);

// Never rounded up: 100 % means that there are no gaps.
function share(counts) {
  const due = counts.enabled + gapsIn(counts);
  return due ? `${(Math.floor((counts.enabled / due) * 1000) / 10).toLocaleString("en")} %` : "–";
}

/* Services */

function showServices() {
  for (const [service, label] of data.services) {
    const own = columns.filter((column) => column.service === service);
    const counts = conditionCounts(accounts, own);
    $("services").append(element("article", { "class": "card", "aria-label": label },
      element("h3", {}, label),
      element("div", { "class": "share" }, share(counts),
        element("small", {}, ` enabled · ${count(counts.enabled, "membership")}, ${count(gapsIn(counts), "gap")}`)),
      bar(counts, label),
      ...chart(data.history[service] || [], label),
      byRegion(own)));
  }
}

function bar(counts, label) {
  const total = Object.values(counts).reduce((sum, number) => sum + number, 0) || 1;
  const parts = data.conditions.filter((condition) => counts[condition]);
  let left = 0;
  const rects = parts.map((condition) => {
    const width = (counts[condition] / total) * 100;
    const rect = svg("rect", { x: left, width, y: 0, height: 10, "class": slug(condition) },
      svg("title", {}, `${condition}: ${counts[condition]}`));
    left += width;
    return rect;
  });
  const said = parts.map((condition) => `${condition} ${counts[condition]}`).join(", ");
  return svg("svg", { "class": "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${said}` }, ...rects);
}

function chart(points, label) {
  if (points.length < 2) {
    const why = data.remembers ? "fewer than two reconciles in the last 90 days" : "only known where Rollcall is deployed";
    return [element("p", { "class": "muted" }, `Totals over time: ${why}.`)];
  }
  const [first, last] = [points[0], points[points.length - 1]];
  const most = Math.max(1, ...points.map(([, enabled, gaps]) => Math.max(enabled, gaps)));
  const x = (at) => ((at - first[0]) / Math.max(1, last[0] - first[0])) * 100;
  const y = (value) => 38 - (value / most) * 36;
  const line = (kind, which) => svg("polyline", { "class": kind, points: points.map((p) => `${x(p[0]).toFixed(2)},${y(p[which]).toFixed(2)}`).join(" ") });
  const day = (at) => new Date(at * 1000).toISOString().slice(0, 10);
  const told = (point) => `${point[1].toLocaleString("en")} enabled, ${count(point[2], "gap")}`;
  return [
    svg("svg", { "class": "chart", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": `${label} over time: ${day(first[0])} ${told(first)}; ${day(last[0])} ${told(last)}` },
      svg("line", { "class": "base", x1: 0, x2: 100, y1: 38, y2: 38 }), line("on", 1), line("off", 2)),
    element("div", { "class": "ends" }, element("span", {}, `${day(first[0])}: ${told(first)}`), element("span", {}, `${day(last[0])}: ${told(last)}`)),
  ];
}

function byRegion(own) {
  const shown = data.conditions.filter((condition) => own.some((column) => conditionCounts(accounts, [column])[condition]));
  const rows = own.map((column) => {
    const counts = conditionCounts(accounts, [column]);
    return element("tr", {}, element("th", { scope: "row" }, column.region),
      ...shown.map((condition) => element("td", {}, counts[condition].toLocaleString("en"))));
  });
  const head = element("tr", {}, element("th", { scope: "col" }, "Region"), ...shown.map((condition) => element("th", { scope: "col" }, condition)));
  const problems = own.filter((column) => data.problems[column.index])
    .map((column) => element("p", {}, `${column.region}: ${data.problems[column.index]}`));
  return element("details", {}, element("summary", {}, `By Region (${own.length})`),
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)), ...problems);
}

/* Filters */

const filter = { words: [], unit: "", service: "", region: "", reason: "", conditions: new Set() };
const shown = { columns, rows: [], places: new Map() };

function fillFilters() {
  const options = (select, all, pairs) => select.append(element("option", { value: "" }, all),
    ...pairs.map(([value, label]) => element("option", { value }, label)));
  options($("unit"), "All", unitsWithParents());
  options($("service"), "All", data.services);
  options($("region"), "All", [...new Set(columns.map((column) => column.region))].sort().map((region) => [region, region]));
  const codes = new Set(data.details.map((detail) => text(detail[CODE])).filter(Boolean));
  options($("reason"), "All", [...codes].sort().map((code) => [code, code]));
  for (const condition of data.conditions) {
    const chip = element("button", { type: "button", "class": "chip", "aria-pressed": "false", title: MEANINGS[condition] },
      mark(condition), element("span", {}, condition[0].toUpperCase() + condition.slice(1)), element("b", {}, ""));
    chip.addEventListener("click", () => toggle(condition, chip));
    $("conditions").append(chip);
  }
  $("filters").addEventListener("input", read);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", () => {
    filter.conditions.clear();
    for (const chip of $("conditions").children) chip.setAttribute("aria-pressed", "false");
    setTimeout(read);
  });
}

// Every OU of a path, so that all accounts below it can be chosen.
function unitsWithParents() {
  const known = new Map();
  for (const { path, names } of units) {
    const ids = path.split("/").filter(Boolean);
    names.forEach((name, depth) => {
      known.set(`${ids.slice(0, depth + 2).join("/")}/`, "\u00a0".repeat(depth * 3) + name);
    });
  }
  return [...known].sort(([one], [other]) => (one < other ? -1 : 1));
}

function toggle(condition, chip) {
  const on = !filter.conditions.delete(condition);
  if (on) filter.conditions.add(condition);
  chip.setAttribute("aria-pressed", String(on));
  apply();
}

function read() {
  filter.words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const name of ["unit", "service", "region", "reason"]) filter[name] = $(name).value;
  apply();
}

const isWanted = (account) => filter.words.every((word) => account.text.includes(word))
  && (!filter.unit || account.unit.path.startsWith(filter.unit));
const hasReason = (detail) => !filter.reason || text(detail[CODE]) === filter.reason;
const isMatch = (detail) => hasReason(detail)
  && (!filter.conditions.size || filter.conditions.has(conditionOf(detail)));

function apply() {
  shown.columns = columns.filter((column) => (!filter.service || column.service === filter.service)
    && (!filter.region || column.region === filter.region));
  shown.rows = [];
  const counts = Object.fromEntries(data.conditions.map((condition) => [condition, 0]));
  let [matches, found, unit] = [0, 0, null];
  for (const account of accounts) {
    if (!isWanted(account)) continue;
    let any = 0;
    for (const column of shown.columns) {
      const detail = detailOf(account, column);
      if (hasReason(detail)) counts[conditionOf(detail)] += 1;
      if (isMatch(detail)) any += 1;
    }
    if (!any) continue;
    if (account.unit !== unit) shown.rows.push({ unit: account.unit });
    unit = account.unit;
    shown.rows.push({ account });
    matches += any;
    found += 1;
  }
  [...$("conditions").children].forEach((chip, n) => {
    chip.lastChild.textContent = counts[data.conditions[n]].toLocaleString("en");
  });
  $("result").textContent = `${found.toLocaleString("en")} of ${count(accounts.length, "account")}, `
    + `${count(shown.columns.length, "target")}: ${count(matches, "membership")}`;
  shown.places = new Map(shown.rows.flatMap((row, n) => (row.account ? [[row.account.index, n]] : [])));
  showGrid();
}

/* Grid: only the rows in sight are in the document, and the one with the focus. */

const made = new Map();
const active = { row: 0, column: 0 };
const scroller = $("scroller");

function showGrid() {
  for (const row of made.values()) row.remove();
  made.clear();
  $("grid").setAttribute("aria-rowcount", shown.rows.length + 2);
  $("grid").setAttribute("aria-colcount", shown.columns.length + 1);
  placeColumns();
  $("head").replaceChildren(...headRows());
  $("body").style.height = `${shown.rows.length * ROW}px`;
  const empty = document.querySelector(".empty");
  if (empty) empty.remove();
  if (!shown.rows.length) scroller.append(element("p", { "class": "empty" }, "No membership matches the filters."));
  shown.template = templateRow();
  active.row = shown.rows.findIndex((row) => row.account);
  active.column = 0;
  scroller.scrollTop = 0;
  showRows();
}

const isFirst = (n) => n > 0 && shown.columns[n].service !== shown.columns[n - 1].service;

// Cells have fixed places: the browser lays out a screen of them within a frame.
function placeColumns() {
  const name = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--name"), 10);
  const room = scroller.clientWidth - name - 60;
  shown.cell = Math.min(WIDEST, Math.max(NARROWEST, Math.floor(room / Math.max(1, shown.columns.length))));
  let left = name + 2;
  shown.lefts = shown.columns.map((_, n) => {
    left += isFirst(n) ? BETWEEN_SERVICES : 0;
    left += shown.cell;
    return left - shown.cell;
  });
  $("grid").style.width = `${left + BETWEEN_SERVICES}px`;
}

function placed(cell, n, size = 1) {
  cell.style.left = `${shown.lefts[n]}px`;
  cell.style.width = `${shown.cell * size}px`;
  return cell;
}

function headRows() {
  const spans = [];
  shown.columns.forEach((column, n) => {
    const last = spans[spans.length - 1];
    if (last && last.service === column.service) last.size += 1;
    else spans.push({ service: column.service, size: 1, start: n });
  });
  const services = spans.map(({ service, size, start }) => {
    const head = element("div", { role: "columnheader", "class": "service", "aria-colindex": start + 2, "aria-colspan": size, title: labels[service] }, labels[service]);
    return placed(head, start, size);
  });
  const regions = shown.columns.map((column, n) => placed(element("div", { role: "columnheader", "class": "cell", "aria-colindex": n + 2, "aria-label": column.name, title: column.name }, element("span", {}, column.region)), n));
  return [
    element("div", { role: "row", "class": "heads", "aria-rowindex": 1 }, element("div", { role: "columnheader", "class": "name", "aria-colindex": 1 }, "OU and account"), ...services),
    element("div", { role: "row", "class": "regions", "aria-rowindex": 2 }, element("div", { role: "presentation", "class": "name" }), ...regions),
  ];
}

function showRows() {
  const height = scroller.clientHeight;
  const from = Math.max(0, Math.floor(scroller.scrollTop / ROW) - OVERSCAN);
  const to = Math.min(shown.rows.length, from + Math.ceil(height / ROW) + 2 * OVERSCAN);
  for (const [n, row] of made) {
    if ((n < from || n >= to) && n !== active.row) {
      row.remove();
      made.delete(n);
    }
  }
  const added = document.createDocumentFragment();
  for (let n = from; n < to; n += 1) if (!made.has(n)) added.append(rowAt(n));
  $("body").append(added);
}

// Copied for every row: making 51 cells one by one takes longer than a frame lasts.
function templateRow() {
  const cells = shown.columns.map((column, n) => {
    const cell = element("div", { role: "gridcell", "class": "cell", "aria-colindex": n + 2, "data-column": n, tabindex: -1 });
    cell.append(element("span", { "aria-hidden": "true" }));
    return placed(cell, n);
  });
  return element("div", { role: "row" }, ...cells);
}

function rowAt(n) {
  const { account, unit } = shown.rows[n];
  const row = account ? shown.template.cloneNode(true) : element("div", { role: "row", "class": "unit" });
  row.setAttribute("aria-rowindex", n + 3);
  row.style.transform = `translateY(${n * ROW}px)`;
  row.dataset.row = n;
  if (account) {
    shown.columns.forEach((column, at) => fillCell(row.children[at], account, column));
    if (n === active.row) row.children[active.column].tabIndex = 0;
    row.prepend(nameOf(account));
  } else {
    row.append(element("div", { role: "rowheader", "class": "name", "aria-colindex": 1 }, unit.label || "Organizations does not say where these accounts are"));
  }
  made.set(n, row);
  return row;
}

function nameOf(account) {
  return element("div", { role: "rowheader", "class": "name", "aria-colindex": 1, title: `${account.name} ${account.id}` },
    account.name ? element("span", {}, account.name) : null, element("span", { "class": "id" }, account.id));
}

function fillCell(cell, account, column) {
  const detail = detailOf(account, column);
  const condition = conditionOf(detail);
  const code = data.strings[detail[CODE]];
  const who = account.name ? `${account.name} ${account.id}` : account.id;
  cell.setAttribute("aria-label", `${who}, ${column.name}: ${condition}${code ? `, ${code}` : ""}`);
  cell.firstChild.className = MARKS[condition];
  if (!isMatch(detail)) cell.classList.add("dim");
}

const cellAt = (row, column) => made.get(row)?.querySelector(`[data-column="${column}"]`);

function focusCell(row, column) {
  const before = cellAt(active.row, active.column);
  if (before) before.tabIndex = -1;
  Object.assign(active, { row, column });
  reveal(row);
  showRows();
  const cell = cellAt(row, column);
  if (!cell) return;
  cell.tabIndex = 0;
  cell.focus({ preventScroll: true });
  const [frame, own] = [scroller.getBoundingClientRect(), cell.getBoundingClientRect()];
  const left = frame.left + scroller.querySelector(".name").offsetWidth + 8;
  if (own.left < left) scroller.scrollLeft -= left - own.left;
  else if (own.right > frame.right - 24) scroller.scrollLeft += own.right - frame.right + 24;
}

function reveal(row) {
  const room = scroller.clientHeight - $("head").offsetHeight;
  if (row * ROW < scroller.scrollTop + ROW) scroller.scrollTop = Math.max(0, (row - 1) * ROW);
  else if ((row + 1) * ROW > scroller.scrollTop + room) scroller.scrollTop = (row + 1) * ROW - room;
}

function nextAccount(from, step) {
  let row = Math.min(Math.max(from, 0), shown.rows.length - 1);
  while (shown.rows[row] && !shown.rows[row].account) row += step;
  return shown.rows[row] ? row : active.row;
}

function onGridKey(event) {
  const page = Math.max(1, Math.floor(scroller.clientHeight / ROW) - 5);
  const last = shown.columns.length - 1;
  const { row, column } = active;
  const all = event.ctrlKey || event.metaKey;
  const moves = {
    ArrowUp: () => focusCell(nextAccount(row - 1, row > 1 ? -1 : 1), column),
    ArrowDown: () => focusCell(nextAccount(row + 1, 1), column),
    ArrowLeft: () => focusCell(row, Math.max(0, column - 1)),
    ArrowRight: () => focusCell(row, Math.min(last, column + 1)),
    PageUp: () => focusCell(nextAccount(row - page, 1), column),
    PageDown: () => focusCell(nextAccount(row + page, 1), column),
    Home: () => focusCell(all ? nextAccount(0, 1) : row, 0),
    End: () => focusCell(all ? nextAccount(shown.rows.length - 1, -1) : row, last),
    Enter: () => openPanel(row, column),
    " ": () => openPanel(row, column),
  };
  const move = moves[event.key];
  if (!move || active.row < 0) return;
  event.preventDefault();
  move();
}

function onGridClick(event) {
  const cell = event.target.closest("[role='gridcell']");
  if (!cell) return;
  const [row, column] = [Number(cell.parentNode.dataset.row), Number(cell.dataset.column)];
  focusCell(row, column);
  openPanel(row, column);
}

/* Panel */

function openPanel(row, column) {
  const account = shown.rows[row].account;
  const target = shown.columns[column];
  const detail = detailOf(account, target);
  const close = element("button", { type: "button", "class": "close" }, "Close");
  close.addEventListener("click", closePanel);
  const condition = conditionOf(detail);
  $("panel").replaceChildren(close,
    element("h2", { id: "panel-heading" }, account.name || account.id),
    element("p", { "class": "muted" }, element("span", { "class": "id" }, account.id), account.unit.label ? ` · ${account.unit.label}` : ""),
    element("p", {}, target.name),
    element("p", { "class": "now" }, mark(condition), MEANINGS[condition]),
    facts(detail, target), ...why(detail, target), ...steps(detail, target));
  $("panel").hidden = false;
  document.body.classList.add("with-panel");
  $("panel").focus();
}

function closePanel() {
  $("panel").hidden = true;
  document.body.classList.remove("with-panel");
  focusCell(active.row, active.column);
}

function facts(detail, column) {
  const of = (which) => text(detail[which], column);
  const list = element("dl");
  const add = (term, ...what) => list.append(element("dt", {}, term), element("dd", {}, ...what));
  if (of(STATUS)) add("Status", of(STATUS));
  if (of(PROSPECT)) add("Next", of(PROSPECT));
  if (of(CODE)) add("Reason code", element("span", { "class": "id" }, of(CODE)));
  if (of(RUN)) add("Last run", element("span", { "class": "id" }, of(RUN)));
  if (of(OUTCOME)) add("It ended", of(OUTCOME));
  if (of(RUN) && detail[SINCE] !== null) add(of(OUTCOME) ? "At" : "Since", moment(detail[SINCE]));
  return list;
}

// A reason is told in parts; what to do is the last one.
function why(detail, column) {
  const reason = text(detail[REASON], column);
  if (!reason) return [];
  const [cause, todo] = reason.split("; to do: ");
  const parts = [element("h3", {}, "Why"), ...cause.split("; ").map((part) => element("p", {}, part))];
  return todo ? [...parts, element("h3", {}, "What to do"), element("p", { "class": "advice" }, todo)] : parts;
}

function steps(detail, column) {
  const [transitions, attempts] = [detail[TRANSITIONS], detail[ATTEMPTS]];
  const list = (items) => element("ol", { "class": "steps" }, ...items);
  const seen = transitions.map(([status, at]) => element("li", {}, `${text(status, column)} `, moment(at)));
  const tried = attempts.map(([action, times, at, verdict, answer]) => element("li", {},
    `${text(action, column)}${times > 1 ? `, ${times} times` : ""}: ${text(verdict, column)} `, moment(at),
    answer ? element("div", { "class": "muted" }, text(answer, column)) : null));
  return [
    ...(seen.length ? [element("h3", {}, "Status over time"), list(seen)] : []),
    ...(tried.length ? [element("h3", {}, "What the run tried"), list(tried)] : []),
  ];
}

/* The rest of the page */

function showAbout() {
  const part = accounts.length === data.in_organization ? "" : ` of ${data.in_organization.toLocaleString("en")}`;
  const table = data.remembers ? "" : " · without the table of a deployment";
  $("about").append(`${data.title} · ${accounts.length.toLocaleString("en")}${part} accounts · ${count(columns.length, "target")} · as of `, moment(0), table);
  const unread = data.history_unread ? [`${count(data.history_unread, "result")} of reconciles could not be read`] : [];
  $("notes").append(...[...data.notes, ...unread].map((note) => element("li", {}, `${note}.`)));
}

function tableOf(heads, rows) {
  return element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) => element("td", {}, value))))));
}

function showOutside() {
  if (!data.outside.length) return;
  $("outside").hidden = false;
  const rows = data.outside.map(([id, service, region, status]) => [id, labels[service], region, status]);
  $("outside").lastElementChild.append(tableOf(["Account", "Service", "Region", "Status"], rows));
}

// On paper there are no cells to open: the matching gaps are listed.
function listForPrint() {
  const rows = [];
  for (const { account } of shown.rows) {
    if (!account) continue;
    for (const column of shown.columns) {
      const detail = detailOf(account, column);
      if (!isMatch(detail) || !GAPS.includes(conditionOf(detail))) continue;
      rows.push([`${account.name} ${account.id}`, column.name, conditionOf(detail), text(detail[REASON], column) || text(detail[PROSPECT], column)]);
    }
  }
  const rest = rows.length - MOST_PRINTED;
  $("listed").replaceChildren(element("h2", {}, count(rows.length, "gap")),
    tableOf(["Account", "Target", "Condition", "Reason"], rows.slice(0, MOST_PRINTED)),
    rest > 0 ? element("p", {}, `${rest.toLocaleString("en")} more; narrow the filters.`) : "");
}

function onKey(event) {
  if (event.key === "Escape" && !$("panel").hidden) closePanel();
  const typing = ["INPUT", "SELECT"].includes(document.activeElement.tagName);
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("search").focus();
  }
}

showAbout();
showServices();
fillFilters();
apply();
showOutside();
let waiting = false;
scroller.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; showRows(); });
}, { passive: true });
new ResizeObserver(showRows).observe(scroller);
window.addEventListener("resize", showGrid);
$("grid").addEventListener("keydown", onGridKey);
$("grid").addEventListener("click", onGridClick);
document.addEventListener("keydown", onKey);
window.addEventListener("beforeprint", listForPrint);
document.documentElement.dataset.ready = String(Math.round(performance.now()));
