// A link to a folded section of a form unfolds it.

function unfold() {
  const section = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const folded = section && section.querySelector("details:not([open])");
  if (!folded) return;
  folded.open = true;
  section.scrollIntoView();
}

addEventListener("hashchange", unfold);
unfold();
