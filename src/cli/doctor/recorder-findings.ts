/** `doctor`'s findings about `record`: the recorders that work here, and the reasons why others do not. */
import type { Finding } from "../../engines/engine/finding.ts";
import { recorders } from "../../observe/record/session/registry.ts";

export function* recorderFindings(): Generator<Finding> {
  const found = recorders.map(({ name, probe }) => ({ name, availability: probe() }));
  const works = found.filter(({ availability }) => availability.works).map(({ name }) => name);
  if (works.length > 0) {
    yield { state: "fine", what: `record works with ${works.join(", ")}; auto takes ${works[0]}` };
  }
  for (const { name, availability } of found) {
    if (availability.works) continue;
    yield {
      state: works.length > 0 ? "note" : "missing",
      what: `recorder ${name}: ${availability.why}`,
      help: "docs/traces.md lists the requirements of each recorder",
    };
  }
}
