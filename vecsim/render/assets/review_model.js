
// The groups of a review and what was decided about each: changes, undo, storage, the CSV file.
const reviewModel = (() => {
  const { decimals, download, showCommonFolder } = shared;
  const OPEN = 0, ACCEPTED = 1, DIFFERENT = 2;
  const STATES = ["open", "accepted", "different"];

  // Of each group: rows (values in the order of the columns, the proposed picture to keep first),
  // links, pictures, details, pairs (scores of all pairs in millionths, or null), and the decision:
  // state, keeper (the picture that the others are copies of) and kept (1 for each that is kept).
  const groups = [];
  const at = {};                       // name of a column to its position
  let columns = [];                    // [name, kind]
  let carried = [];                    // names of the columns that the source had
  let storage = null;
  let prefix = "";                     // the folder that all pictures have in common
  const undone = [];                   // what each change changed: [[group, state, keeper, kept], …]
  const touched = new Set();           // groups that may differ from their proposals: few, of many
  // stored: this browser cannot store decisions; changed: decisions on these groups changed.
  const listeners = { stored: () => {}, changed: () => {} };

  function setHead(head) {
    columns = head.columns;
    carried = head.fields;
    columns.forEach(([name], position) => { at[name] ??= position; });
  }

  function add(raw) {
    const number = groups.length;
    const group = { ...raw, number, kept: new Uint8Array(raw.rows.length) };
    propose(group);
    const with_keeper = raw.rows.map((row) => Math.round(row[at.score] * 1e6));
    group.with_keeper = with_keeper;
    const smallest = raw.rows[0][at.smallest_score];
    const all = typeof smallest === "number" ? [Math.round(smallest * 1e6)] : raw.pairs.length ? raw.pairs : with_keeper;
    group.least = all.reduce((low, score) => Math.min(low, score), 1e6);
    group.signature = signature(group);
    groups.push(group);
  }

  const value = (group, picture, name) => group.rows[picture][at[name]];

  // The code of the orientation in which a picture shows what the first one does.
  const orientation = (group, picture) => Math.max(0, shared.ORIENTATIONS.indexOf(value(group, picture, "orientation")));

  // The score of two pictures of a group in millionths; null where the page does not have it.
  function score(group, one, two) {
    if (one === two) return 1e6;
    if (one > two) [one, two] = [two, one];
    if (one === 0) return group.with_keeper[two];
    if (!group.pairs.length) return null;
    const size = group.rows.length;
    return group.pairs[one * size - one * (one + 1) / 2 + two - one - 1];
  }

  // -- names and folders -------------------------------------------------------------------------

  const folderOf = (address) => address.slice(0, address.lastIndexOf("/") + 1);

  function place(group, picture) {
    const id = value(group, picture, "id"), address = value(group, picture, "url") || "";
    const folder = folderOf(address);
    const name = address.slice(folder.length) || id;
    const short = prefix && folder.startsWith(prefix) ? folder.slice(prefix.length) : folder;
    return { id, name, folder: short, titled: id === address || id === name ? "" : id };
  }

  function findFolders() {
    const counts = new Map();
    const addresses = function* () { for (const group of groups) for (const row of group.rows) yield row[at.url] || ""; };
    prefix = showCommonFolder(addresses());
    for (const address of addresses()) {
      const folder = folderOf(address).slice(prefix.length);
      counts.set(folder, (counts.get(folder) || 0) + 1);
    }
    return counts;
  }

  const inFolder = (group, wanted) => group.rows.some((row) => (row[at.url] || "").slice(prefix.length).toLowerCase().includes(wanted));

  // -- deciding ----------------------------------------------------------------------------------

  function change(some, apply) {
    const before = some.map((group) => [group, group.state, group.keeper, group.kept.slice()]);
    for (const group of some) { apply(group); touched.add(group); }
    undone.push(before);
    save(some);
  }

  function undo() {
    const before = undone.pop();
    if (!before) return null;
    for (const [group, state, keeper, kept] of before) Object.assign(group, { state, keeper, kept });
    const changed = before.map(([group]) => group);
    save(changed);
    return changed;
  }

  const accept = (some) => change(some, (group) => { group.state = ACCEPTED; });
  const differ = (group) => change([group], () => { group.state = DIFFERENT; group.kept.fill(1); });
  const reset = (group) => change([group], () => { propose(group); });

  function propose(group) {
    group.state = OPEN;
    group.keeper = 0;
    group.rows.forEach((row, picture) => { group.kept[picture] = Number(row[at.keep] === "yes"); });
    group.kept[0] = 1;
  }

  function keepOnly(group, picture) {
    change([group], () => {
      group.keeper = picture;
      group.kept.fill(0);
      group.kept[picture] = 1;
      if (group.state === DIFFERENT) group.state = OPEN;
    });
  }

  // Keep a picture or give it up; false if it is the only one that is kept.
  function toggle(group, picture) {
    const kept = group.kept.reduce((sum, one) => sum + one, 0);
    if (group.kept[picture] && kept === 1) return false;
    change([group], () => {
      group.kept[picture] = 1 - group.kept[picture];
      if (!group.kept[group.keeper]) group.keeper = group.kept.indexOf(1);
      if (group.state === DIFFERENT) group.state = OPEN;
    });
    return true;
  }

  // -- storing -----------------------------------------------------------------------------------

  // A group is known by its pictures, so that decisions outlast a new report of the same groups.
  function signature(group) {
    let one = 0xdeadbeef, two = 0x41c6ce57;
    for (const row of group.rows) {
      const id = row[at.id];
      for (let n = 0; n <= id.length; n += 1) {
        const code = n < id.length ? id.charCodeAt(n) : 10;
        one = Math.imul(one ^ code, 2654435761);
        two = Math.imul(two ^ code, 1597334677);
      }
    }
    return (two >>> 0).toString(36) + (one >>> 0).toString(36);
  }

  // Bring back what this browser stored about groups under `name`.
  function load(name) {
    storage = shared.storage(`vecsim-review-${name}`, listeners.stored);
    const stored = storage.read() || {};
    for (const group of groups) {
      const [state, keeper, kept] = stored[group.signature] || [];
      if (!(state in STATES) || typeof kept !== "string" || kept.length !== group.kept.length || kept[keeper] !== "1") continue;
      touched.add(group);
      Object.assign(group, { state, keeper, kept: Uint8Array.from(kept, (one) => Number(one === "1")) });
    }
  }

  const isProposed = (group, picture) => group.kept[picture] === Number(group.rows[picture][at.keep] === "yes");
  const isProposal = (group) => group.state === OPEN && group.keeper === 0
    && group.rows.every((row, picture) => isProposed(group, picture));

  function toStore() {
    const stored = {};
    for (const group of touched) {
      if (!isProposal(group)) stored[group.signature] = [group.state, group.keeper, group.kept.join("")];
    }
    return stored;
  }

  function save(changed) {
    storage.writeSoon(toStore);
    listeners.changed(changed);
  }

  // -- exporting ---------------------------------------------------------------------------------

  function* linesOf(group) {
    const order = [group.keeper, ...group.rows.keys()].filter((one, place, all) => all.indexOf(one) === place);
    for (const picture of order) {
      const line = group.rows[picture].slice();
      const known = score(group, group.keeper, picture);
      line[at.keep] = group.kept[picture] ? "yes" : "no";
      line[at.score] = known === null ? "" : decimals(known);
      if ("reason" in at && !(group.keeper === 0 && group.state !== DIFFERENT && isProposed(group, picture))) {
        line[at.reason] = group.state === DIFFERENT ? "not copies" : "chosen in the review";
      }
      yield line;
    }
  }

  // Write the groups that were decided; returns how many.
  function exportDecisions() {
    const lines = [columns.map(([name]) => name)];
    let decided = 0;
    for (const group of groups) {
      if (group.state === OPEN) continue;
      decided += 1;
      lines.push(...linesOf(group));
    }
    if (decided) download("decisions.csv", lines);
    return decided;
  }

  // Write the pairs of groups whose pictures are no copies of each other, as a list of verdicts.
  function exportVerdicts() {
    const lines = [["query_id", "query_url", "reference_id", "reference_url", "score", "verdict"]];
    for (const group of groups) {
      if (group.state !== DIFFERENT) continue;
      const names = group.rows.map((row) => [row[at.id], row[at.url]]);
      for (let one = 0; one < names.length; one += 1) {
        for (let two = one + 1; two < names.length; two += 1) {
          const known = score(group, one, two);
          lines.push([...names[one], ...names[two], known === null ? "" : decimals(known), "different"]);
        }
      }
    }
    download("verdicts.csv", lines);
    return lines.length - 1;
  }

  function bytesFreed(group) {
    let sum = 0;
    group.rows.forEach((row, picture) => { if (!group.kept[picture]) sum += row[at.byte_count] || 0; });
    return sum;
  }

  return {
    OPEN, ACCEPTED, DIFFERENT, STATES, groups, touched, listeners,
    setHead, add, value, orientation, score, place, findFolders, inFolder, fields: () => carried,
    accept, differ, reset, keepOnly, toggle, undo, canUndo: () => undone.length > 0,
    load, exportDecisions, exportVerdicts, bytesFreed,
  };
})();
