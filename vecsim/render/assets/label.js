
(() => {
  const { ID, URL_, plural, decimals, figure, download, announce } = shared;
  const ANSWERS = ["same", "different", "skip"];
  const $ = (id) => document.getElementById(id);

  const images = [];
  const pairs = [];                   // of each pair: query, reference, score in millionths
  let head = null, strata = [], columns = [], fileName = "", storage = null;
  let prefix = "";                    // the folder that all images have in common
  let answers = [];                   // of each pair: same, different, skip or nothing
  let at = 0;                         // the pair that is shown; pairs.length once all are answered

  async function read() {
    const read = await shared.readBlocks(({ images: some = [], pairs: flat = [], ...rest }) => {
      if (rest.strata) ({ strata, columns, answers: fileName } = rest);
      images.push(...some);
      for (let n = 0; n < flat.length; n += 3) pairs.push(flat.slice(n, n + 3));
    });
    head = read.head;
    shared.checkCount(read.end, pairs.length);
    shared.checkCount(read.end, strata.length);
    answers = new Array(pairs.length).fill("");
    storage = shared.storage(`vecsim-labels-${read.end.id}`, () => {
      $("memory").textContent = "This browser cannot store answers: export them before you close the page.";
    });
    for (const [pair, answer] of Object.entries(storage.read() || {})) {
      if (pair in answers && ANSWERS.includes(answer)) answers[pair] = answer;
    }
    prefix = shared.showCommonFolder(images.map((image) => image[URL_]));
    $("file").textContent = `--labels ${fileName}`;
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
    const shown = done ? [] : pairs[at].slice(0, 2).map((image) => figure(images[image], head.fields, prefix));
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
    storage.write(answers);
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

  read().then(() => {
    at = -1;
    next();
    listen();
    show();
    shared.setState("ready");
  }).catch((error) => shared.showProblem(shared.incomplete(error)));
})();
