// The review as a page of the server: groups, thumbnails and larger pictures come from the JSON API.
"use strict";
(() => {
  const PART = 500; // groups in one request
  const page = document.getElementById("main").dataset;

  async function ask(path) {
    const response = await fetch(`${page.api}/${path}`);
    const isJson = (response.headers.get("content-type") || "").includes("json");
    const body = isJson ? await response.json() : {};
    if (response.status === 401) location.reload(); // redirects to the login page
    if (!response.ok) throw new Error([body.detail || `The server answered ${response.status}.`, body.advice].filter(Boolean).join(" "));
    return body;
  }

  async function read(model) {
    const threshold = page.threshold ? `&threshold=${encodeURIComponent(page.threshold)}` : "";
    let start = 0, generation = null, left_out = 0;
    while (start !== null) {
      const part = await ask(`groups?start=${start}&limit=${PART}${threshold}`);
      if (generation !== null && part.generation !== generation) throw new Error("The index changed while its groups were read: reload this page.");
      if (generation === null) model.setHead(part);
      ({ generation, left_out } = part);
      for (const group of part.groups) model.add(group);
      start = part.next;
      document.getElementById("count").textContent = `Reading the groups … ${model.groups.length.toLocaleString("en")} of ${part.total.toLocaleString("en")}`;
    }
    return { left_out, name: `served-${page.name}` };
  }

  const picture = (path) => (group, number) => `${page.api}/${path}id=${encodeURIComponent(reviewModel.value(group, number, "id"))}`;
  const small = picture("thumbnail?"), card = picture("picture?size=card&"), full = picture("picture?size=full&");

  review.start({
    read,
    small,
    original: (group, number, side) => (side > 640 ? full(group, number) : card(group, number)),
    withoutOriginal: () => "",
    problem: (error) => (error instanceof TypeError ? "The server cannot be reached. Check that it is running, then reload this page." : error.message),
  });
})();
