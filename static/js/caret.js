// Where the caret is, below its line: the box's text is laid out once more, unseen.
export function below(box, length) {
  const twin = document.createElement("div");
  const style = getComputedStyle(box);
  for (const name of ["font", "lineHeight", "padding", "borderWidth", "letterSpacing", "tabSize"]) {
    twin.style[name] = style[name];
  }
  Object.assign(twin.style, { position: "absolute", visibility: "hidden", whiteSpace: "pre-wrap" });
  Object.assign(twin.style, { overflowWrap: "break-word", width: `${box.clientWidth}px`, boxSizing: "border-box" });
  twin.textContent = box.value.slice(0, box.selectionStart - length);
  const mark = twin.appendChild(document.createElement("span"));
  mark.textContent = "\u200b";
  box.parentElement.append(twin);
  const position = { left: mark.offsetLeft, top: mark.offsetTop + mark.offsetHeight - box.scrollTop + 4 };
  twin.remove();
  if (box instanceof HTMLInputElement) position.top = box.offsetHeight + 4; // of one line
  return position;
}
