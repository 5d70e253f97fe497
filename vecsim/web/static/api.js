// Requests to the JSON API of this index.
"use strict";
const api = (() => {
  const page = document.getElementById("main").dataset;

  class ApiError extends Error {
    constructor(text, kind) { super(text); this.kind = kind; }
  }

  // Returns the body of the answer. Throws an ApiError with the server's words, and its kind.
  async function ask(path, options = {}) {
    let response;
    try {
      response = await fetch(`${page.api}/${path}`, options);
    } catch {
      throw new ApiError("The server cannot be reached. Check that it is running, then reload this page.", "unreachable");
    }
    const isJson = (response.headers.get("content-type") || "").includes("json");
    const body = isJson ? await response.json() : {};
    if (response.status === 401) location.reload(); // redirects to the login page
    if (!response.ok) throw new ApiError([body.detail || `The server answered ${response.status}.`, body.advice].filter(Boolean).join(" "), body.kind);
    return body;
  }

  const post = (path, body) => ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

  return { page, ask, post };
})();
