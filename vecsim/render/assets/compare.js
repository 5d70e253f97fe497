
// The difference view: two pictures of a group, side by side, flipped or subtracted, zoomed together.
const compareView = (() => {
  const { briefly, element } = shared;
  const $ = (id) => document.getElementById(id);
  const MODES = ["side", "flip", "difference"];
  const LARGE = 2400;                  // pixels of the longer side that are asked for

  let page = null;                     // what review.js gives: source, describe, keepOnly, accept, …
  let group = null, one = 0, two = 1;  // the pictures that are compared
  let mode = "side", front = "a";
  let zoom = 1, x = 0, y = 0;          // zoom 1 shows all of a picture; x, y: shift in pixels

  function open(which, picture) {
    group = which;
    one = group.keeper;
    two = picture === one ? (one === 0 ? 1 : 0) : picture;
    front = "a";
    if (!$("compare").open) $("compare").showModal();
    show();
  }

  function show() {
    fit();
    fillSide("a", one);
    fillSide("b", two);
    const score = page.model.score(group, one, two);
    $("compare-score").textContent = score === null ? "" : `Score ${briefly(score)}`;
    const others = group.rows.length - 1;
    $("compare-place").textContent = others === 1 ? "" : `${positionOf(two) + 1} of ${others}`;
    $("compare-previous").hidden = $("compare-next").hidden = others === 1;
    setMode(mode);
  }

  const others = () => [...group.rows.keys()].filter((picture) => picture !== one);
  const positionOf = (picture) => others().indexOf(picture);

  function turn(by) {
    const all = others();
    two = all[(positionOf(two) + by + all.length) % all.length];
    show();
  }

  const notes = { a: element("span", { class: "muted" }), b: element("span", { class: "muted" }) };

  function fillSide(side, picture) {
    loadPicture(side, picture);
    $(`tag-${side}`).textContent = tagOf(picture);
    $(`tag-${side}`).classList.toggle("kept", Boolean(group.kept[picture]));
    const keep = element("input", { type: "checkbox" });
    keep.checked = Boolean(group.kept[picture]);
    keep.addEventListener("change", () => { page.toggle(group, picture); refresh(); });
    const only = element("button", { type: "button" }, "Keep only this");
    only.classList.toggle("unseen", keep.checked && group.kept.reduce((sum, one) => sum + one, 0) === 1);
    only.addEventListener("click", () => { page.keepOnly(group, picture); refresh(); });
    $(`facts-${side}`).replaceChildren(page.describe(group, picture), notes[side],
      element("div", { class: "choice" }, element("label", { class: "keep" }, keep, " Keep"), only));
  }

  // Show the thumbnail at once, and the original when it has arrived.
  function loadPicture(side, picture) {
    const image = $(`picture-${side}`), note = notes[side];
    const wanted = `${group.number}/${picture}`;
    if (image.dataset.wanted === wanted) return;
    image.dataset.wanted = wanted;
    image.alt = page.model.place(group, picture).name;
    const small = page.source.small(group, picture);
    const large = page.source.original(group, picture, LARGE);
    if (small) image.src = small; else image.removeAttribute("src");
    note.textContent = large ? "Loading the original …" : page.source.withoutOriginal(group, picture);
    if (!large) return;
    const probe = new Image();
    const arrived = (text, src) => {
      if (image.dataset.wanted !== wanted) return;
      note.textContent = text;
      if (src) image.src = src;
    };
    probe.addEventListener("load", () => arrived("", large));
    probe.addEventListener("error", () => arrived("The original cannot be shown: this is its thumbnail."));
    probe.src = large;
  }

  const tagOf = (picture) => (group.kept[picture] ? "Keep" : "Give up");

  // After a decision: the same pictures, with new marks.
  function refresh() {
    const before = [zoom, x, y];
    show();
    [zoom, x, y] = before;
    place();
    if (!$("compare").contains(document.activeElement)) $("stage").focus();
  }

  function setMode(wanted) {
    mode = wanted;
    $("stage").dataset.mode = mode;
    $("stage").dataset.front = front;
    for (const name of MODES) $(`mode-${name}`).setAttribute("aria-pressed", String(name === mode));
    place();
  }

  function flip() {
    if (mode !== "flip") front = "a";
    front = mode === "flip" && front === "a" ? "b" : "a";
    setMode("flip");
  }

  // -- zoom --------------------------------------------------------------------------------------

  // How many screen pixels a picture's pixel has when all of it is shown.
  function scaleOf(picture) {
    const pane = $("pane-a").getBoundingClientRect();
    const width = page.model.value(group, picture, "width") || $("picture-a").naturalWidth;
    const height = page.model.value(group, picture, "height") || $("picture-a").naturalHeight;
    return width && height ? Math.min(pane.width / width, pane.height / height) : 1;
  }

  const fullSize = () => Math.max(1, 1 / Math.min(scaleOf(one), scaleOf(two)) / devicePixelRatio);

  function fit() { zoom = 1; x = y = 0; place(); }

  function zoomTo(wanted, atX = 0, atY = 0) {
    const next = Math.min(Math.max(wanted, 1), Math.max(8, 2 * fullSize()));
    x = atX - (atX - x) * next / zoom;
    y = atY - (atY - y) * next / zoom;
    zoom = next;
    place();
  }

  function place() {
    const pane = $("pane-a").getBoundingClientRect();
    const room = [pane.width * (zoom - 1) / 2, pane.height * (zoom - 1) / 2];
    x = Math.min(Math.max(x, -room[0]), room[0]);
    y = Math.min(Math.max(y, -room[1]), room[1]);
    for (const [side, picture] of [["a", one], ["b", two]]) {
      const code = group ? page.model.orientation(group, picture) : 0;
      // A picture on its side must fit into the pane, too.
      const fitted = code % 2 && pane.width ? Math.min(pane.width, pane.height) / Math.max(pane.width, pane.height) : 1;
      const turned = code ? ` scale(${fitted}) ${shared.transformOf(code)}` : "";
      $(`picture-${side}`).style.transform = `translate(${x}px, ${y}px) scale(${zoom})${turned}`;
    }
    $("zoom").textContent = zoom === 1 ? "fit" : `${Math.round(zoom * 100)} %`;
    $("stage").classList.toggle("zoomed", zoom > 1);
  }

  // -- mouse, touch, keys ------------------------------------------------------------------------

  const pointers = new Map();
  let moved = 0, pinched = 0, started = null;

  function fromCentre(event) {
    const panes = ["pane-a", "pane-b"].map((id) => $(id).getBoundingClientRect());
    const pane = panes.find((one) => event.clientX >= one.left && event.clientX <= one.right
      && event.clientY >= one.top && event.clientY <= one.bottom) || panes[0];
    return [event.clientX - pane.left - pane.width / 2, event.clientY - pane.top - pane.height / 2];
  }

  const spread = () => {
    const [p, q] = [...pointers.values()];
    return Math.hypot(p.clientX - q.clientX, p.clientY - q.clientY);
  };

  function onMove(event) {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    pointers.set(event.pointerId, event);
    if (pointers.size === 2) {
      const now = spread();
      if (pinched) zoomTo(zoom * now / pinched, ...fromCentre(event));
      pinched = now;
      return;
    }
    moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
    x += event.clientX - before.clientX;
    y += event.clientY - before.clientY;
    place();
  }

  function onUp(event) {
    if (!pointers.delete(event.pointerId)) return;
    const swept = started && pointers.size === 0 && !pinched ? event.clientX - started : 0;
    if (pointers.size < 2 && event.type === "pointerup" && zoom === 1 && Math.abs(swept) > 60) turn(swept < 0 ? 1 : -1);
    else if (moved < 6 && mode === "flip" && event.type === "pointerup") flip();
    if (!pointers.size) pinched = 0;
  }

  const KEYS = {
    ArrowLeft: () => turn(-1), ArrowRight: () => turn(1), " ": flip,
    v: () => setMode(MODES[(MODES.indexOf(mode) + 1) % MODES.length]),
    "+": () => zoomTo(zoom * 1.5), "=": () => zoomTo(zoom * 1.5), "-": () => zoomTo(zoom / 1.5),
    0: fit, f: () => zoomTo(fullSize()),
    x: () => { page.toggle(group, two); refresh(); },
    z: () => { page.undo(); refresh(); },
    a: () => { $("compare").close(); page.accept(group); },
  };

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " " && event.target.closest("button, input")) return;
    const digit = Number(event.key);
    if (digit >= 1 && digit <= group.rows.length) { page.keepOnly(group, digit - 1); refresh(); }
    else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();           // the view may be closed by now, and its page must not act too
  }

  function start(given) {
    page = given;
    for (const name of MODES) $(`mode-${name}`).addEventListener("click", () => (name === "flip" && mode === "flip" ? flip() : setMode(name)));
    const buttons = {
      "zoom-in": KEYS["+"], "zoom-out": KEYS["-"], "zoom-fit": fit, "zoom-full": KEYS.f,
      "compare-previous": KEYS.ArrowLeft, "compare-next": KEYS.ArrowRight, "compare-accept": KEYS.a,
      "compare-close": () => $("compare").close(),
    };
    for (const [id, act] of Object.entries(buttons)) $(id).addEventListener("click", act);
    $("compare").addEventListener("keydown", onKey);
    $("compare").addEventListener("close", () => page.closed(group, two));
    const stage = $("stage");
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoomTo(zoom * Math.exp(-event.deltaY / 400), ...fromCentre(event));
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      if (!pointers.size) { moved = 0; pinched = 0; started = event.clientX; }
      pointers.set(event.pointerId, event);
    });
    stage.addEventListener("pointermove", onMove);
    stage.addEventListener("pointerup", onUp);
    stage.addEventListener("pointercancel", onUp);
    addEventListener("resize", () => { if ($("compare").open) place(); });
  }

  return { start, open };
})();
