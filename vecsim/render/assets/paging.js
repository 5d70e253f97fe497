
// Long lists in pages: which part is shown, and cards that are filled bit by bit.
const paging = (() => {
  const $ = (id) => document.getElementById(id);
  const FILL_MS = 4;

  // The pages of a list of `length()` items, `size` on each. `draw` shows the current page.
  function pager(size, length, draw) {
    let page = 0;
    const count = () => Math.max(1, Math.ceil(length() / size));
    const first = () => page * size;

    function show() {
      $("page").textContent = `Page ${(page + 1).toLocaleString("en")} of ${count().toLocaleString("en")}`;
      $("page").parentElement.hidden = count() === 1;
      $("previous").disabled = page === 0;
      $("next").disabled = page + 1 >= count();
    }

    // Show the page that has the item at `position`.
    function showPosition(position) {
      const wanted = Math.floor(position / size);
      if (wanted === page) return;
      page = wanted;
      draw();
    }

    function turn(by) {
      if (page + by < 0 || page + by >= count()) return false;
      page += by;
      draw();
      $("tools").scrollIntoView();
      return true;
    }

    return { first, last: () => Math.min(first() + size, length()), restart: () => { page = 0; }, show, showPosition, turn };
  }

  // Fills empty cards for a few milliseconds in each frame, so that the page stays responsive.
  // `done` is called when all are filled.
  function filler(fill, done) {
    let empty = [];
    function step() {
      const since = performance.now();
      while (empty.length && performance.now() - since < FILL_MS) fill(empty.shift());
      if (empty.length) requestAnimationFrame(step); else done();
    }
    return (cards) => {
      const running = empty.length > 0;
      empty = cards;
      if (!running) requestAnimationFrame(step);
    };
  }

  return { pager, filler };
})();
