// Draws the plots of a page from the JSON in its data attributes (inline scripts are forbidden), and helps with typing.
// Nothing leaves this machine: Plotly's button that shares a chart over the network is removed.
const config = {responsive: true, displaylogo: false, showSendToCloud: false};
for (const place of document.querySelectorAll("[data-plot]")) {
  const plot = JSON.parse(place.dataset.plot);
  Plotly.newPlot(place, plot.data, plot.layout, config);
}
const editor = document.getElementById("q");
if (editor) {
  editor.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      editor.form.requestSubmit();
    }
  });
  for (const button of document.querySelectorAll("button[data-insert]")) {
    button.addEventListener("click", () => {
      editor.setRangeText(button.dataset.insert, editor.selectionStart, editor.selectionEnd, "end");
      editor.focus();
    });
  }
}
