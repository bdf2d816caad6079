// What only a search's page does: links to trials.

function setUp() {}

/** #trial-ARM-3 shows a trial's row, with its runs. */
function follow() {
  const row = location.hash.startsWith("#trial-") ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  for (const other of document.querySelectorAll("tr.here")) other.classList.remove("here");
  if (!row) return;
  row.classList.add("here");
  row.scrollIntoView({ block: "center" });
  row.querySelector("summary")?.focus({ preventScroll: true });
}
