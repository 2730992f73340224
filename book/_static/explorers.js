/* Explorers: figures that carry data (ocsf_ssl_lib/plots/explorer.py) get controls and a drawing that follows them.
 *
 * The picture stays in the page: it is what print shows, and what remains when this script does not run.
 * Text from the data goes in as text, never as HTML. Every control is a native one; the map also takes arrow keys. */
(() => {
  "use strict";

  /* -- making elements ---------------------------------------------------------------------------------------- */

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) { element.setAttribute(name, value); }
    element.append(...children);
    return element;
  }
  const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const shape = (name, attributes = {}, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
  const canvas = (box, ...children) => shape("svg", { viewBox: box.join(" ") }, ...children);

  function slider(label, size, start, say, changed) {
    const input = html("input", { type: "range", min: 0, max: size - 1, step: 1, value: start });
    const seen = html("span", { "aria-hidden": "true", class: "explorer-value" }); // heard as the value of the input
    const show = () => {
      seen.textContent = say(input.valueAsNumber);
      input.setAttribute("aria-valuetext", seen.textContent);
    };
    input.addEventListener("input", () => { show(); changed(input.valueAsNumber); });
    show();
    return html("label", {}, html("span", {}, label), input, seen);
  }

  function chooser(label, options, changed) {
    const select = html("select", {}, ...options.map((text, k) => html("option", { value: k }, text)));
    select.addEventListener("change", () => changed(Number(select.value)));
    return html("label", {}, html("span", {}, label), select);
  }

  function button(text, pressed) {
    const made = html("button", { type: "button" }, text);
    made.addEventListener("click", pressed);
    return made;
  }

  function bar(share, colour) {
    const inside = html("span");
    inside.style.width = `${100 * share}%`;
    inside.style.backgroundColor = colour;
    return html("span", { class: "explorer-bar", "aria-hidden": "true" }, inside);
  }

  const status = () => html("p", { class: "explorer-status", role: "status" });
  const percent = (share) => `${Math.round(100 * share)}%`;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const mean = (values) => sum(values) / values.length;

  /* -- temperature: the softmax of NT-Xent over all candidates of a view --------------------------------------- */

  function temperature(data) {
    const n = data.events.length, size = 2 * n, cell = 16, edge = 26;
    const cosine = Array.from({ length: size }, () => new Array(size).fill(1));
    let next = 0;
    for (let i = 0; i < size; i++) {
      for (let j = i + 1; j < size; j++) { cosine[i][j] = cosine[j][i] = data.cosines[next++]; }
    }
    const partner = (i) => (i + n) % size;
    const name = (i) => String.fromCharCode(65 + (i % n)) + (i < n ? "₁" : "₂");
    let tau = data.temperatures[data.start], row = 0;

    const middle = (k) => edge + (k + 0.5) * cell;
    const squares = cosine.map((_, i) => cosine.map((_, j) =>
      shape("rect", { fill: j === partner(i) ? data.colours.pull : data.colours.push })));
    const frames = cosine.map((_, i) => shape("rect", {
      x: middle(partner(i)) - cell / 2, y: middle(i) - cell / 2, width: cell, height: cell, class: "explorer-frame" }));
    const names = cosine.flatMap((_, i) => [
      shape("text", { x: edge - 4, y: middle(i) + 3.5, "text-anchor": "end" }, name(i)),
      shape("text", { x: middle(i), y: edge - 6, "text-anchor": "middle" }, name(i))]);
    const band = shape("rect", { x: 0, width: edge + size * cell, height: cell, class: "explorer-band" });
    const grid = canvas([0, 0, edge + size * cell + 1, edge + size * cell + 1], band, ...frames, ...names,
      ...squares.flat().filter((_, k) => k % (size + 1)));
    fill(grid, { role: "img", "aria-label": "Share of each candidate in each row; the text says what matters" }, []);
    grid.addEventListener("click", (event) => {
      const box = grid.getBoundingClientRect();
      const at = Math.floor(((event.clientY - box.top) * (edge + size * cell) / box.height - edge) / cell);
      if (at >= 0 && at < size) { rows.querySelector("select").value = row = at; draw(); }
    });

    const said = status(), list = html("ol");
    const heading = html("p", { class: "explorer-heading" });

    function draw() {
      const losses = [], partners = [], pushes = [];
      cosine.forEach((line, i) => {
        const powers = line.map((value, j) => (i === j ? 0 : Math.exp((value - 1) / tau)));
        const all = sum(powers), shares = powers.map((power) => power / all);
        shares.forEach((share, j) => {
          const side = cell * Math.sqrt(share);
          fill(squares[i][j], { x: middle(j) - side / 2, y: middle(i) - side / 2, width: side, height: side }, []);
        });
        losses.push(Math.log(all) - (line[partner(i)] - 1) / tau);
        partners.push(shares[partner(i)]);
        const negatives = shares.filter((_, j) => j !== i && j !== partner(i)).sort((a, b) => b - a);
        pushes.push((negatives[0] + negatives[1]) / sum(negatives));
        if (i === row) {
          const best = shares.map((share, j) => [share, j]).filter(([, j]) => j !== i).sort((a, b) => b[0] - a[0]);
          list.replaceChildren(...best.slice(0, 5).map(([share, j]) => html("li", {},
            `${name(j)}${j === partner(i) ? " (partner)" : ""} ${data.events[j % n]}: cosine ${line[j].toFixed(2)}, `,
            html("strong", {}, percent(share)),
            bar(share, j === partner(i) ? data.colours.pull : data.colours.push))));
        }
      });
      band.setAttribute("y", middle(row) - cell / 2);
      heading.textContent = `The five largest shares in row ${name(row)}`;
      said.textContent = `At temperature ${tau} the loss is ${mean(losses).toFixed(2)}. On average the partner has `
        + `${percent(mean(partners))} of its row, and the nearest 2 of the ${size - 2} negatives take `
        + `${percent(mean(pushes))} of the push.`;
    }

    const rows = chooser("Row", cosine.map((_, i) => `${name(i)} ${data.events[i % n]}`), (k) => { row = k; draw(); });
    draw();
    return [
      html("div", { class: "explorer-controls" },
        slider("Temperature", data.temperatures.length, data.start, (k) => String(data.temperatures[k]),
          (k) => { tau = data.temperatures[k]; draw(); }), rows),
      html("div", { class: "explorer-sides" }, grid, html("div", {}, said, heading, list)),
    ];
  }

  /* -- mask rate: every mask of a few cells, and what the model says -------------------------------------------- */

  function maskRate(data) {
    const width = data.columns.length, steps = 21, rate = (k) => k / (steps - 1);
    const bits = (mask) => data.columns.filter((_, c) => (mask >> c) & 1).length;
    const starts = [0];
    for (let mask = 0; mask < 2 ** width; mask++) { starts.push(starts[mask] + 2 * bits(mask)); }
    let event = 0, draws = 0, step = 10, mask = 0;

    const boxes = data.columns.map((column, c) => {
      const box = html("input", { type: "checkbox", "aria-label": `hide ${column}` });
      box.addEventListener("change", () => { mask ^= 1 << c; draw(false); });
      return box;
    });
    const cells = data.columns.map(() => [html("td"), html("td"), html("td")]);
    const said = status();

    function draw(byRate) {
      if (byRate) { mask = sum(data.draws[draws].map((at, c) => (at < rate(step) ? 1 << c : 0))); }
      const { truth, answers } = data.events[event];
      let place = starts[mask], right = 0, given = 0;
      data.columns.forEach((_, c) => {
        const hidden = (mask >> c) & 1, [value, guess, share] = cells[c];
        boxes[c].checked = Boolean(hidden);
        value.textContent = data.values[c][truth[c]];
        value.className = hidden ? "explorer-hidden" : "";
        guess.textContent = "";
        guess.removeAttribute("aria-label");
        share.textContent = "";
        if (!hidden) { return; }
        const [said, thousandths] = answers.slice(place, place + 2);
        place += 2;
        right += said === truth[c];
        given += thousandths / 1000;
        guess.textContent = `${data.values[c][said]} ${said === truth[c] ? "✓" : "✗"}`;
        guess.setAttribute("aria-label", `${data.values[c][said]}, ${said === truth[c] ? "right" : "wrong"}`);
        share.append(percent(thousandths / 1000), bar(thousandths / 1000, data.colours.bar));
      });
      const count = bits(mask), left = width - count;
      let text = count
        ? `${count} of ${width} cells hidden, ${left} left to predict from. The model guesses ${right} of ${count} and `
          + `gives the true values ${percent(given / count)} on average.`
        : `Nothing hidden, nothing to learn: all ${width} cells are seen.`;
      const known = data.curve.rate.findIndex((value) => Math.abs(value - rate(step)) < 1e-9);
      if (byRate && known >= 0) {
        text += ` Over all later events it guesses ${percent(data.curve.accuracy[known])} of the hidden cells at this `
          + `rate; its loss is ${data.curve.loss[known].toFixed(2)}.`;
      }
      said.textContent = text;
    }

    const head = ["field (tick to hide)", "value", "guess", "given to the value"];
    const table = html("table", { class: "explorer-table" },
      html("thead", {}, html("tr", {}, ...head.map((text) => html("th", { scope: "col" }, text)))),
      html("tbody", {}, ...data.columns.map((column, c) => html("tr", {},
        html("th", { scope: "row" }, html("label", {}, boxes[c], ` ${column}`)), ...cells[c]))));
    draw(true);
    return [
      html("div", { class: "explorer-controls" },
        slider("Mask rate", steps, step, (k) => percent(rate(k)), (k) => { step = k; draw(true); }),
        chooser("Event", data.events.map((e) => e.name), (k) => { event = k; draw(false); }),
        button("Another mask", () => { draws = (draws + 1) % data.draws.length; draw(true); })),
      said, table,
    ];
  }

  /* -- map: points, the event behind each, and its neighbours in the embedding ---------------------------------- */

  const MARKS = [ // the order of MARKERS in ocsf_ssl_lib/plots/style.py: o X s ^ D v
    "M-9 0A9 9 0 1 0 9 0A9 9 0 1 0-9 0Z",
    "M-10-6L-6-10L0-4L6-10L10-6L4 0L10 6L6 10L0 4L-6 10L-10 6L-4 0Z",
    "M-8-8H8V8H-8Z", "M0-10L10 8H-10Z", "M0-11L11 0L0 11L-11 0Z", "M0 10L10-8H-10Z"];

  function map(data) {
    const size = data.maps[0].x.length, fields = Object.entries(data.fields), groups = Object.entries(data.groups);
    let shown = data.maps[0], group = groups[0][1], picked = data.picked;

    const points = Array.from({ length: size }, () => shape("path", { class: "explorer-point" }));
    const lines = Array.from({ length: data.neighbours }, () => shape("line", { class: "explorer-line" }));
    const ring = shape("circle", { r: 20, class: "explorer-ring" });
    const picture = canvas([-40, -40, 1080, 1080], ...lines, ...points, ring);
    picture.setAttribute("aria-hidden", "true");
    const area = html("div", { class: "explorer-map", role: "application", tabindex: 0,
      "aria-label": `Map of ${size} events. Arrow keys go to the next event in a direction.` }, picture);
    const legend = html("ul", { class: "explorer-legend" });
    const said = status(), facts = html("dl"), near = html("ol");

    const value = (field, k) => field.values[field.of[k]];
    const apart = (a, b) => (shown.x[a] - shown.x[b]) ** 2 + (shown.y[a] - shown.y[b]) ** 2;
    const others = () => [...points.keys()].filter((k) => k !== picked);

    function place() {
      points.forEach((point, k) => {
        point.style.transform = `translate(${shown.x[k]}px, ${shown.y[k]}px)`;
        fill(point, { d: MARKS[group.of[k]], fill: data.colours.series[group.of[k]] }, []);
      });
      legend.replaceChildren(...group.values.map((text, g) => html("li", {},
        fill(canvas([-12, -12, 24, 24], shape("path", { d: MARKS[g], fill: data.colours.series[g] })),
          { "aria-hidden": "true" }, []), text)));
    }

    function pick(k) {
      picked = k;
      ring.style.transform = `translate(${shown.x[k]}px, ${shown.y[k]}px)`;
      const all = data.near[shown.near], mine = all.slice(k * data.neighbours, (k + 1) * data.neighbours);
      mine.forEach((other, rank) => fill(lines[rank],
        { x1: shown.x[k], y1: shown.y[k], x2: shown.x[other], y2: shown.y[other] }, []));
      facts.replaceChildren(...fields.flatMap(([name, field]) => [html("dt", {}, name), html("dd", {}, value(field, k))]));
      near.replaceChildren(...mine.map((other) => html("li", {},
        button(fields.slice(0, 3).map(([, field]) => value(field, other)).join(", "), () => { pick(other); area.focus(); }))));
      const onMap = others().sort((a, b) => apart(a, k) - apart(b, k)).slice(0, data.neighbours);
      const kept = mine.filter((other) => onMap.includes(other)).length;
      said.textContent = `Event ${k + 1} of ${size}: ${fields.map(([, field]) => value(field, k)).join(", ")}. `
        + `The map keeps ${kept} of its ${data.neighbours} nearest in the embedding among its ${data.neighbours} nearest.`;
    }

    function toward(x, y) { // the nearest event within 45 degrees of a direction
      const ahead = others().filter((k) => {
        const along = (shown.x[k] - shown.x[picked]) * x + (shown.y[k] - shown.y[picked]) * y;
        const aside = Math.abs((shown.x[k] - shown.x[picked]) * y) + Math.abs((shown.y[k] - shown.y[picked]) * x);
        return along > 0 && aside <= along;
      });
      return ahead.length ? ahead.reduce((a, b) => (apart(b, picked) < apart(a, picked) ? b : a)) : picked;
    }

    const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    area.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) { return; }
      event.preventDefault();
      event.stopPropagation(); // the theme turns pages with the arrow keys
      pick(toward(...KEYS[event.key]));
    });
    picture.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect(), scale = 1080 / box.width;
      const x = (event.clientX - box.left) * scale - 40, y = (event.clientY - box.top) * scale - 40;
      const far = (k) => (shown.x[k] - x) ** 2 + (shown.y[k] - y) ** 2;
      pick([...points.keys()].reduce((a, b) => (far(b) < far(a) ? b : a)));
    });

    place();
    pick(picked);
    return [
      html("div", { class: "explorer-controls" },
        chooser("Map", data.maps.map((m) => m.title), (k) => { shown = data.maps[k]; place(); pick(picked); }),
        chooser("Colour by", groups.map(([name]) => name), (k) => { group = groups[k][1]; place(); }),
        button("Previous event", () => pick((picked + size - 1) % size)),
        button("Next event", () => pick((picked + 1) % size))),
      legend,
      html("div", { class: "explorer-sides" }, area, html("div", {},
        html("p", { class: "explorer-heading" }, "The event"), facts,
        html("p", { class: "explorer-heading" }, "Its nearest in the embedding"), near)),
      said,
    ];
  }

  /* -- putting them into the page ------------------------------------------------------------------------------- */

  const KINDS = { temperature: [temperature, "Temperature"], "mask-rate": [maskRate, "Mask rate"], map: [map, "Map of events"] };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("svg.book-figure[data-explorer]").forEach((figure) => {
      const [build, title] = KINDS[figure.dataset.explorer];
      const parts = build(JSON.parse(figure.querySelector("metadata").textContent));
      figure.before(html("div", { class: "explorer", role: "group", "aria-label": `Explorer: ${title}` }, ...parts));
      figure.classList.add("explorer-replaced");
    });
  });
})();
