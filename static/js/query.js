// The search box of a list offers the filters of its query language, and after a colon the filter's values.
import { completes } from "./complete.js";
import { all } from "./page.js";

const MOST = 12;

function offersOf(box, filters, everything) {
  const typed = /\S*$/.exec(box.value.slice(0, box.selectionStart))[0];
  if (!typed && !everything) return { typed, matches: [] };
  const minus = typed.startsWith("-") ? "-" : "";
  const [name, value] = typed.slice(minus.length).toLowerCase().split(/:(.*)/s);
  const filter = value === undefined ? null : filters.find((each) => each.name === name);
  const matches = filter
    ? filter.values
        .filter((each) => each.toLowerCase().startsWith(value) && each !== value)
        .map((each) => ({ insert: `${minus}${name}:${each} `, shown: each, title: "" }))
    : filters
        .filter((each) => value === undefined && each.name.startsWith(name))
        .map((each) => ({ insert: `${minus}${each.name}:`, title: each.meaning }));
  return { typed, matches: matches.slice(0, MOST) };
}

for (const box of all("[data-terms]")) {
  let filters = [];
  let fetched = false;
  box.addEventListener("focus", async () => {
    if (fetched) return;
    fetched = true;
    const answer = await fetch(box.dataset.terms).catch(() => null);
    if (!answer?.ok) return (fetched = false);
    ({ filters } = await answer.json());
    offer(); // somebody may have typed meanwhile
  });
  const offer = completes(box, (everything) => offersOf(box, filters, everything));
}
