// The search page: calls the JSON API and shows the matches. Values from an index are inserted as
// text, never as markup, and only http(s) URLs become links.
"use strict";

const $ = (id) => document.getElementById(id);
const page = $("search").dataset;
const slider = $("threshold");
const defaultThreshold = Number(page.threshold);
const FIRST_COUNT = 60; // matches requested by a new search
const MAX_COUNT = 500; // the limit of the API

let sendRequest = null; // requests the best k matches: (k) => Promise of a response
let result = null; // the latest response
let searchNumber = 0; // of the latest search; responses to older ones are dropped
let previewUrl = null; // the object URL of the query picture
let threshold = defaultThreshold; // kept because the slider rounds to its steps

slider.value = String(defaultThreshold);
// Scores below 0 are possible, but the slider shows them only if the default threshold is below 0.
slider.min = String(Math.min(0, Math.floor(defaultThreshold * 10) / 10));

// -- searching ----------------------------------------------------------------------------------

function search(name, kind, image, request) {
  sendRequest = request;
  result = null;
  $("result").hidden = true;
  showQuery(name, kind, image);
  return run(FIRST_COUNT);
}

async function run(k) {
  const number = ++searchNumber;
  $("problem").hidden = true;
  $("busy").hidden = false;
  try {
    const found = await parseResponse(await sendRequest(k));
    if (number !== searchNumber) return;
    result = found;
    showQueryFacts(found.query);
    showMatches();
    // On a narrow screen the result is below the visible part of the page.
    if (innerWidth <= 640 && k === FIRST_COUNT) $("query").scrollIntoView();
  } catch (problem) {
    if (number === searchNumber) showProblem(problem);
  } finally {
    if (number === searchNumber) $("busy").hidden = true;
  }
}

async function parseResponse(response) {
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const body = isJson ? await response.json() : {};
  if (response.ok) return body;
  if (response.status === 401) location.reload(); // redirects to the login page
  throw { detail: body.detail || `The server answered ${response.status}.`, advice: body.advice };
}

function showProblem(problem) {
  const offline = problem instanceof TypeError; // thrown by fetch()
  $("problem-detail").textContent = offline ? "The server cannot be reached." : problem.detail || String(problem);
  $("problem-advice").textContent = offline ? "Check that it is running, then try again." : problem.advice || "";
  $("problem").hidden = false;
}

