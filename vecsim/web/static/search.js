// The search page: asks the JSON API and shows the answer. All text of images is set as text,
// never as markup; links lead to http and https only.
"use strict";

const $ = (id) => document.getElementById(id);
const place = $("search").dataset;
const slider = $("threshold");
const usual = Number(place.threshold);
const FEW = 60;
const MOST = 500;

let ask = null; // how to ask for the k best: (k) => Promise of a response
let answer = null; // the latest answer
let number = 0; // of the latest question; older answers are dropped
let preview = null; // the object URL of the picture shown
let threshold = usual; // the slider's steps may not hit it exactly

slider.value = String(usual);
// A threshold below 0 is possible, and rarely meant.
slider.min = String(Math.min(0, Math.floor(usual * 10) / 10));

// -- asking -------------------------------------------------------------------------------------

function search(name, kind, image, question) {
  ask = question;
  answer = null;
  $("answer").hidden = true;
  showAsked(name, kind, image);
  return run(FEW);
}

async function run(k) {
  const mine = ++number;
  $("problem").hidden = true;
  $("busy").hidden = false;
  try {
    const found = await read(await ask(k));
    if (mine !== number) return;
    answer = found;
    showFacts(found.query);
    show();
    // On a phone the answer would be out of sight.
    if (innerWidth <= 640 && k === FEW) $("asked").scrollIntoView();
  } catch (problem) {
    if (mine === number) complain(problem);
  } finally {
    if (mine === number) $("busy").hidden = true;
  }
}

async function read(response) {
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const body = isJson ? await response.json() : {};
  if (response.ok) return body;
  if (response.status === 401) location.reload(); // the token's page takes over
  throw { detail: body.detail || `The server answered ${response.status}.`, advice: body.advice };
}

function complain(problem) {
  const lost = problem instanceof TypeError;
  $("problem-what").textContent = lost ? "The server cannot be reached." : problem.detail || String(problem);
  $("problem-advice").textContent = lost ? "See whether it still runs, then try again." : problem.advice || "";
  $("problem").hidden = false;
}

