/**
 * The message of a container runtime to a seccomp agent: "The Container Process State" of the OCI runtime specification
 * (config-linux.md). Everything that the agent relies on is checked; members that it does not know are ignored.
 */
import { fromAnnotations, fromMetadata, type PolicyName } from "../../export/metadata.ts";

/** Bytes of a message. Annotations can be long: the API server of Kubernetes takes 256 KiB of them. */
export const mostBytes = 1 << 20;
const mostDescriptors = 8;
const longestName = 1024;

export interface ContainerProcessState {
  /** The names of the descriptors that come with the message, in their order. */
  readonly descriptors: readonly string[];
  readonly policy: PolicyName;
  readonly container: Container;
}

export interface Container {
  readonly id: string;
  /** The folder of its configuration. Runtimes with other state folders can use an id again; their bundles differ. */
  readonly bundle: string;
  readonly status: ContainerStatus;
  readonly annotations: ReadonlyMap<string, string>;
}

const statuses = ["creating", "created", "running", "stopped"] as const;
type ContainerStatus = (typeof statuses)[number];

/** The descriptor's name in `fds` (config-linux.md: "seccompFd"). */
export const listenerName = "seccompFd";

/** A message that is no state. The sentence has no full stop, and may contain text of the message. */
export class StateError extends Error {
  override readonly name = "StateError";
}

/** Undefined if the bytes are the beginning of a message. @throws StateError */
export function readState(bytes: Uint8Array, isWhole: boolean): ContainerProcessState | undefined {
  const text = decoded(bytes, isWhole)?.trim();
  if (text === undefined) return undefined;
  if (text !== "" && !text.startsWith("{")) throw new StateError("the state is not a JSON object");
  if (!isWhole && !text.endsWith("}")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    if (!isWhole) return undefined;
    throw new StateError(text === "" ? "no state came" : "the state is not JSON");
  }
  return stateOf(value);
}

function decoded(bytes: Uint8Array, isWhole: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // The beginning of a message may end within a character.
    if (!isWhole) return undefined;
    throw new StateError("the state is not UTF-8");
  }
}

function stateOf(value: unknown): ContainerProcessState {
  const whole = record(value, "the state");
  const fds = whole["fds"];
  if (!Array.isArray(fds) || fds.length > mostDescriptors || !fds.every((name) => typeof name === "string"))
    throw new StateError(`fds is not a list of at most ${mostDescriptors} names`);
  if (fds.filter((name) => name === listenerName).length !== 1)
    throw new StateError(`fds does not name ${listenerName} once`);
  const state = record(whole["state"], "state");
  const status = statuses.find((one) => one === state["status"]);
  if (status === undefined) throw new StateError(`state.status is not one of ${statuses.join(", ")}`);
  if (status === "stopped") throw new StateError("the container has stopped");
  const id = text(state["id"], "state.id");
  if (id === "") throw new StateError("state.id is empty");
  const annotations = annotationsOf(state["annotations"]);
  return {
    descriptors: fds,
    policy: policyOf(whole["metadata"], annotations),
    container: {
      ...{ id, status, annotations },
      bundle: state["bundle"] === undefined ? "" : text(state["bundle"], "state.bundle"),
    },
  };
}

/** crun sends no metadata of a profile that an annotation names. */
function policyOf(metadata: unknown, annotations: ReadonlyMap<string, string>): PolicyName {
  if (metadata !== undefined && typeof metadata !== "string") throw new StateError("metadata is not a text");
  let named: PolicyName | undefined;
  try {
    named = metadata ? fromMetadata(metadata) : fromAnnotations(Object.fromEntries(annotations));
  } catch (error) {
    throw new StateError(error instanceof Error ? error.message : String(error));
  }
  if (named !== undefined) return named;
  throw new StateError("neither metadata nor annotations name a policy: export the profile with portcullis export oci");
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw new StateError(`${what} is not an object`);
}

/** A NUL would end the text where C reads it. */
function text(value: unknown, what: string): string {
  if (typeof value === "string" && value.length <= longestName && !value.includes("\0")) return value;
  throw new StateError(`${what} is not a text of at most ${longestName} characters`);
}

function annotationsOf(value: unknown): ReadonlyMap<string, string> {
  const entries = Object.entries(record(value ?? {}, "state.annotations"));
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === "string";
  if (entries.every(isText)) return new Map(entries);
  throw new StateError("state.annotations has a member that is not a text");
}
