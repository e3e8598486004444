/** The script of a report's page: draws the charts from the page's data, again whenever their width or the theme changes. */
import { dataElement, type RunCharts } from "../model.ts";
import { explore } from "./explore.ts";
import { drawHeat } from "./heat.ts";
import { drawSurface } from "./surface.ts";
import { drawTimeline } from "./timeline.ts";

const draw: Readonly<Record<string, (run: RunCharts, width: number) => Element>> = {
  timeline: drawTimeline,
  surface: drawSurface,
  heat: drawHeat,
};

const runs = JSON.parse(document.getElementById(dataElement)?.textContent ?? "[]") as readonly RunCharts[];

for (const container of document.querySelectorAll<HTMLElement>(".chart")) {
  const run = runs[Number(container.dataset["run"])];
  const drawn = draw[container.dataset["chart"] ?? ""];
  if (run === undefined || drawn === undefined) continue;
  const now = document.getElementById(container.getAttribute("aria-describedby") ?? "");
  let width = 0;
  const show = () => {
    const room = Math.floor(container.clientWidth);
    if (room === width || room === 0) return;
    width = room;
    container.replaceChildren(drawn(run, width));
    explore(container, now);
  };
  show();
  new ResizeObserver(show).observe(container);
}

// ── The theme ───────────────────────────────────────────────────────────────────────────────────────────────────────

const themes = ["as the system", "light", "dark"] as const;
const button = document.getElementById("theme");
if (button !== null) {
  let chosen = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % themes.length;
    const theme = themes[chosen]!;
    button.textContent = `Theme: ${theme}`;
    if (chosen === 0) document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", theme);
  });
}

// A link to a line of a source opens the listing that it is in.
function open(): void {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const closed = target?.closest("details");
  if (closed === null || closed === undefined) return;
  closed.open = true;
  target?.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", open);
open();
