// The dialog that acts on files: what would be done is shown first, and can be undone afterwards.
"use strict";
const applyFiles = (() => {
  const { ACCEPTED, groups, touched, value } = reviewModel;
  const { plural, element } = shared;
  const $ = (id) => document.getElementById(id);
  const LISTED = 500;
  const journalKey = `vecsim-journal-${api.page.name}`;
  let threshold = null, plan = null, changed = false;

  const accepted = () => groups.filter((group) => group.state === ACCEPTED);

  function choices() {
    return accepted().flatMap((group) => group.rows.map((row, picture) => (
      { group: String(group.number + 1), id: value(group, picture, "id"), keep: Boolean(group.kept[picture]) })));
  }

  const folder = () => ($("method").value === "move" ? $("to-folder").value.trim() : null);
  const request = () => ({ choices: choices(), method: $("method").value, folder: folder(), threshold });

  // The journal of the last change, so that it can be undone after the page was loaded again.
  const journal = {
    get: () => { try { return localStorage.getItem(journalKey); } catch { return null; } },
    set: (name) => { try { if (name) localStorage.setItem(journalKey, name); else localStorage.removeItem(journalKey); } catch { /* not stored */ } },
  };

  // Let the dialog be opened where there is something to do or undo; only some servers have it.
  function enable() {
    if (!$("apply")) return;
    let some = false;
    for (const group of touched) some ||= group.state === ACCEPTED;
    $("apply").disabled = !some && !journal.get();
  }

  function open() {
    const list = choices(), up = list.filter((choice) => !choice.keep).length;
    $("files-what").textContent = list.length ? `${plural(accepted().length, "accepted group")}: ${plural(up, "picture")} given up. Nothing is changed before you have seen what would be done.`
      : "No group is accepted.";
    $("files-check").disabled = !up;
    reset();
    if (journal.get()) result(["The last change of files can be undone."]);
    $("files").showModal();
  }

  // After a change of the settings: what was shown does not hold any more.
  function reset() {
    plan = null;
    for (const one of [$("to-folder"), document.querySelector("label[for=to-folder]")]) one.hidden = $("method").value !== "move";
    $("files-do").hidden = true;
    $("files-check").hidden = false;
    $("files-list").hidden = true;
    result([]);
  }

  function result(lines, problem = false) {
    $("files-result").replaceChildren(...lines.map((line) => element("p", {}, line)));
    $("files-result").classList.toggle("problem", problem);
    $("files-undo").hidden = !journal.get();
  }

  async function working(work) {
    const buttons = [...$("files").querySelectorAll("button, select, input")];
    const before = buttons.map((one) => one.disabled);
    for (const one of buttons) one.disabled = true;
    $("files").setAttribute("aria-busy", "true");
    result(["Reading the files …"]);
    try {
      await work();
    } catch (error) {
      plan = null;
      $("files-do").hidden = true;
      $("files-check").hidden = false;
      result([error.message], true);
    } finally {
      buttons.forEach((one, place) => { one.disabled = before[place]; });
      $("files").removeAttribute("aria-busy");
    }
  }

  const doneWords = () => $("method").selectedOptions[0].dataset.done;

  function report(answer, status, words) {
    const count = answer.files.filter((file) => file.status === status).length;
    const lines = [`${plural(count, "file")} ${words}`];
    const reasons = new Map();
    for (const file of answer.files) {
      const why = { skipped: file.why, url: "it is not a local file" }[file.status];
      if (why) reasons.set(why, (reasons.get(why) || 0) + 1);
    }
    const left = [...reasons.values()].reduce((sum, one) => sum + one, 0);
    if (left) lines.push(`${plural(left, "picture")} left as ${left === 1 ? "it is" : "they are"}:`);
    for (const [why, times] of [...reasons].sort((one, two) => two[1] - one[1]).slice(0, 10)) lines.push(`${times.toLocaleString("en")}: ${why}`);
    const list = $("files-list");
    list.hidden = !answer.files.length;
    list.querySelector("summary").textContent = answer.files.length > LISTED ? `The first ${LISTED} of ${plural(answer.files.length, "file")}` : plural(answer.files.length, "file");
    list.querySelector("ul").replaceChildren(...answer.files.slice(0, LISTED).map((file) => element("li", {},
      element("strong", {}, file.url || file.id), file.why ? ` left: ${file.why}` : `${file.target ? ` → ${file.target}` : ""}${file.kept ? `; kept: ${file.kept}` : ""}`)));
    return { count, lines };
  }

  const check = () => working(async () => {
    if (folder() === "") throw new Error("Name the folder to which the pictures move.");
    if (!await storedDecisions.send()) throw new Error("The decisions are not stored in the index yet.");
    const answer = await api.post("apply", request());
    const { count, lines } = report(answer, "planned", `would be ${doneWords()}. Nothing is changed yet.`);
    result(lines);
    if (!count) return;
    ({ plan } = answer);
    $("files-check").hidden = true;
    $("files-do").hidden = false;
    $("files-do").textContent = $("method").selectedOptions[0].dataset.act.replace("#", plural(count, "file"));
  });

  const apply = () => working(async () => {
    const answer = await api.post("apply", { ...request(), plan });
    plan = null;
    changed = true;
    journal.set(answer.journal);
    $("files-do").hidden = true;
    $("files-check").hidden = false;
    const { lines } = report(answer, "done", `${doneWords()}.`);
    if (answer.removed) lines.push(`${plural(answer.removed, "image")} left the index.`);
    lines.push(`The journal ${answer.journal} is beside the index: “vecsim undo” takes all back with it, now or later.`);
    result(lines);
  });

  const undo = () => working(async () => {
    const answer = await api.post("undo", { journal: journal.get() });
    changed = true;
    const lines = [`${plural(answer.restored, "file")} brought back, ${plural(answer.returned, "image")} returned to the index.`];
    for (const { path, why } of answer.failed.slice(0, 10)) lines.push(`${path}: ${why}`);
    lines.push(...answer.lost_indexes);
    if (!answer.failed.length) journal.set(null);
    $("files-list").hidden = true;
    result(lines, answer.failed.length > 0);
  });

  function start(limit) {
    threshold = limit;
    if (!$("apply")) return;
    const buttons = { apply: open, "files-check": check, "files-do": apply, "files-undo": undo, "files-close": () => $("files").close() };
    for (const [id, press] of Object.entries(buttons)) $(id).addEventListener("click", press);
    $("files-form").addEventListener("submit", (event) => { event.preventDefault(); if (!plan) check(); });
    for (const id of ["method", "to-folder"]) $(id).addEventListener("input", reset);
    $("files").addEventListener("cancel", (event) => { if ($("files").getAttribute("aria-busy")) event.preventDefault(); });
    $("files").addEventListener("close", () => { if (changed) location.reload(); });
    enable();
  }

  return { start, enable };
})();
