/**
 * The agent's policies: the files of a folder (modules, OCI profiles, and OCI image layouts), compiled at the start and again when they
 * change, and the ready ones. A tree keeps the version that it has started with.
 */
import { type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { ArchitectureName } from "../abi/architecture.ts";
import { runningKernel } from "../abi/kernel-version.ts";
import { proveTightening } from "../analysis/lint/tightening.ts";
import { LayoutError, type PolicyArtifact, readLayout } from "../backend/bundle/oci-layout.ts";
import { hasErrors } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { withDigest } from "../engines/engine/digest.ts";
import { compileForNotify } from "../engines/notify/compile.ts";
import type { NotifyPolicy } from "../engines/notify/policy/policy.ts";
import { policyDigest } from "../export/digest.ts";
import type { PolicyName } from "../export/metadata.ts";
import { loadPolicy } from "../frontend/load.ts";
import type { ReadFile } from "../frontend/source/store.ts";
import { readInputFile } from "../machine/inputs.ts";
import { abiOfThisKernel } from "../machine/landlock-abi.ts";
import { packageFile } from "../machine/package.ts";

export interface AgentPolicy {
  readonly name: string;
  /** Depends on the text, the parameters and the version of portcullis. */
  readonly digest: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly compiled: NotifyPolicy;
}

/** A policy cannot be selected. The sentence has no full stop. */
export class PolicyFault extends Error {
  override readonly name = "PolicyFault";
}

export interface PoliciesOptions {
  /** Undefined: only the ready policies. */
  readonly folder: string | undefined;
  readonly architecture: ArchitectureName;
  readonly log: (line: string) => void;
}

/** Milliseconds after an event of the folder: an editor, or a ConfigMap, changes several entries at once. */
const settling = 50;
/** Milliseconds between examinations without an event: of imported files elsewhere, and where inotify(7) is missing. */
const examining = 5000;
/** Versions with other parameters that are kept for each policy: who asks for them can be many. */
const mostVersions = 32;

interface Source {
  readonly name: string;
  readonly path: string;
  /** Names the content of every file that was read, as they were examined. */
  readonly signature: string;
  /** By their parameters, the last used last. */
  readonly versions: Map<string, AgentPolicy>;
  /** The files are older: their present text does not compile. */
  readonly fault: string | undefined;
  readonly files: readonly string[];
}

export class Policies {
  readonly #options: PoliciesOptions;
  readonly #sources = new Map<string, Source>();
  readonly #ready = new Map<string, Source>();
  /** Entries that cannot be used, so that each is reported once. */
  readonly #unusable = new Map<string, string>();
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #examining: NodeJS.Timeout | undefined;

  constructor(options: PoliciesOptions) {
    this.#options = options;
  }

  /** Compiles the folder's policies, and follows changes until `close`. */
  start(): void {
    const { folder, log } = this.#options;
    if (folder === undefined) return;
    this.examine();
    const soon = (): void => {
      clearTimeout(this.#settling);
      this.#settling = setTimeout(() => this.examine(), settling).unref();
    };
    try {
      this.#watcher = watch(folder, { persistent: false }, soon).on("error", () => this.#watcher?.close());
    } catch (error) {
      log(`changes of ${folder} are found within ${examining / 1000} s only: ${message(error)}`);
    }
    this.#examining = setInterval(() => this.examine(), examining).unref();
  }

  close(): void {
    this.#watcher?.close();
    clearTimeout(this.#settling);
    clearInterval(this.#examining);
  }

  /** The folder's policies, sorted by name. */
  get list(): readonly {
    readonly name: string;
    readonly digest: string | undefined;
    readonly fault: string | undefined;
  }[] {
    return [...this.#sources.values()]
      .map(({ name, versions, fault }) => ({ name, digest: versions.get("")?.digest, fault }))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** @throws PolicyFault */
  select({ policy: name, digest, parameters }: PolicyName): AgentPolicy {
    const found = this.byName(name, new Map(Object.entries(parameters)));
    if (found.digest === digest) return found;
    throw new PolicyFault(`the policy ${name} of the agent has another digest, ${found.digest}, than ${digest}`);
  }

  /** @throws PolicyFault */
  byName(name: string, parameters: ReadonlyMap<string, string>): AgentPolicy {
    const source = this.#sources.get(name) ?? this.#readyPolicy(name);
    const key = [...parameters]
      .map((one) => JSON.stringify(one))
      .sort()
      .join();
    const present = source.versions.get(key);
    if (present !== undefined) {
      source.versions.delete(key);
      source.versions.set(key, present);
      return present;
    }
    if (source.fault !== undefined) throw new PolicyFault(`the policy ${name} does not compile: ${source.fault}`);
    const { policy, fault } = compile(source, parameters, this.#options.architecture);
    if (policy === undefined) throw new PolicyFault(`the policy ${name} does not compile: ${fault}`);
    source.versions.set(key, policy);
    for (const oldest of source.versions.keys()) {
      if (source.versions.size <= mostVersions) break;
      if (oldest !== "") source.versions.delete(oldest);
    }
    return policy;
  }

  /**
   * A policy without parameters for users that may not let this process compile again and again: of the folder what has
   * compiled, and each ready policy once. A ready policy precedes the folder's of its name, as for `run` without an agent.
   */
  forUsers(name: string): AgentPolicy | undefined {
    if (this.#unusable.has(readyKey(name))) return undefined;
    if (!isReadyName(name)) return this.#sources.get(name)?.versions.get("");
    const source = this.#readyPolicy(name);
    const present = source.versions.get("");
    if (present !== undefined) return present;
    const { policy, fault } = compile(source, new Map(), this.#options.architecture);
    if (policy === undefined) this.#unusable.set(readyKey(name), fault);
    else source.versions.set("", policy);
    return policy;
  }

  #readyPolicy(name: string): Source {
    const known = this.#ready.get(name);
    if (known !== undefined) return known;
    if (!isReadyName(name)) throw new PolicyFault(`no policy is named ${JSON.stringify(name)}`);
    const path = packageFile(`policies/${name}.ts`);
    const source = { name, path, signature: "", versions: new Map(), fault: undefined, files: [] };
    this.#ready.set(name, source);
    return source;
  }

  // ── The folder ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Compiles what is new or has changed, and forgets what is gone. */
  examine(): void {
    const entries = this.#entries();
    if (entries === undefined) return;
    for (const name of this.#sources.keys()) {
      if (entries.has(name)) continue;
      this.#sources.delete(name);
      this.#options.log(`policy ${name}: removed`);
    }
    for (const [name, path] of entries) {
      const old = this.#sources.get(name);
      if (old === undefined || old.path !== path || signatureOf(old.files) !== old.signature)
        this.#renew(name, path, old);
    }
  }

  #renew(name: string, path: string, old: Source | undefined): void {
    const { architecture, log } = this.#options;
    // Before the files are read: a change after that is found the next time.
    const before = new Map([path, ...(old?.files ?? [])].map((file) => [file, statOf(file)] as const));
    const { policy, fault, files, open } = compile({ name, path }, new Map(), architecture);
    const signature = files.map((file) => before.get(file) ?? statOf(file)).join("\n");
    const isUsable = policy !== undefined || open;
    const versions = new Map<string, AgentPolicy>(policy === undefined ? [] : [["", policy]]);
    this.#sources.set(name, {
      ...{ name, path, signature, files },
      versions: isUsable ? versions : (old?.versions ?? versions),
      fault: isUsable ? undefined : fault,
    });
    if (policy !== undefined) log(`policy ${name}: ${policy.digest} (${path})`);
    else if (open) log(`policy ${name}: needs the values of parameters (${path})`);
    else log(`policy ${name}: ${fault}${old?.versions.size ? "; the version before is used on" : ""}`);
  }

  /** The paths of the policies by their names; undefined if the folder cannot be read, as within the swap of a link. */
  #entries(): ReadonlyMap<string, string> | undefined {
    const folder = resolve(this.#options.folder!);
    let names: readonly string[];
    try {
      names = readdirSync(folder).sort();
    } catch (error) {
      this.#tellOnce(folder, `the folder of policies cannot be read: ${message(error)}`);
      return undefined;
    }
    this.#unusable.delete(folder);
    const found = new Map<string, string>();
    const add = (name: string, path: string): void => {
      if (found.has(name)) this.#tellOnce(path, `${path} is not used: ${found.get(name)} has the same name`);
      else found.set(name, path);
    };
    for (const name of names) {
      if (!name.startsWith(".") && isLayout(join(folder, name))) {
        add(this.#nameOfLayout(join(folder, name)), join(folder, name));
        continue;
      }
      const [, base, ending] = /^([^.].*)\.(ts|json|pcl)$/.exec(name) ?? [];
      if (base === undefined || /\.d$|^(?:tsconfig|package)$/.test(base)) continue;
      const path = join(folder, name);
      if (ending === "pcl") {
        this.#tellOnce(path, `${path} is not used: ${ofBundle}`);
      } else if (isFile(path)) add(base, path); // not a link that leads nowhere, or a folder
    }
    return found;
  }

  /** The name that the layout has; its former name, or that of its folder, if it cannot be read. */
  #nameOfLayout(path: string): string {
    const known = [...this.#sources.values()].find((source) => source.path === path);
    if (known !== undefined && signatureOf(known.files) === known.signature) return known.name;
    try {
      return readLayout(path).name;
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      return known?.name ?? basename(path);
    }
  }

  #tellOnce(entry: string, line: string): void {
    if (this.#unusable.get(entry) === line) return;
    this.#unusable.set(entry, line);
    this.#options.log(line);
  }
}

const ofBundle = "a bundle has its policy as eBPF, and the agent supervises: put the policy's source here";

const readyKey = (name: string): string => `ready policy ${name}`;

function isReadyName(name: string): boolean {
  return /^(?:(?:against|agents)\/)?[a-z0-9-]+$/.test(name) && statOf(packageFile(`policies/${name}.ts`)) !== "";
}

interface Compilation {
  readonly policy: AgentPolicy | undefined;
  /** FILE:LINE:COLUMN and the first error, and the number of the others. */
  readonly fault: string;
  readonly files: readonly string[];
  /** Parameters without a value are the only errors. */
  readonly open: boolean;
}

function compile(
  { name, path }: Pick<Source, "name" | "path">,
  given: ReadonlyMap<string, string>,
  architecture: ArchitectureName,
): Compilation {
  const index = join(path, "index.json");
  const unusable = (why: string): Compilation => ({
    ...{ policy: undefined, fault: `${path}: ${why}`, files: [index], open: false },
  });
  let artifact: PolicyArtifact | undefined;
  try {
    artifact = isLayout(path) ? readLayout(path) : undefined;
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    return unusable(error.message);
  }
  if (artifact?.ending === "pcl") return unusable(ofBundle);
  const parameters = new Map([...(artifact?.parameters ?? []), ...given]);
  const file = artifact === undefined ? path : join(path, `${artifact.name}.${artifact.ending}`);
  const loaded = loadPolicy(file, {
    ...(artifact === undefined ? {} : { readFile: (one: string) => readWith(artifact, file, one) }),
    architecture,
    set: parameters,
    host: {
      capabilities: undefined,
      get kernelVersion() {
        return runningKernel(architecture);
      },
    },
    get landlockAbi() {
      return abiOfThisKernel();
    },
  });
  const { program, diagnostics, promises } = loaded;
  const files = loaded.files.map(({ path: one }: ReadFile) => resolve(one));
  if (artifact !== undefined) files.push(index);
  const failed = (errors: readonly Diagnostic[]): Compilation => ({
    // A missing import can come into the folder.
    ...{ policy: undefined, fault: faultOf(errors), files: [path, ...files, dirname(path)] },
    open: errors.every(({ code, severity }) => severity !== "error" || code === missingParameter),
  });
  if (program === undefined) return failed(diagnostics);
  const broken = promises.flatMap((promise) => proveTightening(program, promise));
  if (hasErrors(broken)) return failed(broken);
  try {
    const { policy: compiled, diagnostics: refused } = compileForNotify(program);
    if (compiled === undefined) return failed(refused);
    const digest = policyDigest({ files: loaded.files, parameters });
    const ofArtifact = artifact && policyDigest({ files: loaded.files, parameters: artifact.parameters });
    if (ofArtifact !== artifact?.digest)
      return unusable(
        `its digest is ${ofArtifact} here and ${artifact?.digest} in the artifact, of portcullis ${artifact?.version}`,
      );
    const policy = { name, digest, parameters, compiled: withDigest(compiled, digest) };
    return { policy, fault: "", files, open: false };
  } catch (error) {
    if (!(error instanceof Error) || !/^(?:FilterTooLarge|WasmLimit)Error$/.test(error.name)) throw error;
    return { policy: undefined, fault: `${path}: ${error.message}`, files, open: false };
  }
}

/** What an artifact's policy may read: itself, and the policies of the package. @throws Error */
function readWith({ content }: PolicyArtifact, own: string, file: string): string | Uint8Array {
  if (file === own) return content;
  if (file.startsWith(packageFile("policies/"))) return readInputFile(file);
  throw new Error(`${file} is not in the artifact`);
}

/** A parameter needs a value. */
const missingParameter = "P0110";

function faultOf(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const [first] = errors;
  if (first === undefined) return "no error is known";
  const { span, code, message: text } = first;
  const place = span === undefined ? "" : `${span.file}:${span.line}:${span.column}: `;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return `${place}error ${code}: ${text}${more}`;
}

/** Changes with each of the files, also if a link in its path leads elsewhere. */
function signatureOf(files: readonly string[]): string {
  return files.map(statOf).join("\n");
}

/** Empty if there is no such file. */
function statOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join();
  } catch {
    return "";
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false; // also of a link that leads to itself, and below a file
  }
}

/** Whether it is a folder with an OCI image layout. */
function isLayout(path: string): boolean {
  return isFile(join(path, "oci-layout"));
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
