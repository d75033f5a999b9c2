"""The few lines of JavaScript of the page; everything else is links, forms and Python."""

# A link to a test row opens it in this page, by its id. Held with Ctrl or Shift, it is the link that it is.
ROW_LINKS = """
element.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-row]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger("select", { row: Number(link.dataset.row) });
});
"""

COPY_LINK = """
element.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(new URL(button.dataset.copy, window.location.href).href);
  button.textContent = "Copied";
});
"""
