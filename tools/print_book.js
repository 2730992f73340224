/* Makes one document of the pages of the book: run in the first of them, with what print_book.py knows.
   Every id gets its page's name in front, and links follow, so that they lead to the right place on paper. */
async ({ files, title, author, date, home }) => {
  const stem = (file) => file.split("/").pop().replace(".html", "");
  const site = new URL("..", location.href).href;
  const element = (name, options = {}, ...children) => {
    const made = Object.assign(document.createElement(name), options);
    made.append(...children);
    return made;
  };
  const contents = element("ul");
  const book = element("div", { className: "book-whole" });
  const cover = element("section", { className: "book-cover" },
    element("p", { className: "book-title", textContent: title }), element("p", { textContent: author }),
    element("p", { textContent: `Printed ${date} from ${home}` }));
  book.append(cover, element("section", { className: "book-contents" },
    element("p", { className: "book-title", textContent: "Contents" }), contents));

  for (const file of files) {
    const address = new URL(file, site);
    const text = await (await fetch(address)).text();
    const article = new DOMParser().parseFromString(text, "text/html").querySelector("article.bd-article");
    const own = (id) => `${stem(file)}--${id}`;
    article.querySelectorAll("script, .headerlink, .toctree-wrapper").forEach((e) => e.remove());
    article.querySelectorAll("[id]:not(svg [id])").forEach((e) => { e.id = own(e.id); });
    article.querySelectorAll("details").forEach((e) => { e.open = true; });
    article.querySelectorAll("img[src]").forEach((e) => { e.src = new URL(e.getAttribute("src"), address).href; });
    for (const link of article.querySelectorAll("a[href]")) {
      const target = new URL(link.getAttribute("href"), address);
      if (!target.href.startsWith(site)) { continue; }
      const page = target.pathname.slice(new URL(site).pathname.length);
      const anchor = decodeURIComponent(target.hash.slice(1));
      if (files.includes(page)) {
        link.setAttribute("href", `#${anchor ? `${stem(page)}--${anchor}` : stem(page)}`);
      } else {
        link.href = home + page + target.hash;
      }
    }
    const number = /^\d+/.exec(stem(file));
    const heading = article.querySelector("h1");
    if (number) { heading.prepend(`${Number(number[0])}. `); }
    book.append(element("section", { id: stem(file), className: "book-page" }, document.adoptNode(article)));
    const line = (id, words) => element("a", { href: `#${id}` },
      element("span", { textContent: words }), element("span", { className: "book-number" }));
    const sections = element("ul");
    /* Of the reference the names of the pages do. */
    if (number) {
      for (const under of article.querySelectorAll("h2")) {
        sections.append(element("li", {}, line(under.closest("section[id]").id, under.textContent)));
      }
    }
    contents.append(element("li", {}, line(stem(file), heading.textContent), sections));
  }
  document.title = title;
  document.documentElement.dataset.theme = "light";
  document.body.replaceChildren(element("div", { className: "bd-content" },
    element("div", { className: "bd-article-container" }, element("article", { className: "bd-article" }, book))));
  await MathJax.startup.promise;
  await MathJax.typesetPromise();
  await document.fonts.ready;
}
