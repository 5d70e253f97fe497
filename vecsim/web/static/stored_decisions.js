// Decisions of the review in the index: which pairs are the same picture and which are not. They are
// sent soon after they were made, and taken back by undo.
"use strict";
const storedDecisions = (() => {
  const { ACCEPTED, DIFFERENT, value, touched } = reviewModel;
  const { plural, element } = shared;
  const $ = (id) => document.getElementById(id);
  const WAIT_MS = 400, AGAIN_MS = 2000;
  const MOST_IN_REQUEST = 500, MOST_LETTERS = 500000;
  const MOST_PICTURES = 200;          // of a group whose pairs are stored: they grow with the square
  const writes = api.page.writes === "yes";

  const inIndex = new Map();          // group -> Map of pair -> verdict, as the index has them now
  const own = new Map();              // group -> Set of pairs that this page takes back again
  const waiting = new Set();          // groups whose decisions are to be sent
  let timer = 0, sending = null;

  const pairOf = (one, two) => (one < two ? `${one} ${two}` : `${two} ${one}`);

  // The verdicts that the decision on a group means: pair -> "same" or "different".
  function verdictsOf(group) {
    const verdicts = new Map(), size = group.rows.length;
    if (group.state === ACCEPTED) {
      for (let picture = 0; picture < size; picture += 1) {
        if (!group.kept[picture]) verdicts.set(pairOf(group.keeper, picture), "same");
      }
    } else if (group.state === DIFFERENT && size <= MOST_PICTURES) {
      for (let one = 0; one < size; one += 1) {
        for (let two = one + 1; two < size; two += 1) verdicts.set(pairOf(one, two), "different");
      }
    }
    return verdicts;
  }

  // Show what the index says about a group: accepted if all pictures that are given up were judged
  // the same as one of the others. Its keeper is the picture with most such decisions.
  function note(group) {
    const found = new Map(group.decided.map(([one, two, verdict]) => [pairOf(one, two), verdict]));
    inIndex.set(group, found);
    own.set(group, new Set());
    const same = (one, two) => found.get(pairOf(one, two)) === "same";
    const pictures = [...group.rows.keys()];
    const counts = pictures.map((one) => pictures.filter((two) => one !== two && same(one, two)).length);
    const keeper = counts.indexOf(Math.max(...counts));
    const kept = pictures.map((picture) => picture === keeper || (!same(keeper, picture) && Boolean(group.kept[picture])));
    if (!counts[keeper] || pictures.some((picture) => !kept[picture] && !same(keeper, picture))) return;
    Object.assign(group, { state: ACCEPTED, keeper, kept: Uint8Array.from(kept, Number) });
    touched.add(group);
    own.set(group, new Set(verdictsOf(group).keys()));
  }

  // What to send about a group: [pair, verdict or null to take it back].
  function changesOf(group) {
    const wanted = verdictsOf(group), known = inIndex.get(group), mine = own.get(group);
    const changes = [...wanted].filter(([pair, verdict]) => known.get(pair) !== verdict);
    for (const pair of mine) if (!wanted.has(pair)) changes.push([pair, null]);
    return changes;
  }

  const pending = () => [...touched].filter((group) => changesOf(group).length);

  function changed(groups) {
    if (!writes) return;
    for (const group of groups) waiting.add(group);
    say("Storing …");
    clearTimeout(timer);
    timer = setTimeout(send, WAIT_MS);
  }

  function say(text, problem = false) {
    $("stored").textContent = text;
    $("stored").classList.toggle("problem", problem);
    $("store").hidden = true;
  }

  function offer(text) {
    $("store").textContent = text;
    $("store").hidden = false;
  }

  // Send what waits; calls while it is sent wait for the same end. Returns whether all is stored.
  function send() {
    clearTimeout(timer);
    sending ||= sendAll().finally(() => { sending = null; });
    return sending;
  }

  async function sendAll() {
    try {
      while (waiting.size) await sendPart();
    } catch (error) {
      if (error.kind === "locked") {
        say("Another process is writing to the index: trying again …");
        timer = setTimeout(send, AGAIN_MS);
      } else {
        say(`Decisions are not stored in the index: ${error.message}`, true);
        offer("Try again");
      }
      return false;
    }
    const large = [...touched].filter((group) => group.state === DIFFERENT && group.rows.length > MOST_PICTURES).length;
    say(large ? `Stored, but for ${plural(large, "group")} of more than ${MOST_PICTURES} pictures.` : "Decisions are stored in the index.");
    return true;
  }

  async function sendPart() {
    const part = [], done = [];
    let letters = 0;
    for (const group of [...waiting]) {
      const id = (picture) => value(group, Number(picture), "id");
      for (const [pair, verdict] of changesOf(group)) {
        if (part.length === MOST_IN_REQUEST || letters > MOST_LETTERS) break;
        const [first, second] = pair.split(" ").map(id);
        letters += first.length + second.length;
        part.push({ first, second, verdict });
        done.push([group, pair, verdict]);
      }
      if (part.length === MOST_IN_REQUEST || letters > MOST_LETTERS) break;
      waiting.delete(group);          // before the request: it may change again meanwhile
    }
    if (!part.length) return;
    try {
      showContradictions((await api.post("decisions", { decisions: part })).contradictions);
    } catch (error) {
      for (const [group] of done) waiting.add(group);
      throw error;
    }
    for (const [group, pair, verdict] of done) {
      if (verdict) { inIndex.get(group).set(pair, verdict); own.get(group).add(pair); }
      else { inIndex.get(group).delete(pair); own.get(group).delete(pair); }
    }
  }

  function showContradictions(chains) {
    const place = $("contradictions");
    place.hidden = !chains.length;
    place.querySelector("summary").textContent = chains.length === 1 ? "1 contradiction among the decisions" : `${chains.length} contradictions among the decisions`;
    place.querySelector("ul").replaceChildren(...chains.slice(0, 100).map((chain) => element("li", {},
      `${chain.join(" = ")}, but ${chain[0]} and ${chain.at(-1)} are different.`)));
  }

  // To be called when all groups are there, with the decisions that this browser has stored.
  async function start() {
    $("memory").textContent = writes ? "Decisions are stored in the index, and the pictures to keep in this browser. Export them to use them elsewhere."
      : "Decisions are stored in this browser. Export them to use them: no file is touched by this page.";
    showContradictions((await api.ask("decisions?limit=1")).contradictions);
    if (!writes) return;
    $("store").addEventListener("click", () => { for (const group of pending()) waiting.add(group); say("Storing …"); send(); });
    document.addEventListener("visibilitychange", () => { if (document.hidden && waiting.size) send(); });
    addEventListener("beforeunload", (event) => { if (waiting.size || sending) event.preventDefault(); });
    const open = pending().length;
    if (open) {
      say(`Decisions of this browser on ${plural(open, "group")} are not in the index.`);
      offer("Store them");
    }
  }

  return { note, changed, send, start };
})();
