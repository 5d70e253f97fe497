
// The review: one card for each group, the keys, and what is shown. `start` takes a source: `read`
// gives the groups, the others tell where a picture comes from.
const review = (() => {
  const GROUPS_PER_PAGE = 20, MAX_FOLDERS = 500;
  const { briefly, plural, element, bytes, announce } = shared;
  const model = reviewModel;
  const { settings, fill, mark, describe } = reviewCard;
  const { OPEN, ACCEPTED, DIFFERENT, STATES, groups } = model;
  const $ = (id) => document.getElementById(id);
  const number = (count) => count.toLocaleString("en");

  let source = null, left_out = 0;
  let view = [];                       // groups as shown
  let at = -1;                         // position in view of the group in focus

  // -- which groups ------------------------------------------------------------------------------

  const ORDERS = {
    given: (one, two) => one.number - two.number,
    low: (one, two) => one.least - two.least,
    high: (one, two) => two.least - one.least,
    size: (one, two) => two.rows.length - one.rows.length,
    bytes: (one, two) => two.freed - one.freed,
  };

  const least = () => Math.round(Number($("least").value) * 1e6);

  function updateView() {
    const shown = STATES.indexOf($("show").value);
    const folder = $("folder").value.trim().toLowerCase();
    view = groups.filter((group) => group.least >= least()
      && (shown < 0 || group.state === shown) && (!folder || model.inFolder(group, folder)));
    const order = ORDERS[$("sort").value];
    if (order === ORDERS.bytes) for (const group of view) group.freed = model.bytesFreed(group);
    view.sort((one, two) => order(one, two) || one.number - two.number);
    pages.restart();
    at = -1;
    const set = briefly(least());
    $("least-value").textContent = set;
    $("least").setAttribute("aria-valuetext", set);
    draw();
  }

  // -- drawing -----------------------------------------------------------------------------------

  const pages = paging.pager(GROUPS_PER_PAGE, () => view.length, draw);
  const cardAt = (position) => $("groups").querySelector(`[data-position="${position}"]`);
  const fillLater = paging.filler(fillCard, () => $("groups").removeAttribute("aria-busy"));

  function draw() {
    const cards = [];
    for (let position = pages.first(); position < pages.last(); position += 1) {
      cards.push(element("article", { class: "review-group", tabindex: "-1", "data-position": position }));
    }
    const drawn = cards.length ? [...cards] : [element("p", { class: "empty" }, emptyMessage())];
    $("groups").replaceChildren(...drawn);
    $("groups").setAttribute("aria-busy", "true");
    fillLater(cards);
    pages.show();
    showCounts();
  }

  function fillCard(card) {
    if (!card.firstChild) fill(card, view[card.dataset.position]);
  }

  function refresh(group) {
    const card = [...$("groups").children].find((one) => view[one.dataset.position] === group);
    if (card?.firstChild) mark(card, group);
    showCounts();
  }

  function emptyMessage() {
    if (!groups.length) return "There are no groups: no two pictures reach the threshold.";
    return "No group matches these settings. Lower the score, or show all groups.";
  }

  const openInView = () => view.filter((group) => group.state === OPEN);

  function showCounts() {
    let accepted = 0, different = 0, freed = 0;
    for (const group of model.touched) {
      if (group.state === ACCEPTED) { accepted += 1; freed += model.bytesFreed(group); }
      if (group.state === DIFFERENT) different += 1;
    }
    const parts = [view.length === groups.length ? plural(groups.length, "group") : `${number(view.length)} of ${plural(groups.length, "group")}`];
    parts.push(`${number(accepted)} accepted${freed ? `, frees ${bytes(freed)}` : ""}`, `${number(different)} not copies`);
    if (left_out) parts.push(`${plural(left_out, "further group")} not in this page`);
    $("count").textContent = parts.join(" · ");
    const open = openInView().length;
    $("accept-all").hidden = open < 2;
    $("accept-all").textContent = $("least").value === $("least").min ? `Accept all ${number(open)} shown`
      : `Accept all ${number(open)} from score ${briefly(least())}`;
    $("export-verdicts").hidden = !different;
    $("undo").disabled = !model.canUndo();
    $("export").disabled = accepted + different === 0;
  }

  // -- acting ------------------------------------------------------------------------------------

  function act(name, group, picture) {
    if (name === "compare") { if (group.rows.length > 1) compareView.open(group, picture ?? (group.keeper === 0 ? 1 : 0)); return; }
    if (name === "all") { fill(cardAt(at), group, true); return; }
    if (name === "accept") { group.state === ACCEPTED ? model.reset(group) : model.accept([group]); announce(group.state === ACCEPTED ? "Accepted." : "Not decided."); }
    if (name === "different") { group.state === DIFFERENT ? model.reset(group) : model.differ(group); announce(group.state === DIFFERENT ? "Not copies: all are kept." : "Not decided."); }
    if (name === "reset") { model.reset(group); announce("Not decided."); }
    if (name === "only") { model.keepOnly(group, picture); announce(`Only ${model.place(group, picture).name} is kept.`); }
    if (name === "toggle" && !model.toggle(group, picture)) announce("One picture of each group is always kept.");
    else if (name === "toggle") announce(group.kept[picture] ? "Kept." : "Given up.");
    refresh(group);
  }

  function acceptAll() {
    const open = openInView();
    if (!open.length) return;
    model.accept(open);
    draw();
    announce(`${plural(open.length, "group")} accepted. Undo takes it back.`);
  }

  function undo() {
    const changed = model.undo();
    if (!changed) { announce("There is nothing to undo."); return; }
    if (changed.length > 1) draw(); else refresh(changed[0]);
    announce(changed.length > 1 ? `Undone for ${plural(changed.length, "group")}.` : "Undone.");
  }

  function save() {
    const decided = model.exportDecisions();
    announce(decided ? `Decisions on ${plural(decided, "group")} exported.` : "No group is decided yet.");
  }

  // -- moving ------------------------------------------------------------------------------------

  function focusOn(target) {
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "nearest" });
  }

  function moveTo(wanted) {
    if (wanted < 0 || wanted >= view.length) return;
    pages.showPosition(wanted);
    at = wanted;
    fillCard(cardAt(at));
    focusOn(cardAt(at));
  }

  function changePage(by) {
    if (pages.turn(by)) at = -1;
  }

  const move = (by) => moveTo(at < 0 ? pages.first() + (by > 0 ? 0 : -1) : at + by);
  const pictureInFocus = () => document.activeElement?.closest?.(".member");

  function movePicture(by) {
    if (at < 0) return;
    const items = [...cardAt(at).querySelectorAll(".member")];
    const now = items.indexOf(pictureInFocus());
    const next = items[Math.min(Math.max(now < 0 ? (by > 0 ? 0 : items.length - 1) : now + by, 0), items.length - 1)];
    focusOn(next.querySelector(".shot"));
  }

  function onGroup(name, thenMove = false) {
    if (at < 0) { move(1); return; }
    const item = pictureInFocus();
    const group = view[at];
    const picture = item ? Number(item.dataset.picture) : undefined;
    if (name === "toggle" && picture === undefined) { movePicture(1); return; }
    const decided = { accept: ACCEPTED, different: DIFFERENT }[name];
    if (decided === undefined || group.state !== decided) act(name, group, picture);
    if (thenMove) moveTo(at + 1);
  }

  const KEYS = {
    j: () => move(1), k: () => move(-1), ArrowLeft: () => movePicture(-1), ArrowRight: () => movePicture(1),
    x: () => onGroup("toggle"), a: () => onGroup("accept", true), n: () => onGroup("different", true),
    o: () => onGroup("reset"), c: () => onGroup("compare"), Enter: () => onGroup("compare"),
    z: undo, e: save, "[": () => changePage(-1), "]": () => changePage(1), "?": () => $("help").showModal(),
  };

  const TYPED = "input[type=search], input[type=text]";

  function onKey(event) {
    if (event.altKey || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "z" && !event.target.matches(TYPED)) { event.preventDefault(); undo(); }
      return;
    }
    if (event.target.matches(`select, ${TYPED}`)) return;
    if (event.target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
    if (event.key === "Enter" && event.target.closest("button, a, input")) return;
    const digit = Number(event.key);
    if (digit >= 1 && at >= 0 && digit <= view[at].rows.length) act("only", view[at], digit - 1);
    else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
    else return;
    event.preventDefault();
  }

  function listen() {
    for (const id of ["least", "show", "sort", "folder"]) $(id).addEventListener("input", updateView);
    $("originals").addEventListener("input", () => { settings.large = $("originals").checked; draw(); });
    $("tools").addEventListener("submit", (event) => event.preventDefault());
    const buttons = { previous: KEYS["["], next: KEYS["]"], undo, export: save, keys: KEYS["?"], "accept-all": acceptAll,
      "export-verdicts": () => announce(`${plural(model.exportVerdicts(), "pair")} exported as different.`),
    };
    for (const [id, press] of Object.entries(buttons)) $(id).addEventListener("click", press);
    $("groups").addEventListener("focusin", (event) => {
      const card = event.target.closest(".review-group");
      if (card) at = Number(card.dataset.position);
    });
    $("groups").addEventListener("click", (event) => {
      const target = event.target.closest("[data-act]");
      if (!target) return;
      const card = target.closest(".review-group"), item = target.closest(".member");
      at = Number(card.dataset.position);
      act(target.dataset.act, view[at], item ? Number(item.dataset.picture) : undefined);
      if (target.dataset.act === "toggle") refresh(view[at]);
    });
    document.addEventListener("keydown", onKey);
    compareView.start({
      source, model, describe, undo,
      toggle: (group, picture) => act("toggle", group, picture),
      keepOnly: (group, picture) => act("only", group, picture),
      accept: (group) => { if (group.state !== ACCEPTED) act("accept", group); moveTo(view.indexOf(group) + 1); },
      closed: (group) => { if (view[at] === group) refresh(group); },
    });
  }

  function prepare() {
    const scores = groups.map((group) => group.least);
    const low = scores.reduce((a, b) => Math.min(a, b), 1e6), high = scores.reduce((a, b) => Math.max(a, b), -1e6);
    const slider = $("least"), steps = (score) => (Math.floor(score / 500) * 0.0005).toFixed(4);
    slider.min = slider.value = groups.length ? steps(low) : "0";
    slider.max = groups.length ? steps(high) : "0";
    slider.value = slider.min;
    slider.disabled = slider.min === slider.max;
    const counts = [...model.findFolders()].sort((one, two) => two[1] - one[1]).slice(0, MAX_FOLDERS);
    $("folder-tool").hidden = counts.length < 2;
    $("folders").replaceChildren(...counts.map(([folder]) => folder).filter(Boolean).sort().map((folder) => element("option", { value: folder })));
    $("originals-tool").hidden = !groups.some((group) => source.original(group, 0, 640));
  }

  // Read all groups and show them. `name`: under which the browser stores decisions.
  async function start(given) {
    source = settings.source = given;
    model.listeners.stored = () => {
      $("memory").textContent = "This browser cannot store decisions: export them before you close the page.";
    };
    try {
      const end = await source.read(model);
      left_out = end.left_out || 0;
      // Each step in a task of its own, so that the browser can draw between them.
      for (const step of [() => model.load(end.name), prepare, listen, updateView]) {
        await shared.nextTask();
        step();
      }
      await source.ready?.(model);
      shared.setState("ready");
    } catch (error) {
      shared.showProblem(source.problem(error));
    }
  }

  return { start };
})();
