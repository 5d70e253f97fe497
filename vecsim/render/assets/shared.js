
"use strict";
// Shared by all pages: their data and what the browser stores for them, messages, the columns of an
// image, its picture with a caption, CSV files.
const shared = (() => {
  const SIDE = 0, ID = 1, URL_ = 2, LINK = 3, WIDTH = 4, HEIGHT = 5, BYTES = 6, FIELDS = 7, PICTURE = 8;

  const decimals = (millionths) => (millionths / 1e6).toFixed(6);
  // For reading: four decimals, cut and not rounded, so that only equal vectors are shown as 1.0000
  // and no score is shown above the one that it has.
  const briefly = (millionths) => (Math.floor(millionths / 100) / 1e4).toFixed(4);
  const plural = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // A link that is safe to follow; the links in the file are checked again here.
  function safeLink(link) {
    try {
      const { protocol, host, pathname } = new URL(link);
      const isLocal = protocol === "file:" && !host && !pathname.startsWith("//");
      return isLocal || ["http:", "https:"].includes(protocol) ? link : "";
    } catch { return ""; }
  }

  function wrapInLink(link, ...children) {
    if (!link) return element("span", {}, ...children);
    return element("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, ...children);
  }

  function bytes(number) {
    if (number < 1000) return `${number} B`;
    return number < 1e6 ? `${Math.round(number / 1000)} kB` : `${(number / 1e6).toFixed(1)} MB`;
  }

  // The folder that all these addresses have in common, with a slash at its end; "" for none.
  function commonFolder(addresses) {
    let common = null;
    for (const address of addresses) {
      if (common === null) common = address.slice(0, address.lastIndexOf("/") + 1);
      while (common && !address.startsWith(common)) {
        common = common.slice(0, common.lastIndexOf("/", common.length - 2) + 1);
      }
      if (!common) return "";
    }
    return /^(\/|[a-z]+:\/\/)?$/i.test(common || "") ? "" : common;
  }

  // Name the folder once that all images have in common; it is left out of their addresses.
  function showCommonFolder(addresses) {
    const prefix = commonFolder(addresses), place = document.getElementById("prefix");
    place.hidden = !prefix;
    place.textContent = `All in ${prefix}`;
    return prefix;
  }

  const TURNED = ["0", "90", "180", "270", "mirror", "mirror+90", "mirror+180", "mirror+270"];
  const PARTS = ["77", "62"].flatMap((share) => ["centre", "top-left", "top-right", "bottom-left", "bottom-right"].map((place) => `${place}-${share}`));
  const ORIENTATIONS = [...TURNED, ...PARTS, ...PARTS.map((part) => `in-${part}`)];

  // A form has a code. An orientation: its clockwise quarter turns, plus 4 if it is mirrored first.
  // Then the parts of the picture, and the parts of the other picture that it shows.
  function orientationText(code) {
    if (code >= TURNED.length) {
      const [place, share] = PARTS[(code - TURNED.length) % PARTS.length].split(/-(?=\d)/);
      const part = `${place.replace("-", " ")}, ${share} %`;
      return code < TURNED.length + PARTS.length ? `by its ${part}` : `like the ${part}`;
    }
    const parts = [code >= 4 ? "mirrored" : "", code % 4 ? `turned ${90 * (code % 4)}°` : ""];
    return parts.filter(Boolean).join(", ");
  }

  // Pictures found by a part are shown as they are.
  const transformOf = (code) => (code && code < TURNED.length ? `rotate(${90 * (code % 4)}deg)${code >= 4 ? " scaleX(-1)" : ""}` : "");

  function orient(picture, code) {
    if (!code) return;
    picture.style.transform = transformOf(code);
    picture.classList.toggle("quarter", code < TURNED.length && code % 2 === 1);
    picture.alt += `, ${orientationText(code)}`;
  }

  // A thumbnail, in base64, as an address: a JPEG, or a WebP of an index made before.
  function pictureData(base64) {
    return `data:image/${base64.startsWith("/9j/") ? "jpeg" : "webp"};base64,${base64}`;
  }

  // `prefix`: the folder that is left out of addresses, because the page names it once.
  // `code`: the orientation in which the picture is shown.
  function figure(image, fields, prefix = "", code = 0) {
    const short = (text) => (prefix && text.startsWith(prefix) ? text.slice(prefix.length) : text);
    const link = safeLink(image[LINK]);
    const frame = element("div", { class: "frame" });
    if (image[PICTURE]) {
      const picture = element("img", { alt: `Picture ${image[ID]}`, decoding: "async" });
      picture.src = pictureData(image[PICTURE]);
      orient(picture, code);
      frame.append(picture);
    } else {
      frame.append("no thumbnail");
    }
    // An id that is a path or a URL is long: its last part is the name, and the rest is the folder.
    const id = image[ID], isAddress = id === image[URL_] && id.includes("/");
    const folder = isAddress ? id.slice(0, id.lastIndexOf("/") + 1) : "";
    const name = id.slice(folder.length) || id;
    const caption = element("figcaption", {}, element("strong", { title: id }, link && isAddress ? wrapInLink(link, element("bdi", {}, name)) : element("bdi", {}, name)));
    if (name !== id && short(folder)) caption.append(element("span", { class: "folder", title: folder }, short(folder)));
    if (image[WIDTH]) {
      const size = `${image[WIDTH]} × ${image[HEIGHT]}${image[BYTES] ? `, ${bytes(image[BYTES])}` : ""}`;
      caption.append(element("span", { class: "size" }, size));
    }
    if (image[URL_] && !isAddress && image[URL_] !== id) {
      const address = wrapInLink(link, short(image[URL_]));
      address.className = "at";
      address.title = image[URL_];
      caption.append(address);
    } else if (link && !isAddress) {
      caption.append(" ", wrapInLink(link, "open"));
    }
    const names = fields[image[SIDE]];
    const list = element("dl");
    image[FIELDS].forEach((value, field) => {
      if (value === null || value === "") return;
      const text = element("span", { class: "value", title: value }, value);
      list.append(element("dt", {}, names[field]), element("dd", {}, text));
    });
    if (list.children.length) caption.append(list);
    return element("figure", {}, frame, caption);
  }

  // As `vecsim.sources.formula_guard` does: an apostrophe before what a spreadsheet would run.
  const NUMBER = /^[+-]?\d+(?:[.,]\d+)*%?$/;
  const FORMULA = /(?<![^;\t\r\n])(?='*[ \u00a0\u3000]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])/g;
  const guardFormulas = (text) => (NUMBER.test(text) ? text : text.replace(FORMULA, "'"));

  // Lines of values as a CSV file that the browser saves; for spreadsheets if that box is ticked.
  function download(name, lines) {
    const guarded = document.getElementById("excel")?.checked;
    const quoted = (value) => {
      const plain = value === null || value === undefined ? "" : String(value);
      const text = guarded ? guardFormulas(plain) : plain;
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const mark = guarded ? "\ufeff" : "";
    const text = mark + lines.map((line) => line.map(quoted).join(",") + "\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // -- data and messages -------------------------------------------------------------------------

  const nextTask = () => new Promise((go) => setTimeout(go, 0));

  // Give the blocks of JSON in this page to `take`, one by one; the browser stays responsive.
  // Returns the head and the end mark, which a truncated file does not have.
  async function readBlocks(take) {
    let head = null, end = null, since = performance.now();
    for (const block of document.querySelectorAll("script.data")) {
      const data = JSON.parse(block.textContent);
      head ||= data.head;
      end ||= data.end;
      take(data);
      block.remove();
      if (performance.now() - since > 15) { await nextTask(); since = performance.now(); }
    }
    if (!head || !end) throw new Error(NO_END);
    return { head, end };
  }

  const NO_END = "the end mark is missing";
  const checkCount = (end, count) => { if (end.count !== count) throw new Error(NO_END); };

  // JSON that this browser stores under `key`; `failed` is called if it cannot store anything.
  function storage(key, failed) {
    let waiting = 0;
    const attempt = (work) => { try { return work(); } catch { failed(); return null; } };
    const write = (value) => attempt(() => localStorage.setItem(key, JSON.stringify(value)));
    return {
      read: () => attempt(() => JSON.parse(localStorage.getItem(key))),
      write,
      writeSoon(make) { clearTimeout(waiting); waiting = setTimeout(() => write(make()), 300); },
    };
  }

  // Say what happened to those who do not see the page.
  const announce = (text) => { document.getElementById("said").textContent = text; };

  const setState = (state) => { document.documentElement.dataset.state = state; };

  // Show that the page cannot be used.
  function showProblem(text) {
    const problem = document.getElementById("problem");
    problem.hidden = false;
    problem.textContent = text;
    document.getElementById("count").textContent = "";
    setState("broken");
  }

  const incomplete = (error) => `This page is incomplete (${error.message}). The file was truncated or changed: `
    + "copy it again, or write it again with the same command.";

  return {
    ID, URL_, FIELDS, decimals, briefly, plural, element, safeLink, bytes, showCommonFolder, figure, ORIENTATIONS, orientationText, transformOf, orient,
    download, guardFormulas, pictureData,
    nextTask, readBlocks, checkCount, storage, announce, setState, showProblem, incomplete,
  };
})();
