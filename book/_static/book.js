/* Mends what axe and the console find in sphinx-book-theme 1.1.4 and docutils' citation list. */

/* On a first visit the theme has no mode to read, and complains. */
const root = document.documentElement;
root.dataset.mode ||= "auto";
root.dataset.theme ||= matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";

/* What scrolls sideways must be reachable by keyboard; what scrolls depends on the width and on the formulas.
   The theme sees to code and to what is inside a cell's output. */
function markScrolling() {
  const boxes = ".cell_output, .bd-content table, .pst-scrollable-table-container, div.math";
  document.querySelectorAll(boxes).forEach((box) => {
    const scrolls = box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible";
    if (scrolls) { box.setAttribute("tabindex", "0"); } else { box.removeAttribute("tabindex"); }
  });
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".search-button-field[aria-label]").forEach((b) => b.removeAttribute("aria-label"));
  const side = document.querySelector(".bd-sidebar-primary");
  if (side) { side.setAttribute("role", "complementary"); side.setAttribute("aria-label", "Book"); }
  document.querySelectorAll(".citation-list > .citation").forEach((c) => c.setAttribute("role", "listitem"));
  markScrolling();
});
window.addEventListener("load", () => {
  /* MathJax has a promise from its start on; until formulas are set their width is unknown. */
  Promise.resolve(window.MathJax?.startup?.promise).then(markScrolling);
});
window.addEventListener("resize", markScrolling);
