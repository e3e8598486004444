/**
 * Makes the marks of a chart readable by keyboard and pointer: the arrow keys go from mark to mark, and the text of the
 * mark stands below the chart.
 */

const steps: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export function explore(container: HTMLElement, output: HTMLElement | null): void {
  // Each mark has its text in a <title>.
  const marks = [...container.querySelectorAll("svg title")].flatMap(({ parentElement, textContent }) =>
    parentElement === null ? [] : [{ mark: parentElement, text: textContent ?? "" }],
  );
  let at = -1;
  const show = (index: number) => {
    marks[at]?.mark.classList.remove("marked");
    at = index;
    const chosen = marks[at];
    chosen?.mark.classList.add("marked");
    if (output !== null) output.textContent = chosen?.text ?? "";
    return chosen;
  };
  show(-1);
  container.onkeydown = (event) => {
    const step = steps[event.key];
    let next = at;
    if (step !== undefined) next = at < 0 && step < 0 ? marks.length - 1 : at + step;
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = marks.length - 1;
    else if (event.key === "Escape") next = -1;
    else return;
    if (marks.length === 0) return;
    event.preventDefault();
    const chosen = show(Math.max(event.key === "Escape" ? -1 : 0, Math.min(marks.length - 1, next)));
    chosen?.mark.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  container.onpointerover = (event) => {
    const index = marks.findIndex(({ mark }) => mark.contains(event.target as Node));
    if (index >= 0) show(index);
  };
}
