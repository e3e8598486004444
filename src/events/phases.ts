/** Which phases of a process people want to see. */

/**
 * A policy with roles, as `propose` writes it, has the role of a process in `role`, and in `childPhase` the phase of the
 * role `child`: the phases of other roles say nothing about the process, and are left out.
 */
export function phasesToShow(phases: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const all = Object.entries(phases);
  const { role } = phases;
  if (role === undefined) return all;
  const own = `${letters(role)}phase`;
  return all.filter(([name]) => !name.endsWith("Phase") || letters(name) === own);
}

/** The part of a name that is equal in the name of a role and in an identifier that is made of it. */
function letters(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, "").toLowerCase();
}
