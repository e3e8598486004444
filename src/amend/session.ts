/** The decisions about groups, and what they make of the policy and of its case files. Every accepted decision is verified. */
import type { Amended, Amendment, Proposal } from "./amendment.ts";
import { addCases, type CaseText, conflicts, type ProgramFor, type Wanted, type WrittenCases } from "./cases.ts";
import { unifiedDiff } from "./diff.ts";
import type { Group } from "./groups.ts";
import { type Compiled, compile, type PolicySettings } from "./policy.ts";
import { rulingOn } from "./refusal.ts";
import type { Scope } from "./rules.ts";

export const answers = ["call", "arguments", "general", "refuse"] as const;
export type Answer = (typeof answers)[number];

export interface SessionFiles {
  readonly policy: { readonly file: string; readonly text: string };
  /** The case files of the policy, as they are. */
  readonly cases: readonly CaseText[];
  /** A further one, for processes in their first phase. */
  readonly created: string;
}

export interface Outcome {
  readonly policy: string;
  readonly cases: WrittenCases;
}

type Program = NonNullable<Compiled["program"]>;

export class Session {
  readonly accepted: Amended[] = [];
  readonly refused: { readonly group: Group; readonly comment: string }[] = [];
  readonly #amendment: Amendment;
  readonly #settings: PolicySettings;
  readonly #files: SessionFiles;
  readonly #groups: readonly Group[];
  readonly #programs = new Map<string, Program | undefined>();

  constructor(amendment: Amendment, settings: PolicySettings, files: SessionFiles, groups: readonly Group[]) {
    this.#amendment = amendment;
    this.#settings = settings;
    this.#files = files;
    this.#groups = groups;
  }

  get isEmpty(): boolean {
    return this.accepted.length === 0 && this.refused.length === 0;
  }

  propose(group: Group, scope: Scope): Proposal {
    return this.#amendment.propose(group, scope, this.accepted);
  }

  /** The text of the policy with what is accepted, and with one change more. */
  textWith(amended?: Amended): string {
    return this.#amendment.textWith(amended === undefined ? this.accepted : [...this.accepted, amended]);
  }

  /** Whether the accepted changes allow the calls of this group, too. */
  allows(group: Group): boolean {
    if (this.accepted.length === 0 || group.verdict === undefined) return false;
    const { program } = this.#amendment.compiled(this.accepted);
    return program !== undefined && group.variants.every((one) => rulingOn(program, one).is === "passes");
  }

  /** Sentences about what prevents it; none if the change is accepted. */
  accept(amended: Amended, isVerified = false): readonly string[] {
    const all = [...this.accepted, amended];
    const faults = isVerified ? [] : this.verify(all, this.refused);
    if (faults.length === 0) this.accepted.push(amended);
    return faults;
  }

  refuse(group: Group, comment: string): readonly string[] {
    if (group.verdict === undefined)
      return [group.obstacle?.why ?? "no rule of the policy refuses it: no case can say so"];
    const all = [...this.refused, { group, comment }];
    const faults = this.verify(this.accepted, all);
    if (faults.length === 0) this.refused.push({ group, comment });
    return faults;
  }

  verify(accepted: readonly Amended[] = this.accepted, refused = this.refused): readonly string[] {
    const taken = new Set(accepted.map(({ group }) => group));
    const others = this.#groups.filter((group) => !taken.has(group));
    const faults = accepted.length === 0 ? [] : this.#amendment.verify(accepted, others);
    if (faults.length > 0) return faults;
    const after = this.#programFor(this.#amendment.textWith(accepted));
    const program = after(new Map());
    const contradictions = refused.flatMap(({ group }) =>
      program !== undefined && group.variants.some((one) => rulingOn(program, one).is === "passes")
        ? [`${group.id} (${group.call}) is refused for ever, and would be allowed`]
        : [],
    );
    if (contradictions.length > 0) return contradictions;
    const before = this.#programFor(this.#files.policy.text);
    return conflicts(this.#files.cases, this.#settings.architecture, before, after).map(
      ({ place, who, expected, given }) =>
        `the case ${place} expects ${expected} of ${who}, and gets ${given}: change that case first`,
    );
  }

  outcome(): Outcome {
    const policy = this.textWith();
    const wanted: Wanted[] = [
      ...this.accepted.map(({ group }) => ({ group, is: "allowed" as const, comment: this.#about(group) })),
      ...this.refused.map(({ group, comment }) => ({
        ...{ group, is: "refused" as const },
        comment: `refused for ever${comment === "" ? "" : `: ${comment}`}`,
      })),
    ];
    const { cases, created } = this.#files;
    const program = this.#programFor(policy);
    return { policy, cases: addCases(wanted, cases, created, this.#settings.architecture, program) };
  }

  #about({ recorded }: Group): string {
    return `amend: was ${recorded}`;
  }

  /** The changes of all files, as patch(1) reads them. */
  patch(): string {
    const { policy, cases } = this.outcome();
    const { policy: before, cases: known } = this.#files;
    const parts = cases.files.map(({ file, text }) =>
      unifiedDiff(file, known.find((one) => one.file === file)?.text, text),
    );
    return [unifiedDiff(before.file, before.text, policy), ...parts].join("");
  }

  #programFor(text: string): ProgramFor {
    return (parameters) => {
      const key = JSON.stringify([text, [...parameters]]);
      if (!this.#programs.has(key)) {
        if (this.#programs.size > 64) this.#programs.clear();
        this.#programs.set(key, compile(this.#settings, text, parameters).program);
      }
      return this.#programs.get(key);
    };
  }
}
