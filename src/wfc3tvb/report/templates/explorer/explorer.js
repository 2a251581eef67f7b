// Draws the plots of a page from the JSON in its data attributes (inline scripts are forbidden), and helps with typing.
// Nothing leaves this machine: Plotly's button that shares a chart over the network is removed.
// On a telephone its buttons would cover the names of the curves.
const config = {responsive: true, displaylogo: false, showSendToCloud: false, displayModeBar: innerWidth < 500 ? false : "hover"};
const night = matchMedia("(prefers-color-scheme: dark)");

// Colours of a plot are those of the page, by the names of its variables.
function inColours(plot) {
  const style = getComputedStyle(document.documentElement);
  const [ink, line, paper] = ["--ink", "--line", "--paper"].map(name => style.getPropertyValue(name).trim());
  const axis = {gridcolor: line, zerolinecolor: line, linecolor: line};
  const layout = {...plot.layout, paper_bgcolor: paper, plot_bgcolor: paper, font: {color: ink}};
  for (const name of Object.keys(layout).filter(name => /^[xy]axis/.test(name))) layout[name] = {...layout[name], ...axis};
  layout.modebar = {bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--soft").trim(), activecolor: ink};
  layout.hoverlabel = {bgcolor: style.getPropertyValue("--panel").trim(), font: {color: ink}};
  for (const part of plot.data.flatMap(trace => [trace.line, trace.marker])) {
    if (typeof part?.color === "string" && part.color.startsWith("--")) part.color = style.getPropertyValue(part.color).trim();
  }
  return [plot.data, layout];
}

// The place has the height of its plot: Plotly takes it from there when the window changes.
function draw(place) {
  const plot = JSON.parse(place.dataset.plot);
  place.style.height = `${plot.layout.height}px`;
  Plotly.react(place, ...inColours(plot), config);
}

// A page may have dozens of plots: each is drawn when it comes near the window, and all before printing.
const seen = new IntersectionObserver(entries => {
  for (const entry of entries.filter(entry => entry.isIntersecting)) {
    seen.unobserve(entry.target);
    draw(entry.target);
  }
}, {rootMargin: "600px"});
function expect(place) {
  place.style.height = `${JSON.parse(place.dataset.plot).layout.height}px`;
  seen.observe(place);
}
const places = () => [...document.querySelectorAll("[data-plot]")];
places().forEach(expect);
night.addEventListener("change", () => places().filter(place => place.classList.contains("js-plotly-plot")).forEach(draw));
addEventListener("beforeprint", () => places().forEach(draw));

// Charts of a large catalog are counted when they are asked for, one after the other, and then replace their places.
async function fillIn() {
  for (const place of document.querySelectorAll("section[data-from]")) {
    const status = place.querySelector("[role=status]");
    status.textContent = "Counting…";
    const answer = await fetch(place.dataset.from);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const section = page.querySelector("section");
    if (section) {
      place.replaceWith(section);
      section.querySelectorAll("[data-plot]").forEach(expect);
    } else {
      status.textContent = page.querySelector("[role=alert]")?.textContent ?? "This chart cannot be shown.";
    }
  }
}
fillIn();

// A link to a search or a statement is copied, where the browser lets it be, and followed otherwise.
for (const link of document.querySelectorAll("a[data-copy]")) {
  link.addEventListener("click", async event => {
    if (!navigator.clipboard) return;
    event.preventDefault();
    await navigator.clipboard.writeText(link.href).then(() => { link.textContent = "copied"; }, () => { location.href = link.href; });
  });
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
