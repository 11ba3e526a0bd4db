// The server draws an edit again after a press in it. What is typed meanwhile is newer than that drawing: it stays, the
// drawing is dropped, and whoever asked for it hears so.
const sentState = new WeakMap(); // request → what its form said when it left

const valueOf = (field) =>
  field.matches("select") ? [...field.selectedOptions].map((option) => option.value) : [field.checked, field.value];

// What a person sees in the fields of the form, the unnamed ones of an edit among them.
export const written = (form) =>
  JSON.stringify([...form.elements].filter((field) => field.matches("input:not([type=hidden]), select, textarea")).map(valueOf));

const formOf = ({ elt, verb }) =>
  verb === "post" && elt.matches?.("form[data-unsent-on], [data-controls]") && elt.closest("form[data-unsent]");

document.addEventListener("htmx:beforeSend", ({ detail }) => {
  const form = formOf(detail.requestConfig);
  if (form) sentState.set(detail.xhr, written(form));
});

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const form = formOf(detail.requestConfig);
  if (!form?.isConnected || !detail.shouldSwap || written(form) === sentState.get(detail.xhr)) return;
  detail.shouldSwap = false;
  detail.requestConfig.elt.dispatchEvent(new CustomEvent("redraw:dropped", { detail: detail.requestConfig }));
});

// Answers whether it was drawn. With `touched` among the values the controls are not asked what is touched.
export async function redraw(source, url, target, values) {
  let drawn = true;
  source.toggleAttribute("data-given", "touched" in values);
  const drop = () => { drawn = false; };
  source.addEventListener("redraw:dropped", drop);
  await window.htmx.ajax("POST", url, { source, target, swap: "outerHTML", values });
  source.removeEventListener("redraw:dropped", drop);
  source.removeAttribute("data-given");
  return drawn;
}

// A press in a plan is asked again, with what stands there now.
document.addEventListener("redraw:dropped", (event) => {
  const { submitter } = event.detail.triggeringEvent ?? {};
  if (submitter) setTimeout(() => submitter.click()); // not before this one has ended
}, true);
