// The review as a page of the server: groups, thumbnails and larger pictures come from the JSON API.
"use strict";
(() => {
  const PART = 500; // groups in one request
  const { page, ask } = api;

  async function read(model) {
    const asked = new URLSearchParams({ limit: PART });
    if (page.threshold) asked.set("threshold", page.threshold);
    let start = 0, end = null;
    while (start !== null) {
      asked.set("start", start);
      const part = await ask(`groups?${asked}`);
      if (end && part.version !== end.version) throw new Error("The index changed while its groups were read: reload this page.");
      if (!end) model.setHead(part);
      end = part;
      asked.set("version", part.version);
      for (const group of part.groups) {
        model.add(group);
        storedDecisions.note(model.groups.at(-1));
      }
      start = part.next;
      document.getElementById("count").textContent = `Reading the groups … ${model.groups.length.toLocaleString("en")} of ${part.total.toLocaleString("en")}`;
    }
    return { left_out: end.left_out, name: `served-${page.name}` };
  }

  // `threshold`: of the groups, which acting on files asks for.
  async function ready(model) {
    model.listeners.changed = (groups) => { storedDecisions.changed(groups); applyFiles.enable(); };
    applyFiles.start(page.threshold ? Number(page.threshold) : null);
    await storedDecisions.start();
  }

  const picture = (path) => (group, number) => `${page.api}/${path}id=${encodeURIComponent(reviewModel.value(group, number, "id"))}`;
  const small = picture("thumbnail?"), card = picture("picture?size=card&"), full = picture("picture?size=full&");

  review.start({
    read,
    ready,
    small,
    original: (group, number, side) => (side > 640 ? full(group, number) : card(group, number)),
    withoutOriginal: () => "",
    problem: (error) => error.message,
  });
})();
