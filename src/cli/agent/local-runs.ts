/**
 * Prepares a `run` for an agent (src/agent/local), from the cache alone. Everything else falls back to the Node of the run:
 * what needs a compiler, prints a diagnostic, asks, or needs more of a process than a supervisor.
 */
import { realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { PreparedRun } from "../../agent/local/run.ts";
import { type AgentSurroundings, examineSurroundings, servedPolicy } from "../../agent/local/served.ts";
import { StartError } from "../../engines/launcher/start-error.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import { NativeUnavailableError } from "../../machine/native.ts";
import { sha256 } from "../../machine/sha256.ts";
import type { Context } from "../context.ts";
import { candidates } from "../engine.ts";
import { runPage } from "../pages/run-page.ts";
import { parseInvocation } from "../parse.ts";
import { isBundle, policyFile } from "../policy/arguments.ts";
import { buildIdentity } from "../policy/cache.ts";
import { askCache, decoded } from "../policy/cached.ts";
import { examined } from "../policy/path-examination.ts";
import { demandsOf, type RunRequest, runRequest } from "../policy/run-request.ts";
import { commonOptions, Failure, type Verb } from "../verb.ts";

/** The words of portcullis, from the verb on. */
export interface GivenRun {
  readonly words: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Decoded policies in memory. */
const mostPolicies = 64;

export class AgentRuns {
  /** Another build compiles otherwise: its policies are not for this process. */
  readonly #build = buildIdentity();
  readonly #policies = new Map<string, CompiledPolicy>();
  readonly #surroundings: AgentSurroundings;

  constructor(surroundings: AgentSurroundings = examineSurroundings()) {
    this.#surroundings = surroundings;
  }

  /** Undefined for what falls back. The process is in the client's working directory. */
  prepare({ words: [verb, ...words], directory, environment }: GivenRun): PreparedRun | undefined {
    if (verb !== "run" || this.#build === undefined || buildIdentity() !== this.#build) return undefined;
    try {
      const invocation = parseInvocation(runPage as Verb, words);
      if (unserved.some((option) => invocation.has(option))) return undefined;
      const request = runRequest(invocation);
      const compiled = this.#policyOf(request, directory, environment);
      const policy = compiled && servedPolicy(compiled, this.#surroundings);
      if (policy === undefined || examined(compiled!, request).length > 0) return undefined;
      const { timeout, killTree, dieWithParent, cgroup, separate, quiet } = request;
      return {
        policy,
        tree: { timeout, killTree, dieWithParent, cgroup, separate },
        command: request.command,
        quiet,
      };
    } catch (error) {
      if (error instanceof Failure || error instanceof StartError || error instanceof NativeUnavailableError)
        return undefined;
      throw error;
    }
  }

  /** For another user: a policy that is only named, and that needs no more of this process than judgements. */
  prepareNamed(
    { words: [verb, ...words] }: Pick<GivenRun, "words">,
    find: (name: string) => CompiledPolicy | undefined,
  ): PreparedRun | undefined {
    if (verb !== "run") return undefined;
    try {
      const invocation = parseInvocation(runPage as Verb, words);
      const options = Object.keys({ ...commonOptions, ...runPage.options });
      if (options.some((option) => invocation.has(option) && !servedToOthers.has(option))) return undefined;
      const request = runRequest(invocation);
      const { policy: name, engine, timeout, killTree, dieWithParent, cgroup, separate, quiet, command } = request;
      // The front has looked for files of these names (native/launcher/agent.c, may_name_file()).
      if (!words.some((word) => word === name || word === `-p${name}` || word === `--policy=${name}`)) return undefined;
      const found = find(name);
      if (found === undefined || candidates(engine, demandsOf(request))[0]?.engine !== found.engine) return undefined;
      const policy = servedPolicy(found, this.#surroundings);
      if (policy === undefined || usesFiles(policy)) return undefined;
      return { policy, tree: { timeout, killTree, dieWithParent, cgroup, separate }, command, quiet };
    } catch (error) {
      if (error instanceof Failure || error instanceof StartError || error instanceof NativeUnavailableError)
        return undefined;
      throw error;
    }
  }

  #policyOf(
    request: RunRequest,
    workingDirectory: string,
    environment: GivenRun["environment"],
  ): CompiledPolicy | undefined {
    const file = policyFile(request.policy, workingDirectory);
    if (isBundle(file) || isOfProcess(resolve(file.openedAs))) return undefined;
    const context = { workingDirectory, environment } as Context; // the cache uses no other member
    return askCache(request, file, context, (bytes) => this.#decode(bytes)).policy;
  }

  #decode(bytes: Uint8Array): CompiledPolicy | undefined {
    const digest = sha256(bytes).toString("hex");
    const policy = this.#policies.get(digest) ?? decoded(bytes);
    if (policy === undefined) return undefined;
    // The last one used becomes the last to go.
    this.#policies.delete(digest);
    this.#policies.set(digest, policy);
    if (this.#policies.size > mostPolicies) this.#policies.delete(this.#policies.keys().next().value!);
    return policy;
  }
}

/** Options that need more of the process that started portcullis, or another process beside the supervisor. */
const unserved = ["help", "events", "best-effort", "status", "ask-socket", "hosts", "ask-hosts", "no-agent"] as const;

/** The options that another user may give: none that names a file, or changes the policy. */
const servedToOthers: ReadonlySet<string> = new Set([
  ...["policy", "engine", "timeout", "kill-tree", "die-with-parent", "cgroup", "separate", "quiet"],
]);

/** Whether this process would open or examine files for the tree, with its own rights. */
function usesFiles({ opensForCaller, objects, allowedPaths, refusedObjects }: PreparedRun["policy"]): boolean {
  return opensForCaller === true || objects.length + allowedPaths.length + refusedObjects.length > 0;
}

/** Names like /dev/stdin mean descriptors of the front. */
function isOfProcess(path: string): boolean {
  const beneath = (folder: string) => /^\/(?:dev|proc)(?:\/|$)/.test(folder);
  try {
    return beneath(path) || beneath(realpathSync.native(dirname(path))) || beneath(realpathSync.native(path));
  } catch {
    return true;
  }
}