function byFile(file) {
  if (page.takesPictures !== "yes") return;
  // Browsers know no type for some pictures, such as HEIC: the server says what they are.
  if (file.type && !file.type.startsWith("image/")) {
    showProblem({ detail: `${file.name || "The file"} is not a picture.`, advice: "Choose a JPEG, PNG, WebP or GIF." });
    return;
  }
  if (file.size > Number(page.maxBytes)) {
    const limit = `${Math.floor(Number(page.maxBytes) / 1e6)} MB`;
    showProblem({ detail: `${file.name} is larger than ${limit}.`, advice: "Choose a smaller file." });
    return;
  }
  history.replaceState(null, "", page.page);
  search(file.name || "pasted picture", "Images similar to your file", file, (k) =>
    fetch(`${page.api}/search/upload?k=${k}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    }));
}

function byUrl(url) {
  if (!/^https?:\/\//i.test(url)) {
    showProblem({ detail: `${url} is not a web address.`, advice: "It must start with http:// or https://." });
    return;
  }
  history.replaceState(null, "", page.page);
  search(url, "Images similar to the picture at", null, (k) =>
    fetch(`${page.api}/search/url`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ url, k }),
    }));
}

function byId(id) {
  search(id, "Images similar to", `${page.api}/thumbnail?id=${encodeURIComponent(id)}`, (k) =>
    fetch(`${page.api}/search?id=${encodeURIComponent(id)}&k=${k}`));
}

// -- showing ------------------------------------------------------------------------------------

function showQuery(name, kind, image) {
  if (previewUrl) URL.revokeObjectURL(previewUrl);
  previewUrl = image instanceof Blob ? URL.createObjectURL(image) : null;
  const picture = $("query-image");
  picture.parentElement.hidden = !image;
  picture.parentElement.classList.remove("empty");
  picture.onerror = () => picture.parentElement.classList.add("empty");
  if (image) picture.src = previewUrl || image;
  else picture.removeAttribute("src");
  picture.alt = name;
  $("query-kind").textContent = kind;
  $("query-name").textContent = name === page.id ? shortName(name, name) : name;
  $("query-name").title = name;
  $("query-facts").textContent = "";
  // The page came with facts about the image in its URL; they do not belong to another query.
  if (name !== page.id) {
    for (const extra of $("query").querySelectorAll(".source, .fields, #remove")) extra.remove();
  }
  $("query").hidden = false;
  if ($("examples")) $("examples").hidden = true;
}

function showQueryFacts(query) {
  const size = query.width ? `${query.width} × ${query.height}` : "";
  $("query-facts").textContent = [size, query.format].filter(Boolean).join(" · ");
}

// The last part of an id that is a path or URL; other ids as they are.
const shortName = (id, address) => (id === address && /^(\/|[a-z]+:\/\/)/i.test(id) ? id.slice(id.lastIndexOf("/") + 1) || id : id);

// Four decimals, cut and not rounded, so that only equal vectors are shown as 1.0000.
const briefly = (score) => (Math.floor(Math.round(score * 1e6) / 100) / 1e4).toFixed(4);

// How the query is turned, or which part of it is taken, so that it matches; "" as it is.
function orientationText(name) {
  if (!name || name === "0") return "";
  const part = /^(in-)?([a-z-]+)-(\d+)$/.exec(name);
  if (part) {
    const words = `${part[2].replace("-", " ")}, ${part[3]} % of each side`;
    return part[1] ? `query is like the ${words}` : `query's ${words}`;
  }
  const words = name.split("+").map((part) => (part === "mirror" ? "mirrored" : `turned ${part}°`));
  return `query ${words.join(", ")}`;
}

function makeCard(match) {
  const item = $("card").content.cloneNode(true).firstElementChild;
  const link = item.querySelector(".picture");
  const image = link.querySelector("img");
  link.href = `${page.page}?id=${encodeURIComponent(match.id)}`;
  image.alt = `${match.id}, score ${briefly(match.score)}: find similar images`;
  image.onerror = () => link.classList.add("empty");
  image.src = match.thumbnail;
  const id = item.querySelector(".id");
  id.title = match.id;
  id.firstElementChild.textContent = shortName(match.id, match.url);
  const score = item.querySelector(".score");
  score.textContent = briefly(match.score);
  score.title = match.score.toFixed(6);
  score.classList.toggle("same", match.score === 1);
  const extra = item.querySelector(".extra");
  const turned = orientationText(match.orientation);
  extra.textContent = extra.title = [turned, ...Object.values(match.fields)].filter(Boolean).join(" · ");
  if (/^https?:\/\//i.test(match.url)) {
    const source = item.querySelector(".source");
    source.href = match.url;
    source.hidden = false;
  }
  return item;
}

function showMatches() {
  $("cards").replaceChildren(...result.matches.map(makeCard));
  $("result").hidden = false;
  applyThreshold();
}

// The response has the best k matches of any score, so the slider only shows and hides cards.
function applyThreshold() {
  const text = formatThreshold(threshold);
  $("threshold-value").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  if (!result) return;
  const cards = $("cards").children;
  let shown = 0;
  result.matches.forEach((match, at) => {
    const above = match.score >= threshold;
    cards[at].hidden = !above;
    shown += above ? 1 : 0;
  });
  const mayHaveMore = result.more && shown === result.matches.length;
  $("count").textContent = `${shown}${mayHaveMore ? " or more" : ""} ${shown === 1 ? "match" : "matches"} (score ≥ ${text})`;
  const best = result.matches[0];
  $("none").hidden = shown > 0;
  $("none").textContent = best
    ? `No image reaches this threshold. The best match is ${best.id} with score ${briefly(best.score)}.`
    : "The index has no other image.";
  $("more").hidden = !(mayHaveMore && result.k < MAX_COUNT);
}

const formatThreshold = (score) => score.toFixed(4).replace(/0$/, "");

slider.addEventListener("input", () => {
  threshold = Number(slider.value);
  applyThreshold();
});
$("more").addEventListener("click", () => run(Math.min(MAX_COUNT, result.k * 3)));

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
  if (page.takesPictures !== "yes") return;
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
  if (event.target instanceof HTMLInputElement || page.takesPictures !== "yes") return;
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

// -- writing ------------------------------------------------------------------------------------

if ($("add")) {
  $("add").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const image = { url: form.url.value.trim() };
    if (form.elements.id.value) image.id = form.elements.id.value;
    const button = form.querySelector("button");
    button.disabled = true;
    $("added").textContent = "Downloading…";
    try {
      const counts = await parseResponse(await fetch(`${page.api}/images`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ images: [image] }),
      }));
      const failure = counts.failures[0];
      $("added").textContent = failure
        ? `The image could not be loaded: ${failure.message}. It is on the failures page.`
        : counts.added ? "Added." : "The image is already in the index.";
      if (counts.added) form.reset();
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
    if (button.dataset.confirming !== "yes") {
      button.dataset.confirming = "yes";
      button.textContent = "Confirm removal";
      return;
    }
    try {
      await parseResponse(await fetch(`${page.api}/images?id=${encodeURIComponent(page.id)}`, { method: "DELETE" }));
      location.assign(`${page.page}/browse`);
    } catch (problem) {
      showProblem(problem);
    }
  });
}

applyThreshold();
if (page.id) byId(page.id);
