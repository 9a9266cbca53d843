"use strict";
/* The review mode of the viewer: a person judges, moves and draws boxes, and saves a file.
   Nothing leaves the page but that file; `detector review import` reads it. */
(() => {
  const { viewers, doc, words, review } = window.quaywatch;
  const say = words.review;
  const FORMAT = 1, KIND = "quaywatch review";
  const INK = { real: "#7dff9a", false: "#ff5c5c", doubtful: "#e58bff", "": "#ffffff" };
  const CLASSES = ["ship", "container_stack"];
  const KEYS = { r: "real", f: "false", d: "doubtful" };
  const round = (value) => Math.round(value * 100) / 100;
  const ring = (at) => [0, 2, 4, 6].map((i) => [at[i + 1], at[i]]); // as Leaflet has points: y, x
  const middle = (at) => [0, 1].map((axis) => (at[axis] + at[axis + 2] + at[axis + 4] + at[axis + 6]) / 4);
  let unsaved = false;

  // two clicks along the length, one across: the rectangle that they mean
  function rectangle([a, b, c]) {
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1e-9;
    const normal = [-(b[1] - a[1]) / length, (b[0] - a[0]) / length];
    const width = (c[0] - a[0]) * normal[0] + (c[1] - a[1]) * normal[1];
    const off = [normal[0] * width, normal[1] * width];
    return [...a, ...b, b[0] + off[0], b[1] + off[1], a[0] + off[0], a[1] + off[1]].map(round);
  }

  function holds(at, x, y) {
    const turns = ring(at).map(([y0, x0], i, all) => { const [y1, x1] = all[(i + 1) % 4]; return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0); });
    return turns.every((turn) => turn >= 0) || turns.every((turn) => turn <= 0);
  }

  function startReview(viewer, index) {
    const { box, map, shots, picks, compare } = viewer;
    const own = review[index];
    const find = (name) => box.querySelector(".review-" + name);
    const panel = find("panel"), toggle = find("toggle"), told = find("told");
    const looks = shots.map((shot) => ({
      items: shot.boxes.map((item) => ({ id: item.id, was: item, at: item.at, class: item.class, verdict: "", comment: "", moved: false }))
        .sort((one, two) => middle(two.at)[1] - middle(one.at)[1] || middle(one.at)[0] - middle(two.at)[0]),
      zones: new Set(),
    }));
    map.createPane("review").style.zIndex = 450;
    const layer = L.layerGroup();
    let chosen = null, points = null, target = null;
    const at = () => +picks.left.value;
    const items = () => looks[at()].items;
    const on = () => box.classList.contains("reviewing");
    const judged = (item) => item.verdict !== "" || item.moved || item.class !== item.was?.class || !item.was;

    function paint() {
      layer.clearLayers();
      for (const item of items()) {
        if (!judged(item) && item !== chosen) continue;
        const style = { pane: "review", color: item.was ? INK[item.verdict] : "#7dd7ff", weight: item === chosen ? 4 : 2, fill: false, interactive: false };
        if (item.verdict === "false") style.dashArray = "4 4";
        layer.addLayer(L.polygon(ring(item.at), style));
      }
      if (points) for (const [x, y] of points) layer.addLayer(L.circleMarker([y, x], { pane: "review", radius: 4, color: "#fff", interactive: false }));
      tell();
    }
    function tell() {
      const done = items().filter((item) => item.was && judged(item)).length, drawn = items().filter((item) => !item.was).length;
      let text = say.state.replace("{done}", done).replace("{n}", items().length - drawn).replace("{drawn}", drawn);
      if (points) text = say.draw_now.replace("{left}", 3 - points.length) + " " + text;
      else if (chosen) text = (chosen.class === "ship" ? words.script.box_ship : words.script.box_stack) + ": " + (say[chosen.verdict || "none"]) + ". " + text;
      told.textContent = text;
      find("class").value = chosen ? chosen.class : find("class").value;
      find("comment").value = chosen ? chosen.comment : "";
      for (const name of ["real", "false", "doubtful", "move", "clear", "comment"]) find(name).disabled = !chosen;
      for (const tick of panel.querySelectorAll("[data-zone]")) tick.checked = looks[at()].zones.has(tick.dataset.zone);
    }
    function choose(item) {
      chosen = item;
      if (item) { const [x, y] = middle(item.at); if (!map.getBounds().contains([y, x])) map.panTo([y, x], { animate: false }); }
      paint();
    }
    function step(by) {
      const all = items(), start = chosen ? all.indexOf(chosen) : by > 0 ? -1 : 0;
      if (all.length) choose(all[(start + by + all.length) % all.length]);
    }
    function next() {
      const all = items(), start = all.indexOf(chosen);
      const order = all.map((_, i) => all[(start + 1 + i) % all.length]);
      choose(order.find((item) => item.was && !judged(item)) ?? null);
    }
    function judge(verdict) {
      if (!chosen) return;
      if (!chosen.was && verdict === "false") { looks[at()].items = items().filter((item) => item !== chosen); chosen = null; }
      else chosen.verdict = verdict;
      unsaved = true;
      next();
    }
    function clear() {
      if (!chosen) return;
      if (!chosen.was) { looks[at()].items = items().filter((item) => item !== chosen); chosen = null; }
      else Object.assign(chosen, { verdict: "", at: chosen.was.at, class: chosen.was.class, comment: "", moved: false });
      unsaved = true;
      paint();
    }
    function draw(item) { points = []; target = item; paint(); map.getContainer().focus({ preventScroll: true }); }
    function place(x, y) {
      points.push([x, y]);
      if (points.length === 3) {
        const shape = rectangle(points);
        if (target) Object.assign(target, { at: shape, moved: true });
        else { target = { id: "", was: null, at: shape, class: find("class").value, verdict: "real", comment: "", moved: false }; looks[at()].items.push(target); }
        chosen = target;
        points = target = null;
        unsaved = true;
      }
      paint();
    }
    function press(key) {
      if (key in KEYS) judge(KEYS[key]);
      else if (key === "n") step(1);
      else if (key === "p") step(-1);
      else if (key === "b") draw(null);
      else if (key === "m" && chosen) draw(chosen);
      else if (key === "u" || key === "delete") clear();
      else if (key === "escape") { points = target = null; choose(null); }
      else return false;
      return true;
    }

    toggle.addEventListener("click", () => {
      const start = !on();
      box.classList.toggle("reviewing", start);
      toggle.setAttribute("aria-pressed", String(start));
      panel.hidden = !start;
      if (start) {
        if (compare.checked) { compare.checked = false; compare.dispatchEvent(new Event("change")); }
        map.closePopup();
        layer.addTo(map);
        map.getContainer().focus({ preventScroll: true });
        paint();
      } else layer.remove();
    });
    picks.left.addEventListener("change", () => { points = target = null; if (on()) choose(null); });
    map.on("click", (event) => {
      if (!on()) return;
      const { lng: x, lat: y } = event.latlng;
      if (points) return place(x, y);
      const under = items().filter((item) => holds(item.at, x, y));
      const size = (item) => { const r = ring(item.at); return Math.hypot(r[1][0] - r[0][0], r[1][1] - r[0][1]) * Math.hypot(r[2][0] - r[1][0], r[2][1] - r[1][1]); };
      choose(under.length ? under.reduce((one, two) => (size(one) <= size(two) ? one : two)) : null);
    });
    map.getContainer().addEventListener("keydown", (event) => {
      if (!on() || event.ctrlKey || event.metaKey || event.altKey) return;
      if (press(event.key.toLowerCase())) { event.preventDefault(); event.stopPropagation(); }
    });
    for (const verdict of ["real", "false", "doubtful"]) find(verdict).addEventListener("click", () => judge(verdict));
    find("next").addEventListener("click", () => step(1));
    find("draw").addEventListener("click", () => draw(null));
    find("move").addEventListener("click", () => { if (chosen) draw(chosen); });
    find("clear").addEventListener("click", clear);
    find("class").addEventListener("change", (event) => { if (chosen) { chosen.class = event.target.value; unsaved = true; paint(); } });
    find("comment").addEventListener("input", (event) => { if (chosen) { chosen.comment = event.target.value; unsaved = true; } });
    for (const tick of panel.querySelectorAll("[data-zone]"))
      tick.addEventListener("change", () => { const zones = looks[at()].zones; if (tick.checked) zones.add(tick.dataset.zone); else zones.delete(tick.dataset.zone); unsaved = true; });
    find("save").addEventListener("click", save);
    find("load").addEventListener("change", async (event) => {
      try { load(JSON.parse(await event.target.files[0].text())); } catch { told.textContent = say.unreadable; }
      event.target.value = "";
    });

    // what was said of a look, or null where nothing was
    function lookOf(i) {
      const { items: all, zones } = looks[i], shot = shots[i];
      const boxes = all.filter((item) => item.was && (judged(item) || item.comment))
        .map((item) => ({ id: item.id, verdict: item.verdict, class: item.class, at: item.moved ? item.at : null, comment: item.comment }));
      const drawn = all.filter((item) => !item.was).map((item) => ({ class: item.class, at: item.at, verdict: item.verdict, comment: item.comment }));
      if (!boxes.length && !drawn.length && !zones.size) return null;
      const scenes = shot.scenes.map((id) => ({ id, shift: own.shifts[id], seal: own.seals[id] }));
      return { day: shot.day, scenes, boxes, drawn, zones: own.zones.filter((zone) => zones.has(zone.name)) };
    }
    const site = () => ({ name: own.name, lon: own.lon, lat: own.lat, looks: shots.map((_, i) => lookOf(i)).filter((look) => look !== null) });
    function restore(saved) {
      for (const look of saved.looks) {
        const i = shots.findIndex((shot) => shot.day === look.day);
        if (i < 0) continue;
        for (const one of look.boxes) {
          const item = looks[i].items.find((other) => other.id === one.id);
          if (item) Object.assign(item, { verdict: one.verdict, class: one.class, comment: one.comment, at: one.at ?? item.was.at, moved: one.at !== null });
        }
        looks[i].items = looks[i].items.filter((item) => item.was).concat(look.drawn.map((one) => ({ ...one, id: "", was: null, moved: false })));
        looks[i].zones = new Set(look.zones.map((zone) => zone.name));
      }
      chosen = null;
      paint();
    }
    return { site, restore, name: own.name, who: find("who") };
  }

  function save() {
    const who = all.map((one) => one.who.value.trim()).find((name) => name) ?? "";
    const content = { format: FORMAT, kind: KIND, version: doc.version, who, when: new Date().toISOString().slice(0, 19) + "Z",
      sites: all.map((one) => one.site()).filter((site) => site.looks.length) };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
    link.download = "quaywatch-review.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    unsaved = false;
  }
  function load(content) {
    if (content.kind !== KIND || content.format > FORMAT) throw new Error(KIND);
    for (const saved of content.sites) all.find((one) => one.name === saved.name)?.restore(saved);
    for (const one of all) one.who.value = content.who;
  }
  const all = viewers.map(startReview);
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
})();
