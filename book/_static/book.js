/* Mends what axe finds in sphinx-book-theme 1.1.4 and docutils' citation list. */
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".search-button-field[aria-label]").forEach((b) => b.removeAttribute("aria-label"));
  const side = document.querySelector(".bd-sidebar-primary");
  if (side) { side.setAttribute("role", "complementary"); side.setAttribute("aria-label", "Book"); }
  document.querySelectorAll(".citation-list > .citation").forEach((c) => c.setAttribute("role", "listitem"));
  /* What scrolls sideways must be reachable by keyboard. */
  document.querySelectorAll(".cell_output, .bd-content pre, div.math").forEach((e) => {
    if (e.scrollWidth > e.clientWidth) { e.setAttribute("tabindex", "0"); }
  });
});
