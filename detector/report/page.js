"use strict";
/* The report's own script: charts with Observable Plot, the viewer with Leaflet. */
(() => {
  const all = JSON.parse(document.getElementById("data").textContent);
  const { doc, words, views } = all;
  const root = document.documentElement;
  const time = (day) => new Date(day + "T00:00:00Z");
  const INK = { ship: "var(--ship)", container_stack: "var(--stack)" };
  const span = (() => {
    const days = doc.timeline.looks.map((look) => +time(look.day));
    const first = Math.min(...days), last = Math.max(...days);
    const room = Math.max((last - first) * 0.03, 43200000);
    return [new Date(first - room), new Date(last + room)];
  })();
  const short = (text, most) => (text.length > most ? text.slice(0, Math.max(most - 1, 1)) + "…" : text);
  const round = (value) => (Math.abs(value) < 10 ? +value.toFixed(1) : Math.round(value)).toLocaleString("en");

  /* ---- charts ---- */
  function seriesChart(box, width) {
    const chart = doc.sites[box.dataset.site].charts[box.dataset.chart];
    const ink = INK[chart.class];
    const points = chart.points.map((p) => ({ ...p, date: time(p.day) }));
    const of = (mark) => points.filter((p) => p.mark === mark);
    const whole = points.map((p) => (p.mark === "partial" || p.mark === "unseen" ? { ...p, value: NaN } : p));
    const ranged = points.filter((p) => p.low !== null && p.mark !== "unseen");
    const top = Math.max(1, ...points.map((p) => Math.max(p.value ?? 0, p.high ?? 0)));
    const told = (p) => {
      const lines = [p.day];
      if (p.mark === "unseen") lines.push(words.script.not_seen);
      else {
        lines.push((p.mark === "partial" ? words.script.at_least + " " : "") + round(p.value) + " " + words.unit[chart.measure]);
        lines.push(p.low !== null ? round(p.low) + "–" + round(p.high) : p.mark === "human" ? words.script.by_person : words.script.no_interval);
      }
      lines.push(words.script.seen + " " + Math.round(100 * p.fraction) + " %");
      return lines.join("\n");
    };
    return Plot.plot({
      width, height: 206, marginLeft: top >= 10000 ? 52 : 40, marginRight: 12, marginBottom: 36, marginTop: 26,
      style: { fontSize: "12px", background: "transparent" },
      ariaLabel: words.chart.alt.replace("{title}", chart.title).replace("{n}", points.length).replace("{low}", points[0]?.day ?? "").replace("{high}", points[points.length - 1]?.day ?? ""),
      x: { type: "utc", domain: span, label: null, ticks: Math.max(2, Math.floor(width / 90)) },
      y: { domain: [0, top], label: words.unit[chart.measure], nice: true, ticks: 4, grid: true, tickFormat: top < 4 ? "d" : undefined, interval: top < 4 ? 1 : undefined },
      marks: [
        Plot.ruleY([0], { stroke: "var(--soft)" }),
        Plot.ruleX(ranged, { x: "date", y1: "low", y2: "high", stroke: ink, strokeWidth: 7, strokeOpacity: 0.32, strokeLinecap: "round" }),
        Plot.ruleX(chart.changes, { x: time, stroke: ink, strokeDasharray: "2 4" }),
        Plot.line(whole, { x: "date", y: "value", stroke: ink, strokeWidth: 1.6 }),
        Plot.dot(of("estimate"), { x: "date", y: "value", fill: ink, r: 4 }),
        Plot.dot(of("found"), { x: "date", y: "value", stroke: ink, fill: "var(--bg)", strokeWidth: 2, r: 4 }),
        Plot.dot(of("human"), { x: "date", y: "value", symbol: "square", fill: ink, r: 4 }),
        Plot.dot(of("partial"), { x: "date", y: "value", symbol: "triangle", fill: "var(--bg)", stroke: ink, strokeWidth: 2, r: 5 }),
        Plot.dot(of("unseen"), { x: "date", y: 0, symbol: "times", stroke: "var(--soft)", strokeWidth: 2, r: 5 }),
        Plot.tip(points, Plot.pointerX({ x: "date", y: (p) => p.value ?? 0, title: told, fill: "var(--card)", stroke: "var(--field)" })),
      ],
    });
  }

  // a visit: solid where it was seen, broken where a look does not show it, open at both ends
  function bar(visit, y) {
    const pair = ([one, two]) => ({ x1: time(one), x2: time(two), y, counted: visit.counted });
    const end = (from, to, how) => ({ x1: from, x2: to, y, doubtful: how === "undecided" });
    const first = time(visit.first_seen), last = time(visit.last_seen);
    return { ...visit, y, first, solid: visit.solid.map(pair), broken: visit.broken.map(pair),
      dots: visit.seen.map((day) => ({ x: time(day), y, counted: visit.counted })),
      ends: [end(visit.not_before ? time(visit.not_before) : span[0], first, visit.arrival), end(last, visit.not_after ? time(visit.not_after) : span[1], visit.departure)] };
  }

  function barMarks(bars, thick) {
    const of = (key) => bars.flatMap((b) => b[key]), solid = of("solid"), ends = of("ends"), x = { x1: "x1", x2: "x2", y1: "y", y2: "y", stroke: "var(--ship)" };
    return [
      Plot.link(ends.filter((e) => !e.doubtful), { ...x, strokeWidth: 1.3, className: "bar-end" }),
      Plot.link(ends.filter((e) => e.doubtful), { ...x, strokeWidth: 1.3, strokeDasharray: "1 3", className: "bar-doubt" }),
      Plot.link(of("broken"), { ...x, strokeWidth: 2, strokeDasharray: "2 4", className: "bar-broken" }),
      Plot.link(solid, { ...x, strokeWidth: thick, strokeLinecap: "round", className: "bar-solid" }),
      Plot.link(solid.filter((b) => !b.counted), { ...x, stroke: "var(--bg)", strokeWidth: thick - 2.5, strokeLinecap: "round", className: "bar-hollow" }),
      Plot.dot(of("dots"), { x: "x", y: "y", r: thick / 2 - 0.5, stroke: "var(--ship)", fill: (d) => (d.counted ? "var(--ship)" : "var(--bg)"), className: "bar-seen" }),
    ];
  }

  const CHANGE_MARKS = { "stacks gone": "▼", "stacks shrunk": "▽", "stacks appeared": "▲", "stacks grown": "△" };

  // what grew the stacks stands above what made them less; of one date in one text
  function changeTexts(changes) {
    const texts = new Map();
    for (const event of Object.keys(CHANGE_MARKS)) {
      for (const c of changes.filter((change) => change.event === event)) {
        const less = event === "stacks gone" || event === "stacks shrunk", key = c.last_day + less;
        const before = texts.get(key);
        texts.set(key, { less, date: time(c.last_day), text: (before ? before.text + " " : "") + CHANGE_MARKS[event] + c.number });
      }
    }
    return [...texts.values()];
  }

  function timelineChart(box, width) {
    const t = doc.timeline, rows = [], LANE = 9;
    let y = 0, site = null;
    const most = Math.floor(width / 8);
    for (const row of t.rows) {
      if (row.site !== site) { site = row.site; y += rows.length ? 16 : 4; rows.push({ head: true, text: short(site, most), y: y + 12 }); y += 22; }
      const own = (item) => item.site === row.site && item.zone === row.zone;
      const bars = t.visits.filter(own);
      const changes = t.changes.filter(own);
      const height = 20 + Math.max(1, Math.max(0, ...bars.map((b) => b.lane + 1))) * LANE + (changes.length ? 14 : 0) + 12;
      rows.push({ ...row, text: short(row.zone, most), y: y + 12, bars: bars.map((b) => bar(b, y + 22 + b.lane * LANE)), top: y + 16,
        changes: changeTexts(changes).map((c) => ({ ...c, y: y + (c.less ? 34 : 22) })),
        looks: t.looks.filter(own).map((l) => ({ ...l, date: time(l.day), y: y + height - 8 })), base: y + height - 8 });
      y += height + 4;
    }
    const zones = rows.filter((row) => !row.head);
    const at = (end) => zones.find((row) => row.site === end.site && row.zone === end.zone);
    const links = t.links.map((l) => ({ x1: time(l.from.last_day), x2: time(l.to.last_day), y1: at(l.from).base - 20, y2: at(l.to).base - 20 }));
    const bars = zones.flatMap((row) => row.bars), looks = zones.flatMap((row) => row.looks), changes = zones.flatMap((row) => row.changes);
    const part = (look) => look.shows === "part";
    const unseen = t.unseen.map((u) => ({ x1: time(u.from), x2: time(u.to), y1: at(u).top, y2: at(u).base }));
    return Plot.plot({
      width, height: y + 38, marginLeft: 4, marginRight: 10, marginTop: 4, marginBottom: 36,
      style: { fontSize: "12px", background: "transparent" }, ariaLabel: words.timeline.alt,
      x: { type: "utc", domain: span, label: null, ticks: Math.max(2, Math.floor(width / 100)), grid: true },
      y: { domain: [0, y], range: [4, y + 2], axis: null },
      marks: [
        Plot.rect(unseen, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill: "var(--line)", fillOpacity: 0.7, className: "unseen" }),
        Plot.ruleY(zones, { y: "base", stroke: "var(--line)" }),
        Plot.text(rows.filter((r) => r.head), { frameAnchor: "left", y: "y", text: "text", textAnchor: "start", fontWeight: 700, fontSize: 14, fill: "var(--fg)" }),
        Plot.text(zones, { frameAnchor: "left", y: "y", text: "text", textAnchor: "start", fill: "var(--soft)" }),
        Plot.link(links, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", stroke: "var(--stack)", strokeDasharray: "4 4", strokeWidth: 1.5, strokeOpacity: 0.8 }),
        ...barMarks(bars, 6),
        Plot.text(changes, { x: "date", y: "y", text: "text", fill: "var(--stack)", fontWeight: 600, stroke: "var(--bg)", strokeWidth: 3 }),
        Plot.dot(looks, { x: "date", y: "y", r: 4, stroke: "var(--soft)", fill: (l) => (l.shows === "whole" ? "var(--soft)" : "var(--bg)") }),
        Plot.dot(looks.filter(part), { x: "date", y: "y", r: 2, fill: "var(--soft)" }),
        Plot.tip(bars, Plot.pointer({ x: "first", y: "y", title: (b) => b.zone + "\n" + b.length_words + "\n" + b.first_seen + " – " + b.last_seen, fill: "var(--card)", stroke: "var(--field)", maxRadius: 24 })),
      ],
    });
  }

  const MOST_BARS = 60; // as charts/ draws

  function visitsChart(box, width) {
    const left = Math.min(190, Math.round(width * 0.36)), name = doc.sites[box.dataset.site].name;
    const mine = doc.timeline.visits.filter((v) => v.site === name).slice(0, MOST_BARS);
    const ROW = mine.length > 45 ? 15 : 20; // sixty rows fit on a sheet of paper
    const visits = mine.map((v, i) => bar(v, i * ROW + ROW / 2)), height = visits.length * ROW;
    const most = Math.floor((left - 60) / 6.6);
    return Plot.plot({
      width, height: height + 42, marginLeft: left, marginRight: 12, marginTop: 4, marginBottom: 36,
      style: { fontSize: "12px", background: "transparent" }, ariaLabel: words.visit.chart_alt,
      x: { type: "utc", domain: span, label: null, ticks: Math.max(2, Math.floor((width - left) / 90)), grid: true },
      y: { domain: [0, height], range: [4, height + 4], axis: null },
      marks: [
        Plot.ruleY(visits, { y: (v) => v.y + ROW / 2, stroke: "var(--line)" }),
        Plot.text(visits, { frameAnchor: "left", dx: -left + 2, y: "y", text: (v) => short(v.zone, most), textAnchor: "start", fill: "var(--fg)", clip: false }),
        Plot.text(visits, { frameAnchor: "left", dx: -8, y: "y", text: (v) => v.length_short, textAnchor: "end", fill: "var(--soft)" }),
        ...barMarks(visits, 7),
      ],
    });
  }

  const DRAW = { series: seriesChart, timeline: timelineChart, visits: visitsChart };
  function draw(box, printed) {
    const width = printed ? (box.dataset.plot === "series" ? 330 : 690) : Math.floor(box.getBoundingClientRect().width);
    if (!width || box.drawn === width) return;
    box.drawn = width;
    const chart = DRAW[box.dataset.plot](box, width);
    const svg = chart.tagName === "svg" ? chart : chart.querySelector("svg");
    svg.setAttribute("role", "img");
    box.replaceChildren(chart);
  }
  const boxes = [...document.querySelectorAll("[data-plot]")];
  boxes.forEach((box) => draw(box));
  let waiting = 0;
  new ResizeObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => boxes.forEach((box) => draw(box)));
  }).observe(document.body);

  /* ---- viewer ---- */
  function label(item, pane) {
    const text = document.createElement("bdi");
    text.textContent = item.text; // never as HTML: names are the user's
    return L.tooltip({ permanent: true, direction: "center", pane, className: "tag tag-" + item.kind, interactive: false })
      .setLatLng([item.y, item.x]).setContent(text);
  }

  // what is known of a box: a line each, and nothing where nothing is known
  function known(item) {
    const say = words.script, lines = [];
    const tell = (title, value) => { if (value !== null && value !== "") lines.push([title, value]); };
    tell(say.box_length, item.length);
    tell(say.box_width, item.width === null ? null : item.width + " m");
    tell(say.box_area, item.area === null ? null : item.area.toLocaleString("en") + " m²");
    tell(say.box_axis, item.axis === null ? null : item.axis + "°");
    tell(say.box_score, item.score.toFixed(2));
    tell(say.box_place, item.place.map((value) => value.toFixed(5)).join(", "));
    tell(say.box_cut, item.cut);
    tell(say.box_visit, item.visit ? item.visit[0] + ", " + item.visit[1] + " – " + item.visit[2] : null);
    tell(say.box_id, item.id);
    const told = document.createElement("div"), list = document.createElement("dl"), head = document.createElement("strong");
    head.textContent = item.class === "ship" ? say.box_ship : say.box_stack;
    for (const [title, value] of lines) {
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = title;
      dd.textContent = value; // never as HTML: names are the user's
      list.append(dt, dd);
    }
    told.append(head, list);
    return told;
  }

  const corners = (item) => [0, 2, 4, 6].map((i) => [item.at[i], item.at[i + 1]]);
  function holds(item, x, y) {
    const ring = corners(item);
    const turns = ring.map(([x0, y0], i) => { const [x1, y1] = ring[(i + 1) % 4]; return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0); });
    return turns.every((turn) => turn >= 0) || turns.every((turn) => turn <= 0);
  }
  // the area of a stack at its middle
  function stackLabel(item) {
    const ring = corners(item), mean = (axis) => ring.reduce((sum, corner) => sum + corner[axis], 0) / 4;
    return { kind: "stack", text: (item.cut ? "≥" : "") + item.area.toLocaleString("en") + " m²", x: mean(0), y: mean(1) };
  }
  const MOST_STACK_LABELS = 150; // in a picture, the largest first; a click tells of every one
  const PIXEL_ON_SCREEN = 4; // screen pixels of one of the picture's, at the closest

  function startViewer(box) {
    const index = +box.dataset.viewer, shots = views[index];
    const holder = box.querySelector(".map"), slider = box.querySelector(".slider");
    const picks = { left: box.querySelector(".pick-left"), right: box.querySelector(".pick-right") };
    const compare = box.querySelector(".compare");
    const [west, south, east, north] = shots[0].bounds;
    const site = [[south, west], [north, east]];
    const fit = (holder.clientWidth * (north - south)) / (east - west);
    holder.style.height = Math.round(Math.max(260, Math.min(fit, 640, 0.75 * innerHeight))) + "px";
    const map = L.map(holder, { crs: L.CRS.Simple, zoomSnap: 0.25, zoomDelta: 0.5, minZoom: -8, maxZoom: 5, zoomAnimation: false, fadeAnimation: false, inertia: false, attributionControl: false, wheelPxPerZoomLevel: 120 });
    L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 140 }).addTo(map);
    const whole = () => map.fitBounds(site, { animate: false, padding: [4, 4] });
    whole();
    map.setMaxBounds(L.latLngBounds(site).pad(0.5));
    const far = map.getZoom() + 0.6;
    // closer than its pixels a picture shows nothing more
    const cell = Math.min(...shots.map((shot) => (shot.bounds[2] - shot.bounds[0]) / shot.width));
    map.setMaxZoom(Math.max(Math.log2(PIXEL_ON_SCREEN / cell), map.getZoom() + 0.5));
    const sides = {};
    for (const [side, order] of [["right", 250], ["left", 300]]) {
      const pane = map.createPane(side);
      pane.style.zIndex = order;
      const date = document.createElement("div");
      date.className = "date date-" + side;
      holder.append(date);
      sides[side] = { pane, date, layers: L.layerGroup().addTo(map) };
    }
    const divider = document.createElement("div");
    divider.className = "divider";
    const grip = document.createElement("span");
    grip.textContent = "↔";
    grip.setAttribute("aria-hidden", "true");
    divider.append(grip);
    const compass = document.createElement("span");
    compass.className = "north";
    compass.textContent = words.viewer.north;
    holder.append(divider, compass);

    function show(side) {
      const at = +picks[side].value, shot = shots[at];
      const figure = document.getElementById("look-" + (index + 1) + "-" + at);
      const [w, s, e, n] = shot.bounds, bounds = [[s, w], [n, e]];
      const group = sides[side].layers;
      group.clearLayers();
      group.addLayer(L.imageOverlay(figure.querySelector("img").src, bounds, { pane: side, alt: figure.querySelector("img").alt }));
      const marks = figure.querySelector("svg").cloneNode(true);
      group.addLayer(L.svgOverlay(marks, bounds, { pane: side }));
      for (const item of shot.labels) group.addLayer(label(item, side));
      const stacks = shot.boxes.filter((item) => item.class === "container_stack" && item.area !== null);
      for (const item of stacks.sort((a, b) => b.area - a.area).slice(0, MOST_STACK_LABELS)) group.addLayer(label(stackLabel(item), side));
      sides[side].date.textContent = picks[side].selectedOptions[0].textContent;
      clip();
    }
    function clip() {
      const share = compare.checked ? +slider.value / 100 : 1;
      const size = map.getSize(), a = map.containerPointToLayerPoint([0, 0]), b = map.containerPointToLayerPoint(size);
      const x = a.x + size.x * share;
      const area = (x0, x1) => "polygon(" + [[x0, a.y], [x1, a.y], [x1, b.y], [x0, b.y]].map(([u, v]) => u + "px " + v + "px").join(",") + ")";
      sides.left.pane.style.clipPath = area(a.x, x);
      sides.right.pane.style.clipPath = area(x, b.x);
      divider.style.left = 100 * share + "%";
      slider.setAttribute("aria-valuetext", Math.round(100 * share) + " %");
    }
    map.on("click", (event) => {
      if (box.classList.contains("reviewing")) return; // see review.js
      const share = compare.checked ? +slider.value / 100 : 1;
      const side = event.containerPoint.x <= share * map.getSize().x ? "left" : "right";
      const { lng: x, lat: y } = event.latlng;
      const under = shots[+picks[side].value].boxes.filter((item) => holds(item, x, y));
      if (!under.length) return;
      const item = under.reduce((one, two) => ((one.area ?? 0) <= (two.area ?? 0) ? one : two)); // the smallest lies on top
      L.popup({ maxWidth: 280, className: "known" }).setLatLng(event.latlng).setContent(known(item)).openOn(map);
    });
    map.on("move zoom resize viewreset", clip);
    map.on("zoomend", () => box.classList.toggle("far", map.getZoom() < far));
    box.classList.add("far");
    slider.addEventListener("input", clip);
    picks.left.addEventListener("change", () => show("left"));
    picks.right.addEventListener("change", () => show("right"));
    compare.addEventListener("change", () => { box.classList.toggle("single", !compare.checked); clip(); });
    box.querySelector(".whole").addEventListener("click", whole);
    for (const toggle of box.querySelectorAll("[data-layer]"))
      toggle.addEventListener("change", () => box.classList.toggle("hide-" + toggle.dataset.layer, !toggle.checked));
    L.DomEvent.disableClickPropagation(grip);
    grip.addEventListener("pointerdown", (event) => { grip.setPointerCapture(event.pointerId); event.preventDefault(); });
    grip.addEventListener("pointermove", (event) => {
      if (!grip.hasPointerCapture(event.pointerId)) return;
      const frame = holder.getBoundingClientRect();
      slider.value = Math.min(100, Math.max(0, (100 * (event.clientX - frame.left)) / frame.width));
      clip();
    });
    const section = box.closest("section");
    for (const button of section.querySelectorAll(".show"))
      button.addEventListener("click", () => {
        picks.left.value = button.dataset.look;
        show("left");
        box.scrollIntoView({ block: "start" });
        picks.left.focus({ preventScroll: true });
      });
    if (shots.length < 2) { compare.checked = false; compare.disabled = true; box.classList.add("single"); }
    show("right");
    show("left");
    return { box, map, shots, picks, compare };
  }
  const viewers = [...document.querySelectorAll("[data-viewer]")].map(startViewer);
  const maps = viewers.map((viewer) => viewer.map);

  /* ---- switches of the page ---- */
  const theme = document.getElementById("theme");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const mark = () => theme.setAttribute("aria-pressed", String(dark()));
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; mark(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", mark);
  mark();
  document.getElementById("print").addEventListener("click", () => window.print());
  document.getElementById("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(doc, null, 2)], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((item) => { item.open = true; });
    boxes.forEach((box) => draw(box, true)); // at the width of the paper
  });
  window.addEventListener("afterprint", () => { opened.forEach((item) => { item.open = false; }); boxes.forEach((box) => draw(box)); });
  window.quaywatch = { maps, doc, viewers, words, review: viewers.map((viewer) => all.review[+viewer.box.dataset.viewer]) };
})();
