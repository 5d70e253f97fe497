
(() => {
  const PAIRS_PER_PAGE = 25;
  const OPEN = 0, SAME = 1, DIFFERENT = 2;
  const MARK_NAMES = ["", "same", "different"];
  const { ID, URL_, FIELDS, decimals, briefly, plural, element, figure, orientationText, download, announce } = shared;
  const $ = (id) => document.getElementById(id);

  // -- the data: images as arrays, pairs as three arrays of numbers ------------------------------

  const images = [];
  let query = new Int32Array(0), reference = new Int32Array(0), score = new Int32Array(0);
  let turned = new Int32Array(0);     // how each query is shown: the code of its orientation
  let marks = new Uint8Array(0);
  let count = 0;
  let head = null, end = null;
  let prefix = "";                    // the folder that all images have in common

  function reserve(size) {
    if (size <= query.length) return;
    const room = Math.max(size, 2 * query.length);
    const larger = (old) => { const made = new Int32Array(room); made.set(old); return made; };
    query = larger(query); reference = larger(reference); score = larger(score); turned = larger(turned);
  }

  function addBlock(block) {
    for (const image of block.images || []) images.push(image);
    const flat = block.pairs || [];
    reserve(count + flat.length / 3);
    turned.set(block.turned || [], count);
    for (let at = 0; at < flat.length; at += 3) {
      query[count] = flat[at]; reference[count] = flat[at + 1]; score[count] = flat[at + 2];
      count += 1;
    }
  }

  async function read() {
    ({ head, end } = await shared.readBlocks(addBlock));
    shared.checkCount(end, count);
  }

  // -- marks, stored by this browser ---------------------------------------------------------------

  let storage = null;

  function load() {
    marks = new Uint8Array(count);
    storage = shared.storage(`vecsim-report-${end.id}`, () => {
      $("memory").textContent = "This browser cannot store judgements: export them before you close the page.";
    });
    for (const [pair, mark] of Object.entries(storage.read() || {})) {
      if (pair in marks && (mark === SAME || mark === DIFFERENT)) marks[pair] = mark;
    }
  }

  function toStore() {
    const stored = {};
    marks.forEach((mark, pair) => { if (mark) stored[pair] = mark; });
    return stored;
  }

  function exportMarks() {
    const lines = [[...head.columns, "verdict"]];
    for (let pair = 0; pair < count; pair += 1) {
      if (!marks[pair]) continue;
      const one = images[query[pair]], two = images[reference[pair]];
      const orientation = head.orientations ? [head.orientations[turned[pair]]] : [];
      lines.push([one[ID], one[URL_], two[ID], two[URL_], decimals(score[pair]), ...orientation,
        ...one[FIELDS], ...two[FIELDS], MARK_NAMES[marks[pair]]]);
    }
    if (lines.length === 1) { announce("There are no judgements to export yet."); return; }
    download("judgements.csv", lines);
    announce(`${plural(lines.length - 1, "judgement")} exported.`);
  }

  // -- which pairs, in which order ---------------------------------------------------------------

  let view = new Int32Array(0);       // pairs as shown, those of a group together
  let groupOf = new Int32Array(0);    // the group of each shown pair
  let starts = new Int32Array(1);     // where each group starts in view, and where the last one ends
  let grouping = "none";              // how view is grouped; a newer choice may be pending
  let at = -1;                        // position in view of the pair in focus
  const orders = {};                  // all pairs in each order, sorted when first asked for

  // Score and position are combined into one number, so that the sort needs no comparison function,
  // which takes a third of the time.
  function ordered(sort) {
    const by = sort === "size" ? "high" : sort;
    if (!orders[by]) {
      const sign = by === "high" ? -1 : by === "low" ? 1 : 0;
      const keys = new Float64Array(count);
      for (let pair = 0; pair < count; pair += 1) keys[pair] = sign * score[pair] * count + pair;
      if (sign) keys.sort();
      const all = new Int32Array(count);
      for (let n = 0; n < count; n += 1) all[n] = ((keys[n] % count) + count) % count;
      orders[by] = all;
    }
    return orders[by];
  }

  // A generator, so that the browser can draw frames between its parts.
  function* updateView() {
    const least = Math.round(Number($("least").value) * 1e6);
    const shown = $("show").value;
    const sort = $("sort").value;
    const only = { open: OPEN, same: SAME, different: DIFFERENT }[shown] ?? -1;
    const how = $("group").value;
    const all = ordered(sort);
    yield;
    const wanted = new Int32Array(count);
    let found = 0;
    for (let n = 0; n < count; n += 1) {
      const pair = all[n];
      if (score[pair] < least || only >= 0 && marks[pair] !== only) continue;
      wanted[found] = pair;
      found += 1;
    }
    const some = wanted.subarray(0, found);
    yield;
    const keyOf = keysOf(some, how);
    yield;
    const gathered = gather(some, keyOf, sort === "size");
    yield;
    ({ view, groupOf, starts, how: grouping } = { ...gathered, how });
    pages.restart();
    at = -1;
    draw();
  }

  // Put the pairs of each group together; groups are ordered by their first pairs, or by size.
  function gather(wanted, keyOf, bySize) {
    const numberOf = new Int32Array(images.length + 1).fill(-1);
    const sizes = new Int32Array(images.length + 1);
    const numbers = new Int32Array(wanted.length);
    let groups = 0;
    for (let n = 0; n < wanted.length; n += 1) {
      const key = keyOf(wanted[n]);
      if (numberOf[key] < 0) { numberOf[key] = groups; groups += 1; }
      numbers[n] = numberOf[key];
      sizes[numbers[n]] += 1;
    }
    const inOrder = new Float64Array(groups);
    for (let n = 0; n < groups; n += 1) inOrder[n] = n - (bySize ? sizes[n] * groups : 0);
    if (bySize) inOrder.sort();
    const rank = new Int32Array(groups);
    const starts = new Int32Array(groups + 1);
    for (let place = 0; place < groups; place += 1) {
      const number = ((inOrder[place] % groups) + groups) % groups;
      rank[number] = place;
      starts[place + 1] = starts[place] + sizes[number];
    }
    const put = starts.slice();
    const view = new Int32Array(wanted.length);
    const groupOf = new Int32Array(wanted.length);
    for (let n = 0; n < wanted.length; n += 1) {
      const group = rank[numbers[n]];
      view[put[group]] = wanted[n];
      groupOf[put[group]] = group;
      put[group] += 1;
    }
    return { view, groupOf, starts };
  }

  function keysOf(wanted, how) {
    if (how === "none") return () => images.length;
    if (how === "query") return (pair) => query[pair];
    const parent = new Int32Array(images.length);
    for (let image = 0; image < parent.length; image += 1) parent[image] = image;
    const root = (image) => {
      while (parent[image] !== image) image = parent[image] = parent[parent[image]];
      return image;
    };
    for (let n = 0; n < wanted.length; n += 1) parent[root(query[wanted[n]])] = root(reference[wanted[n]]);
    return (pair) => root(query[pair]);
  }

  // -- drawing -----------------------------------------------------------------------------------

  const pages = paging.pager(PAIRS_PER_PAGE, () => view.length, draw);
  const fillLater = paging.filler(fill, () => { if (!work && !stale) $("pairs").removeAttribute("aria-busy"); });

  // The card of a pair is empty at first.
  const card = (position) => element("article", { class: "pair", tabindex: "-1", "data-position": position });

  function fill(made) {
    if (made.firstChild) return;
    const pair = view[made.dataset.position];
    const one = images[query[pair]], two = images[reference[pair]];
    const name = `${head.names[0]} ${one[ID]}, ${head.names[1]} ${two[ID]}, score ${briefly(score[pair])}`;
    made.setAttribute("aria-label", name);
    const button = (mark, text) => element("button",
      { type: "button", class: MARK_NAMES[mark], "data-mark": mark, "aria-pressed": "false" }, text);
    const middle = element("div", { class: "middle" },
      element("div", { class: "score", title: decimals(score[pair]) }, briefly(score[pair])),
      ...(turned[pair] ? [element("div", { class: "turned" }, `${head.names[0]} ${orientationText(turned[pair])}`)] : []),
      element("div", { class: "marks" }, button(SAME, "Same"), button(DIFFERENT, "Different")));
    made.append(figure(one, head.fields, prefix, turned[pair]), middle, figure(two, head.fields, prefix));
    showMark(made, marks[pair]);
  }

  function showMark(made, mark) {
    made.dataset.mark = MARK_NAMES[mark];
    for (const button of made.querySelectorAll(".marks button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.mark) === mark));
    }
  }

  function heading(group, continued) {
    const pairs = view.subarray(starts[group], starts[group + 1]);
    const more = continued ? ", continued" : "";
    if (grouping === "query") {
      const id = images[query[pairs[0]]][ID];
      return element("h2", { class: "group" }, id, " ", element("span", {}, plural(pairs.length, "pair") + more));
    }
    const members = new Set();
    for (const pair of pairs) { members.add(query[pair]); members.add(reference[pair]); }
    return element("h2", { class: "group" }, `Group ${group + 1}`, " ",
      element("span", {}, `${plural(members.size, "picture")}, ${plural(pairs.length, "pair")}${more}`));
  }

  function draw() {
    const grouped = grouping !== "none";
    const first = pages.first(), last = pages.last();
    const drawn = [], cards = [];
    for (let position = first; position < last; position += 1) {
      const group = groupOf[position], begins = starts[group] === position;
      if (grouped && (begins || position === first)) drawn.push(heading(group, !begins));
      cards.push(card(position));
      drawn.push(cards.at(-1));
    }
    if (!drawn.length) drawn.push(element("p", { class: "empty" }, emptyMessage()));
    $("pairs").replaceChildren(...drawn);
    $("pairs").setAttribute("aria-busy", "true");
    fillLater(cards);
    pages.show();
    showCounts();
  }

  function emptyMessage() {
    if (!count) return "There are no pairs at or above the threshold.";
    return "No pair matches these settings. Lower the score, or show all pairs.";
  }

  function showCounts() {
    let same = 0, different = 0;
    for (let pair = 0; pair < count; pair += 1) {
      if (marks[pair] === SAME) same += 1; else if (marks[pair] === DIFFERENT) different += 1;
    }
    const parts = [view.length === count ? plural(count, "pair")
      : `${view.length.toLocaleString("en")} of ${plural(count, "pair")}`];
    if (grouping !== "none") parts.push(plural(starts.length - 1, "group"));
    if (same || different) parts.push(`${same.toLocaleString("en")} same`, `${different.toLocaleString("en")} different`);
    if (end.left_out) parts.push(`${plural(end.left_out, "further pair")} not in this file`);
    $("count").textContent = parts.join(" · ");
  }

  // The slider can move faster than 50,000 pairs are sorted: the choice in progress is finished and
  // drawn first, then the newest choice, each part in its own frame.
  let work = null, stale = false;
  function redraw() {
    $("least-value").textContent = Number($("least").value).toFixed(3);
    $("pairs").setAttribute("aria-busy", "true");
    stale = true;
    if (!work) step();
  }

  function step() {
    if (!work && stale) { work = updateView(); stale = false; }
    if (work && work.next().done) work = null;
    if (work || stale) requestAnimationFrame(step);
  }

  function changePage(by) {
    if (pages.turn(by)) at = -1;
  }

  // -- moving between pairs, marking -----------------------------------------------------------------------

  const cardAt = (position) => $("pairs").querySelector(`[data-position="${position}"]`);

  function moveFocus(by) {
    const first = pages.first();
    const wanted = at < 0 ? (by > 0 ? first : first - 1) : at + by;
    if (wanted < 0 || wanted >= view.length) return;
    pages.showPosition(wanted);
    at = wanted;
    const found = cardAt(at);
    fill(found);
    found.focus({ preventScroll: true });
    found.scrollIntoView({ block: "nearest" });
  }

  function mark(position, wanted) {
    const pair = view[position];
    marks[pair] = marks[pair] === wanted ? OPEN : wanted;
    const made = cardAt(position);
    if (made) showMark(made, marks[pair]);
    storage.writeSoon(toStore);
    showCounts();
    announce(["Judgement taken back.", "Same.", "Different."][marks[pair]]);
  }

  const KEYS = {
    j: () => moveFocus(1), k: () => moveFocus(-1), "]": () => changePage(1), "[": () => changePage(-1),
    s: () => markAndMove(SAME), d: () => markAndMove(DIFFERENT), u: () => markAndMove(OPEN),
    e: exportMarks, "?": () => $("help").showModal(),
  };

  function markAndMove(wanted) {
    if (at < 0) { moveFocus(1); return; }
    if (wanted === OPEN || marks[view[at]] !== wanted) mark(at, wanted);
    if (wanted !== OPEN) moveFocus(1);
  }

  function listen() {
    for (const id of ["least", "group", "sort", "show"]) $(id).addEventListener("input", redraw);
    $("tools").addEventListener("submit", (event) => event.preventDefault());
    $("previous").addEventListener("click", () => changePage(-1));
    $("next").addEventListener("click", () => changePage(1));
    $("export").addEventListener("click", exportMarks);
    $("keys").addEventListener("click", KEYS["?"]);
    $("pairs").addEventListener("focusin", (event) => {
      const made = event.target.closest(".pair");
      if (made) at = Number(made.dataset.position);
    });
    $("pairs").addEventListener("click", (event) => {
      const button = event.target.closest(".marks button");
      if (button) mark(Number(button.closest(".pair").dataset.position), Number(button.dataset.mark));
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || $("help").open) return;
      if (event.target.matches("select, input")) {
        if (event.target.matches("select") || event.key.startsWith("Arrow")) return;
      }
      const inPairs = event.target.closest(".pair");
      const key = { ArrowDown: "j", ArrowUp: "k" }[inPairs ? event.key : ""] || event.key;
      if (Object.hasOwn(KEYS, key)) { event.preventDefault(); KEYS[key](); }
    });
  }

  function prepare() {
    let low = 1e6, high = -1e6;
    for (let pair = 0; pair < count; pair += 1) {
      low = Math.min(low, score[pair]); high = Math.max(high, score[pair]);
    }
    if (!count) low = high = 0;
    const slider = $("least");
    slider.min = (Math.floor(low / 1000) / 1000).toFixed(3);
    slider.max = (Math.floor(high / 1000) / 1000).toFixed(3);
    slider.value = slider.min;
    slider.disabled = slider.min === slider.max;
    prefix = shared.showCommonFolder(images.map((image) => image[URL_]));
    $("group").value = head.group;
    for (const option of $("group").options) {
      if (option.value === "query") option.textContent = `by ${head.names[0]}`;
    }
  }

  read().then(async () => {
    await shared.nextTask();
    load();
    prepare();
    await shared.nextTask();
    listen();
    redraw();
    shared.setState("ready");
  }).catch((error) => shared.showProblem(shared.incomplete(error)));
})();