function byFile(file) {
  if (place.pictures !== "yes") return;
  if (!file.type.startsWith("image/")) {
    complain({ detail: `${file.name || "That"} is not a picture.`, advice: "Choose a JPEG, PNG, WebP or GIF." });
    return;
  }
  if (file.size > Number(place.most)) {
    const limit = `${Math.floor(Number(place.most) / 1e6)} MB`;
    complain({ detail: `${file.name} is larger than ${limit}.`, advice: "Make it smaller." });
    return;
  }
  history.replaceState(null, "", place.page);
  search(file.name || "pasted picture", "Pictures like your", file, (k) =>
    fetch(`${place.api}/search/upload?k=${k}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    }));
}

function byUrl(url) {
  if (!/^https?:\/\//i.test(url)) {
    complain({ detail: `${url} is not a web address.`, advice: "It starts with http:// or https://." });
    return;
  }
  history.replaceState(null, "", place.page);
  search(url, "Pictures like the one at", null, (k) =>
    fetch(`${place.api}/search/url`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ url, k }),
    }));
}

function byId(id) {
  search(id, "Pictures like", `${place.api}/thumbnail?id=${encodeURIComponent(id)}`, (k) =>
    fetch(`${place.api}/search?id=${encodeURIComponent(id)}&k=${k}`));
}

// -- showing ------------------------------------------------------------------------------------

function showAsked(name, kind, image) {
  if (preview) URL.revokeObjectURL(preview);
  preview = image instanceof Blob ? URL.createObjectURL(image) : null;
  const shot = $("asked-image");
  shot.parentElement.hidden = !image;
  shot.parentElement.classList.remove("empty");
  shot.onerror = () => shot.parentElement.classList.add("empty");
  if (image) shot.src = preview || image;
  else shot.removeAttribute("src");
  shot.alt = name;
  $("asked-kind").textContent = kind;
  $("asked-name").textContent = name;
  $("asked-facts").textContent = "";
  // What the page itself says about an image of the index goes with another picture.
  if (name !== place.id) {
    for (const extra of $("asked").querySelectorAll(".source, .fields, #remove")) extra.remove();
  }
  $("asked").hidden = false;
  if ($("starters")) $("starters").hidden = true;
}

function showFacts(query) {
  const size = query.width ? `${query.width} × ${query.height}` : "";
  $("asked-facts").textContent = [size, query.format].filter(Boolean).join(" · ");
}

function card(match) {
  const item = $("card").content.cloneNode(true).firstElementChild;
  const link = item.querySelector(".shot");
  const image = link.querySelector("img");
  link.href = `${place.page}?id=${encodeURIComponent(match.id)}`;
  image.alt = `${match.id}, score ${match.score.toFixed(3)}: more like this`;
  image.onerror = () => link.classList.add("empty");
  image.src = match.thumbnail;
  const id = item.querySelector(".id");
  id.firstElementChild.textContent = id.title = match.id;
  const score = item.querySelector(".score");
  score.textContent = match.score.toFixed(3);
  score.title = match.score.toFixed(6);
  score.classList.toggle("same", match.score === 1);
  const extra = item.querySelector(".extra");
  extra.textContent = extra.title = Object.values(match.fields).filter(Boolean).join(" · ");
  if (/^https?:\/\//i.test(match.url)) {
    const source = item.querySelector(".source");
    source.href = match.url;
    source.hidden = false;
  }
  return item;
}

function show() {
  $("results").replaceChildren(...answer.matches.map(card));
  $("answer").hidden = false;
  filter();
}

// The answer holds the best k whatever their score: the slider only hides and shows.
function filter() {
  const shownThreshold = digits(threshold);
  $("threshold-value").textContent = shownThreshold;
  slider.setAttribute("aria-valuetext", shownThreshold);
  if (!answer) return;
  const cards = $("results").children;
  let shown = 0;
  answer.matches.forEach((match, at) => {
    const enough = match.score >= threshold;
    cards[at].hidden = !enough;
    shown += enough ? 1 : 0;
  });
  const all = answer.more && shown === answer.matches.length;
  $("count").textContent = `${shown}${all ? " or more" : ""} ${shown === 1 ? "picture" : "pictures"} of at least ${shownThreshold}`;
  const best = answer.matches[0];
  $("none").hidden = shown > 0;
  $("none").textContent = best
    ? `Nothing reaches this threshold. The best is ${best.id} with ${best.score.toFixed(3)}.`
    : "There is nothing else in this index.";
  $("more").hidden = !(all && answer.k < MOST);
}

const digits = (score) => score.toFixed(4).replace(/0$/, "");

slider.addEventListener("input", () => {
  threshold = Number(slider.value);
  filter();
});
$("more").addEventListener("click", () => run(Math.min(MOST, answer.k * 3)));

// -- dropping, pasting, typing ------------------------------------------------------------------

const hasFiles = (event) => [...event.dataTransfer.types].includes("Files");

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.toggle("over", hasFiles(event) || event.dataTransfer.types.includes("text/uri-list"));
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (place.pictures !== "yes") return;
  const file = event.dataTransfer.files[0];
  const url = event.dataTransfer.getData("text/uri-list").split("\n")[0].trim();
  if (file) byFile(file);
  else if (url) byUrl(url);
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    byFile(file);
    return;
  }
  const text = event.clipboardData.getData("text").trim();
  if (event.target instanceof HTMLInputElement || place.pictures !== "yes") return;
  if (/^https?:\/\/\S+$/i.test(text)) byUrl(text);
});
if ($("file")) {
  $("file").addEventListener("change", (event) => {
    const file = event.target.files[0];
    if (file) byFile(file);
    event.target.value = "";
  });
  $("by-url").addEventListener("submit", (event) => {
    event.preventDefault();
    byUrl($("url").value.trim());
  });
}

// -- changing -----------------------------------------------------------------------------------

if ($("add")) {
  $("add").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const image = { url: form.url.value.trim() };
    if (form.elements.id.value) image.id = form.elements.id.value;
    const button = form.querySelector("button");
    button.disabled = true;
    $("added").textContent = "Fetching…";
    try {
      const done = await read(await fetch(`${place.api}/images`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ images: [image] }),
      }));
      const failure = done.failures[0];
      $("added").textContent = failure
        ? `It could not be had: ${failure.message}. It is listed among the failures.`
        : done.added ? "Added." : "It is in the index already.";
      if (done.added) form.reset();
    } catch (problem) {
      $("added").textContent = [problem.detail || "The server cannot be reached.", problem.advice].filter(Boolean).join(" ");
    } finally {
      button.disabled = false;
    }
  });
}
if ($("remove")) {
  $("remove").addEventListener("click", async (event) => {
    const button = event.target;
    if (button.dataset.sure !== "yes") {
      button.dataset.sure = "yes";
      button.textContent = "Really remove it?";
      return;
    }
    try {
      await read(await fetch(`${place.api}/images?id=${encodeURIComponent(place.id)}`, { method: "DELETE" }));
      location.assign(`${place.page}/browse`);
    } catch (problem) {
      complain(problem);
    }
  });
}

filter();
if (place.id) byId(place.id);
