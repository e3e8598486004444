/**
 * Names a policy to the agent that receives a container's listener: as `listenerMetadata` of an OCI profile, or as
 * annotations of the container, which reach the agent in the container's state.
 */

export interface PolicyName {
  /** The name of a ready policy, or of a file in the agent's folder, without its extension. */
  readonly policy: string;
  /** See digest.ts. */
  readonly digest: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The default of `listenerPath`: the agent's socket for container runtimes. */
export const agentSocket = "/run/portcullis/agent.sock";

const annotations = { policy: "portcullis.policy", digest: "portcullis.digest" } as const;
const parameterPrefix = "portcullis.parameter.";

export function toMetadata({ policy, digest, parameters }: PolicyName): string {
  return JSON.stringify({ portcullis: 1, policy, digest, parameters });
}

/** @throws Error that says what is wrong */
export function fromMetadata(text: string): PolicyName {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error("the listener's metadata is not JSON");
  }
  if (typeof read !== "object" || read === null || Array.isArray(read)) {
    throw new Error("the listener's metadata is not an object");
  }
  const { portcullis, policy, digest, parameters, ...others } = read as Record<string, unknown>;
  if (portcullis !== 1) throw new Error("the listener's metadata is not of this version (portcullis: 1)");
  const [other] = Object.keys(others);
  if (other !== undefined) throw new Error(`the listener's metadata has an unknown member ${JSON.stringify(other)}`);
  return checked(policy, digest, parameters);
}

/** An annotation for each parameter, because podman separates values by commas. */
export function toAnnotations({ policy, digest, parameters }: PolicyName): Readonly<Record<string, string>> {
  const set = Object.entries(parameters).map(([name, value]) => [`${parameterPrefix}${name}`, value] as const);
  return { [annotations.policy]: policy, [annotations.digest]: digest, ...Object.fromEntries(set) };
}

/** Undefined if the annotations name no policy. @throws Error that says what is wrong */
export function fromAnnotations(all: Readonly<Record<string, string>>): PolicyName | undefined {
  const own = Object.entries(all).filter(([key]) => key.startsWith("portcullis."));
  if (own.length === 0) return undefined;
  const known: readonly string[] = Object.values(annotations);
  const other = own.find(([key]) => !known.includes(key) && !key.startsWith(parameterPrefix));
  if (other !== undefined) throw new Error(`the annotation ${other[0]} is unknown`);
  const parameters = own.flatMap(([key, value]) =>
    key.startsWith(parameterPrefix) ? [[key.slice(parameterPrefix.length), value]] : [],
  );
  return checked(all[annotations.policy], all[annotations.digest], Object.fromEntries(parameters));
}

function checked(policy: unknown, digest: unknown, parameters: unknown): PolicyName {
  if (typeof policy !== "string" || policy === "") throw new Error("no policy is named");
  if (typeof digest !== "string" || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new Error(`the digest of the policy ${JSON.stringify(policy)} is missing or malformed`);
  }
  if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters)) {
    throw new Error(`the parameters of the policy ${JSON.stringify(policy)} are not an object`);
  }
  const set = Object.entries(parameters).map(([name, value]: [string, unknown]) => {
    if (typeof value !== "string") throw new Error(`the parameter ${JSON.stringify(name)} is not a text`);
    return [name, value] as const;
  });
  return { policy, digest, parameters: Object.fromEntries(set) };
}
