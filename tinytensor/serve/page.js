"use strict";
// Draws, sends each drawing while it grows, and shows what comes back. One request is under way at a time; what
// is drawn in the meantime goes with the next one.

const SIDE = 112; // pixels that are sent along each side
const PEN = 26; // of the canvas's 336: two of the 28 pixels that the network sees
const STEP = 12; // that an arrow key moves
const BYTES = {"content-type": "application/octet-stream"};

const element = (id) => document.getElementById(id);
const drawing = element("drawing"), cursor = element("cursor");
const pen = drawing.getContext("2d", {willReadFrequently: true});
const small = document.createElement("canvas");
small.width = small.height = SIDE;
const shrunk = small.getContext("2d", {willReadFrequently: true});

let last = null; // where the pen was
let waiting = false, busy = false; // something is to be sent; something is under way
let layers = [], chosen = null, empty = true, speaking = 0;
const place = {x: 168, y: 60, down: false}; // of the keyboard's pen

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function stroke(x, y) {
  pen.strokeStyle = pen.fillStyle = colour("--ink");
  pen.lineWidth = PEN;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(last ? last.x : x, last ? last.y : y);
  pen.lineTo(x, y + (last ? 0 : 0.01));
  pen.stroke();
  last = {x, y};
  empty = false;
  send();
}

function clear() {
  pen.clearRect(0, 0, drawing.width, drawing.height);
  last = null;
  empty = true;
  place.down = false;
  mark();
  send();
}

function pixels() {
  shrunk.clearRect(0, 0, SIDE, SIDE);
  shrunk.imageSmoothingQuality = "high";
  shrunk.drawImage(drawing, 0, 0, SIDE, SIDE);
  const rgba = shrunk.getImageData(0, 0, SIDE, SIDE).data;
  return Uint8Array.from({length: SIDE * SIDE}, (_, i) => rgba[4 * i + 3]);
}

