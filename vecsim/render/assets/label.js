
(() => {
  const { ID, plural, decimals, element, figure, download } = shared;
  const ANSWERS = ["same", "different", "skip"];
  const $ = (id) => document.getElementById(id);

  const images = [];
  const pairs = [];                   // of each pair: query, reference, score in millionths
  let head = null, end = null, strata = [], columns = [], fileName = "";
  let answers = [];                   // of each pair: same, different, skip or nothing
  let at = 0;                         // the pair that is shown; pairs.length once all are answered

  function read() {
    for (const block of document.querySelectorAll("script.data")) {
      const { images: some = [], pairs: flat = [], ...rest } = JSON.parse(block.textContent);
      if (rest.head) head = rest.head;
      if (rest.end) end = rest.end;
      if (rest.strata) ({ strata, columns, answers: fileName } = rest);
      images.push(...some);
      for (let n = 0; n < flat.length; n += 3) pairs.push(flat.slice(n, n + 3));
      block.remove();
    }
    if (!head || !end || end.count !== pairs.length || strata.length !== pairs.length) {
      throw new Error("the end mark is missing");
    }
    answers = new Array(pairs.length).fill("");
    $("file").textContent = `--labels ${fileName}`;
  }

  // -- answers, stored by this browser -------------------------------------------------------------

  const storageKey = () => `vecsim-labels-${end.id}`;

  function load() {
    try {
      const stored = JSON.parse(localStorage.getItem(storageKey()) || "[]");
      stored.forEach((answer, pair) => {
        if (pair < answers.length && ANSWERS.includes(answer)) answers[pair] = answer;
      });
    } catch { warnNoStorage(); }
  }

  function save() {
    try { localStorage.setItem(storageKey(), JSON.stringify(answers)); } catch { warnNoStorage(); }
  }

  function warnNoStorage() {
    $("memory").textContent = "This browser cannot store answers: export them before you close the page.";
  }

  function exportAnswers() {
    const lines = [columns];
    pairs.forEach(([query, reference, score], pair) => {
      if (!answers[pair]) return;
      lines.push([images[query][ID], images[reference][ID], decimals(score), ...strata[pair],
        answers[pair]]);
    });
    if (lines.length === 1) { announce("There are no answers to export yet."); return; }
    download(fileName, lines);
    announce(`${plural(lines.length - 1, "answer")} exported.`);
  }

  // -- showing and answering ---------------------------------------------------------------------

  function show() {
    const done = at >= pairs.length;
    const shown = done ? [] : pairs[at].slice(0, 2).map((image) => figure(images[image], head.fields));
    $("pair").replaceChildren(...shown);
    $("pair").setAttribute("aria-label", `Pair ${at + 1} of ${pairs.length}`);
    for (const id of [...ANSWERS, "back"]) {
      const button = $(id);
      if (id !== "back") {
        button.setAttribute("aria-pressed", String(!done && answers[at] === id));
        button.hidden = done;
      } else button.disabled = at === 0;
    }
    $("answers").hidden = pairs.length === 0;
    $("done").hidden = !done;
    const given = (answer) => answers.filter((one) => one === answer).length;
    const answered = answers.filter(Boolean).length;
    $("bar").max = Math.max(1, pairs.length);
    $("bar").value = answered;
    $("count").textContent = done && !pairs.length ? "There are no pairs to label."
      : `${done ? "" : `Pair ${at + 1} of ${pairs.length} · `}${given("same")} same · `
        + `${given("different")} different · ${given("skip")} skipped`;
    $("export").disabled = answered === 0;
  }

  function next() {
    // Go to the next pair without an answer; after going back, that can be several pairs ahead.
    at += 1;
    while (at < pairs.length && answers[at]) at += 1;
    if (at >= pairs.length) {
      const open = answers.indexOf("");
      if (open >= 0) at = open;
    }
  }

  function answer(what) {
    if (at >= pairs.length) return;
    answers[at] = what;
    save();
    announce({ same: "Same.", different: "Different.", skip: "Skipped." }[what]);
    next();
    show();
    if (at >= pairs.length) $("done").querySelector("h2").focus();
  }

  function back() {
    if (at === 0) return;
    at -= 1;
    show();
    announce(`Back at pair ${at + 1}: ${answers[at] || "not answered"}.`);
  }

  function announce(text) { $("said").textContent = text; }

  const KEYS = {
    s: () => answer("same"), d: () => answer("different"), " ": () => answer("skip"),
    b: back, Backspace: back, ArrowLeft: back, e: exportAnswers,
  };

  function listen() {
    for (const what of ANSWERS) $(what).addEventListener("click", () => answer(what));
    $("back").addEventListener("click", back);
    $("export").addEventListener("click", exportAnswers);
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
      // The space bar presses a focused button.
      if (event.key === " " && event.target.closest("button, a")) return;
      if (Object.hasOwn(KEYS, event.key)) { event.preventDefault(); KEYS[event.key](); }
    });
  }

  try {
    read();
    load();
    at = -1;
    next();
    listen();
    show();
    document.documentElement.dataset.state = "ready";
  } catch (error) {
    $("problem").hidden = false;
    $("problem").textContent = `This page is incomplete (${error.message}). The file was truncated or changed: `
      + "copy it again, or write it again with the same command.";
    $("count").textContent = "";
    document.documentElement.dataset.state = "broken";
  }
})();
