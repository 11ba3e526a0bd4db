// Lists refetch as soon as a filter changes; without script a button does it.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-autosubmit]");
  if (form) form.requestSubmit();
});

// A filter left empty stays out of the address.
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("[data-autosubmit], [data-filters]")) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

document.addEventListener("change", (event) => {
  if (event.target.closest("[data-filters]")) event.target.toggleAttribute("data-set", event.target.value !== "");
});