async function post(path, parameters, body) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`, {method: "POST", headers: BYTES, body});
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

function say(message) {
  element("error").textContent = message;
  element("error").hidden = !message;
}

function send() {
  waiting = true;
  if (!busy) requestAnimationFrame(exchange);
  busy = true;
}

async function exchange() {
  waiting = false;
  try {
    const body = pixels();
    show(await post("/api/read", {model: element("model").value}, body));
    if (chosen !== null && !empty) await explain(body);
    say("");
  } catch (error) {
    say(String(error.message || error));
  }
  busy = false;
  if (waiting) send();
}

function show(found) {
  const best = found.probabilities.indexOf(Math.max(...found.probabilities));
  element("answer").textContent = empty ? "–" : best;
  element("certainty").textContent = empty ? "nothing drawn yet" : percent(found.probabilities[best]);
  element("time").textContent = `${found.microseconds.toLocaleString("en")} µs`;
  [...element("bars").tBodies[0].rows].forEach((row, digit) => {
    const p = empty ? 0 : found.probabilities[digit] ?? 0;
    row.className = digit === best && !empty ? "best" : "";
    row.querySelector(".fill").style.width = `${100 * Math.min(Math.max(p, 0), 1)}%`;
    row.cells[2].textContent = empty ? "–" : percent(p);
  });
  picture(element("seen"), found.seen, 28, 28, (value) => [value, value, value, 255], 1);
  showLayers(found.layers);
  clearTimeout(speaking);
  if (!empty) speaking = setTimeout(() => {
    element("spoken").textContent = `${best}, ${percent(found.probabilities[best])}`;
  }, 700);
}

const percent = (p) => `${(100 * p).toFixed(1)}%`;

// Pixels `values` of `width` columns and `height` rows on a canvas of that size.
function picture(canvas, values, width, height, paint) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  values.forEach((value, i) => image.data.set(paint(value ?? 0), 4 * i));
  context.putImageData(image, 0, 0);
}

function showLayers(found) {
  const list = element("layers");
  if (layers.map((each) => each.name + each.layer).join() !== found.map((each) => each.name + each.layer).join()) {
    list.replaceChildren(...found.map(layerItem));
    if (!found.some((each) => each.name === chosen)) chosen = null;
  }
  layers = found;
  const positive = colour("--positive").split(",").map(Number), negative = colour("--negative").split(",").map(Number);
  found.forEach((layer, i) => {
    const most = Math.max(...layer.values.map(Math.abs), 1e-9);
    const paint = (value) => [...(value < 0 ? negative : positive), Math.round(255 * Math.abs(value) / most)];
    const [values, width, height] = arranged(layer);
    const canvas = list.children[i].querySelector("canvas");
    picture(canvas, values, width, height, paint);
    const unit = layer.values.indexOf(Math.max(...layer.values));
    list.children[i].querySelector("small").textContent = empty ? layer.shape.join(" × ")
      : `${layer.shape.join(" × ")}, largest: ${layer.values[unit].toFixed(3)} at ${unit}`;
    list.children[i].firstChild.setAttribute("aria-current", String(layer.name === chosen));
  });
}

// A layer's values as rows of a picture: an image as it is, feature maps beside each other, a vector in rows.
function arranged(layer) {
  const {shape, values} = layer;
  if (shape.length === 3) {
    const [count, height, width] = shape, across = Math.ceil(Math.sqrt(3 * count)), down = Math.ceil(count / across);
    const wide = across * (width + 1), sheet = new Array(wide * down * (height + 1)).fill(0);
    values.forEach((value, i) => {
      const map = Math.floor(i / (height * width)), y = Math.floor(i / width) % height, x = i % width;
      const row = Math.floor(map / across) * (height + 1) + y;
      sheet[row * wide + (map % across) * (width + 1) + x] = value;
    });
    return [sheet, wide, down * (height + 1)];
  }
  const width = shape.length === 2 ? shape[1] : values.length === 784 ? 28
    : Math.min(values.length, element("layers").clientWidth < 500 ? 25 : 50);
  const height = Math.ceil(values.length / width);
  return [[...values, ...new Array(width * height - values.length).fill(0)], width, height];
}

function layerItem(layer) {
  const item = document.createElement("li"), button = document.createElement("button");
  const name = document.createElement("span"), canvas = document.createElement("canvas");
  const details = document.createElement("small");
  button.type = "button";
  name.className = "name";
  name.append(layer.layer, details);
  canvas.setAttribute("aria-hidden", "true");
  button.append(name, canvas);
  button.addEventListener("click", () => choose(layer.name));
  item.append(button);
  return item;
}

function choose(name) {
  chosen = name;
  element("unit").value = "";
  send();
}

function move(by) {
  if (!layers.length) return;
  const at = layers.findIndex((each) => each.name === chosen);
  choose(layers[at < 0 ? 0 : Math.min(Math.max(at + by, 0), layers.length - 1)].name);
}

async function explain(body) {
  const unit = element("unit").value;
  const parameters = {model: element("model").value, layer: chosen, ...(unit === "" ? {} : {unit})};
  const found = await post("/api/explain", parameters, body);
  const parts = [paragraph(`Layer ${found.name}, ${found.kind}`, "hint"), paragraph(found.formula, "formula")];
  if (found.numbers) parts.push(paragraph(found.numbers, "formula"));
  if (found.terms.length) parts.push(termsTable(found));
  if (unit === "") element("unit").placeholder = found.unit;
  element("unit").max = found.units - 1;
  element("step").replaceChildren(...parts);
}

function paragraph(text, kind) {
  const made = document.createElement("p");
  made.className = kind;
  made.textContent = text;
  return made;
}

function termsTable(found) {
  const table = document.createElement("table");
  const rows = [
    ["input i", "weight w", "value x", "w · x"],
    ...found.terms.map((term) => [term.input, term.weight, term.x, term.product]),
    ["all others", "", "", found.others], ["bias b", "", "", found.bias], ["sum z", "", "", found.result],
  ];
  rows.forEach((cells, i) => {
    const row = table.insertRow();
    cells.forEach((cell, column) => {
      const made = document.createElement(i === 0 || column === 0 ? "th" : "td");
      made.scope = i === 0 ? "col" : "row";
      made.textContent = cell;
      row.append(made);
    });
  });
  return table;
}

// The pen: mouse, finger, keyboard

const at = (event) => {
  const box = drawing.getBoundingClientRect();
  return [(event.clientX - box.left) * drawing.width / box.width, (event.clientY - box.top) * drawing.height / box.height];
};
drawing.addEventListener("pointerdown", (event) => {
  drawing.setPointerCapture(event.pointerId);
  last = null;
  stroke(...at(event));
});
drawing.addEventListener("pointermove", (event) => {
  if (event.buttons & 1 && last) (event.getCoalescedEvents?.() ?? [event]).concat(event).forEach((each) => stroke(...at(each)));
});
for (const name of ["pointerup", "pointercancel"]) drawing.addEventListener(name, () => { last = null; });

const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
drawing.addEventListener("keydown", (event) => {
  if (event.key in MOVES) {
    const [dx, dy] = MOVES[event.key];
    place.x = Math.min(Math.max(place.x + STEP * dx, 0), drawing.width);
    place.y = Math.min(Math.max(place.y + STEP * dy, 0), drawing.height);
    if (place.down) stroke(place.x, place.y);
  } else if (event.key === " ") {
    place.down = !place.down;
    last = null;
    if (place.down) stroke(place.x, place.y);
    element("spoken").textContent = place.down ? "pen down" : "pen up";
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clear();
  } else {
    return;
  }
  event.preventDefault();
  mark();
});
drawing.addEventListener("focus", () => mark());
drawing.addEventListener("blur", () => mark());

function mark() {
  const context = cursor.getContext("2d");
  context.clearRect(0, 0, cursor.width, cursor.height);
  if (document.activeElement !== drawing || !drawing.matches(":focus-visible")) return;
  context.strokeStyle = colour("--accent");
  context.lineWidth = place.down ? 6 : 2;
  context.beginPath();
  context.arc(place.x, place.y, PEN / 2, 0, 2 * Math.PI);
  context.stroke();
}

// The other controls

element("clear").addEventListener("click", clear);
element("previous").addEventListener("click", () => move(-1));
element("next").addEventListener("click", () => move(1));
element("unit").addEventListener("change", send);
element("model").addEventListener("change", () => { chosen = null; send(); });
element("sample").addEventListener("click", async () => {
  const answer = await fetch(`/api/sample?number=${Math.floor(1000 * Math.random())}`);
  const {pixels: ink} = await answer.json();
  const image = new ImageData(28, 28), [r, g, b] = rgb(colour("--ink"));
  ink.forEach((value, i) => image.data.set([r, g, b, value], 4 * i));
  shrunk.clearRect(0, 0, SIDE, SIDE);
  shrunk.putImageData(image, 0, 0);
  clear();
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0, 0, 28, 28, 28, 28, 280, 280);
  empty = false;
});
element("file").addEventListener("change", async () => {
  const [file] = element("file").files;
  if (!file) return;
  try {
    const {name} = await post("/api/load", {name: file.name}, file);
    await listModels(name);
    say("");
    send();
  } catch (error) {
    say(`${file.name}: ${error.message || error}`);
  }
  element("file").value = "";
});

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

async function listModels(selected) {
  const {models} = await (await fetch("/api/models")).json();
  element("model").replaceChildren(...models.map((name) => new Option(name, name, false, name === selected)));
}

function makeBars() {
  for (let digit = 0; digit < 10; digit++) {
    const row = element("bars").tBodies[0].insertRow(), head = document.createElement("th");
    head.scope = "row";
    head.textContent = digit;
    const track = document.createElement("div"), fill = document.createElement("div");
    track.className = "track";
    fill.className = "fill";
    track.append(fill);
    track.setAttribute("aria-hidden", "true");
    row.append(head);
    row.insertCell().append(track);
    row.insertCell().textContent = "–";
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  pen.globalCompositeOperation = "source-in"; // what is drawn takes the new colour
  pen.fillStyle = colour("--ink");
  pen.fillRect(0, 0, drawing.width, drawing.height);
  pen.globalCompositeOperation = "source-over";
  send();
});
makeBars();
listModels().then(send);
