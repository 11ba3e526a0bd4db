// A snippet in two languages shows one of them; the choice holds for every snippet and is remembered.
const KEY = "assent.language";

function remembered() {
  try {
    return localStorage.getItem(KEY) || "python";
  } catch {
    return "python"; // storage is off
  }
}

function show(language) {
  for (const snippet of document.querySelectorAll("[data-snippet]")) {
    const figures = [...snippet.querySelectorAll("figure")];
    if (!figures.some((figure) => figure.dataset.language === language)) continue;
    for (const figure of figures) figure.hidden = figure.dataset.language !== language;
    for (const tab of snippet.querySelectorAll("[role=tab]")) {
      const chosen = tab.dataset.language === language;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
  }
}

function choose(tab) {
  try {
    localStorage.setItem(KEY, tab.dataset.language);
  } catch {
    // not remembered, shown all the same
  }
  // What stands above may grow or shrink: the snippet under the hand stays where it is.
  const before = tab.getBoundingClientRect().top;
  show(tab.dataset.language);
  scrollBy({ top: tab.getBoundingClientRect().top - before, behavior: "instant" });
}

function tabs(snippet, index) {
  const figures = [...snippet.querySelectorAll("figure")];
  if (figures.length < 2) return;
  const list = document.createElement("div");
  list.className = "snippet-tabs";
  list.setAttribute("role", "tablist");
  for (const figure of figures) {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.setAttribute("role", "tab");
    tab.dataset.language = figure.dataset.language;
    const caption = figure.querySelector("figcaption");
    tab.textContent = caption.textContent;
    caption.remove();
    tab.id = `tab-${index}-${figure.dataset.language}`;
    figure.id = `code-${index}-${figure.dataset.language}`;
    figure.setAttribute("role", "tabpanel");
    figure.setAttribute("aria-labelledby", tab.id);
    tab.setAttribute("aria-controls", figure.id);
    tab.addEventListener("click", () => choose(tab));
    list.append(tab);
  }
  list.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = event.target.nextElementSibling ?? event.target.previousElementSibling;
    choose(other);
    other.focus();
  });
  snippet.prepend(list);
}

for (const [index, snippet] of document.querySelectorAll("[data-snippet]").entries()) {
  tabs(snippet, index);
  const copy = snippet.querySelector("[data-copy]");
  if (!copy || !navigator.clipboard) continue;
  copy.hidden = false;
  const label = copy.textContent;
  copy.addEventListener("click", async () => {
    const code = [...snippet.querySelectorAll("figure")].find((figure) => !figure.hidden);
    await navigator.clipboard.writeText(code.querySelector("code").textContent);
    copy.textContent = copy.dataset.copied;
    setTimeout(() => (copy.textContent = label), 1500);
  });
}
show(remembered());

// The list of pages is longer than a small screen: the page that one reads is in sight in it.
const here = document.querySelector(".help-contents [aria-current]");
const list = here?.closest(".help-contents");
if (list) list.scrollTop = here.offsetTop - list.clientHeight / 2;
