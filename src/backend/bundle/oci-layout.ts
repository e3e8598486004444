/**
 * Policies as OCI artifacts in an OCI image layout (image-spec 1.1, image-layout.md and manifest.md), which skopeo, oras
 * and cosign copy and sign. Equal policies give equal bytes. The reader trusts no file of the folder.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { sha256 } from "../../machine/sha256.ts";
import { largestBundle } from "./format.ts";

export const artifactTypes = {
  policy: "application/vnd.portcullis.policy.v1",
  /** What container runtimes apply by themselves (Kubernetes' KEP-6061). */
  profile: "application/vnd.cncf.seccomp-profile.config.v1+json",
} as const;

/** The media types of a policy's layer, by the ending of the policy's file. */
const layerTypes = {
  ts: "application/vnd.portcullis.policy.typescript.v1",
  json: "application/vnd.portcullis.policy.oci-seccomp.v1+json",
  pcl: "application/vnd.portcullis.policy.bundle.v1",
} as const;

export type PolicyEnding = keyof typeof layerTypes;

export interface PolicyArtifact {
  /** 1 to 128 letters, digits, `.`, `_` and `-`, the first a letter or a digit. */
  readonly name: string;
  /** The version of portcullis that wrote it. */
  readonly version: string;
  /** `sha256:` and hexadecimal digits: of the policy with its parameters, or the bundle's own. Not compared here. */
  readonly digest: string;
  /** The parameters that were given a value. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly ending: PolicyEnding;
  /** The policy's file. */
  readonly content: Uint8Array;
}

/** The folder is not a layout, or not one with one policy. */
export class LayoutError extends Error {
  override readonly name = "LayoutError";
}

const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  empty: "application/vnd.oci.empty.v1+json",
} as const;
const annotations = {
  name: "vnd.portcullis.policy.name",
  version: "vnd.portcullis.policy.version",
  digest: "vnd.portcullis.policy.digest",
  parameters: "vnd.portcullis.policy.parameters",
} as const;
/** The tag by which skopeo and oras select one artifact of a layout. */
const tagAnnotation = "org.opencontainers.image.ref.name";
/** The name that oras gives to the layer's file. */
const titleAnnotation = "org.opencontainers.image.title";
const layoutText = '{"imageLayoutVersion":"1.0.0"}';
const emptyBlob = Buffer.from("{}");
/** The most bytes of index.json, and of a manifest. */
const largestDescription = 1 << 20;
const mostManifests = 64;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface LayoutFile {
  /** From the layout's folder. */
  readonly path: string;
  readonly content: Uint8Array;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * The files of a layout; index.json is the last, so that a reader refuses a layout that is not yet whole.
 *
 * @param profile the policy as an OCI seccomp profile, if it has no state
 * @throws LayoutError if the name is not one of a policy
 */
export function encodeLayout(policy: PolicyArtifact, profile?: Uint8Array): LayoutFile[] {
  const { name, version, digest, parameters, ending, content } = policy;
  demand(namePattern.test(name), `a policy's artifact cannot have the name ${JSON.stringify(name)}`);
  const blobs = new Map<string, Uint8Array>();
  const blob = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const hash = sha256(bytes).toString("hex");
    blobs.set(hash, bytes);
    return { mediaType, digest: `sha256:${hash}`, size: bytes.length };
  };
  const manifest = (
    tag: string,
    artifactType: string,
    configType: string,
    layer: object,
    described: Readonly<Record<string, string>>,
  ): object => {
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType,
      config: blob(configType, emptyBlob),
      layers: [layer],
      annotations: described,
    });
    return { ...blob(mediaTypes.manifest, Buffer.from(text)), artifactType, annotations: { [tagAnnotation]: tag } };
  };
  const titled = (mediaType: string, bytes: Uint8Array, title: string): object => ({
    ...blob(mediaType, bytes),
    annotations: { [titleAnnotation]: title },
  });
  const sorted = [...parameters].sort(([a], [b]) => (a < b ? -1 : 1));
  const described = {
    [annotations.name]: name,
    [annotations.version]: version,
    [annotations.digest]: digest,
    [annotations.parameters]: JSON.stringify(Object.fromEntries(sorted)),
  };
  const layer = titled(layerTypes[ending], content, `${name}.${ending}`);
  const manifests = [manifest("policy", artifactTypes.policy, mediaTypes.empty, layer, described)];
  if (profile !== undefined) {
    const only = titled("application/json", profile, "profile.json");
    manifests.push(manifest("seccomp-profile", artifactTypes.profile, artifactTypes.profile, only, described));
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
  return [
    { path: "oci-layout", content: Buffer.from(layoutText) },
    ...[...blobs].map(([hash, bytes]) => ({ path: `blobs/sha256/${hash}`, content: bytes })),
    { path: "index.json", content: Buffer.from(index) },
  ];
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type Members = Readonly<Record<string, unknown>>;

/**
 * The policy of a layout, whose digests and sizes are all as they are written. Follows no symbolic link below the
 * folder.
 *
 * @throws LayoutError
 */
export function readLayout(folder: string): PolicyArtifact {
  const files = new Folder(folder);
  try {
    return readPolicy(files);
  } finally {
    files.close();
  }
}

function readPolicy(files: Folder): PolicyArtifact {
  const layout = parse(files.read("oci-layout", 4096), "oci-layout");
  demand(layout["imageLayoutVersion"] === "1.0.0", "oci-layout: its imageLayoutVersion is not 1.0.0");
  const manifest = parse(readBlob(files, onlyPolicy(files), largestDescription), "the manifest");
  demand(manifest["schemaVersion"] === 2, "the manifest: its schemaVersion is not 2");
  const { mediaType, artifactType } = manifest;
  demand(mediaType === undefined || mediaType === mediaTypes.manifest, "the manifest: its mediaType is of no manifest");
  demand(artifactType === artifactTypes.policy, `the manifest: its artifactType is not ${artifactTypes.policy}`);
  const config = members(manifest["config"], "the manifest's config");
  demand(config["mediaType"] === mediaTypes.empty, `the config: its mediaType is not ${mediaTypes.empty}`);
  demand(emptyBlob.equals(readBlob(files, config, emptyBlob.length)), "the config is not {}");
  const layers = list(manifest["layers"], "the manifest's layers");
  demand(layers.length === 1, `the manifest has ${layers.length} layers, and a policy has one`);
  const layer = members(layers[0], "the layer");
  const endings = Object.keys(layerTypes) as PolicyEnding[];
  const ending = endings.find((one) => layerTypes[one] === layer["mediaType"]);
  if (ending === undefined) throw new LayoutError("the layer: its mediaType is of no policy");
  const described = members(manifest["annotations"], "the manifest's annotations");
  const text = (name: string): string => {
    const value = described[name];
    if (typeof value !== "string") throw new LayoutError(`the manifest has no annotation ${name}`);
    return value;
  };
  const name = text(annotations.name);
  demand(namePattern.test(name), `the annotation ${annotations.name} is no name of a policy`);
  const digest = text(annotations.digest);
  demand(digestPattern.test(digest), `the annotation ${annotations.digest} is not sha256: and 64 digits`);
  const written = parse(Buffer.from(text(annotations.parameters)), `the annotation ${annotations.parameters}`);
  const parameters = new Map<string, string>();
  for (const [parameter, value] of Object.entries(written)) {
    if (typeof value !== "string") throw new LayoutError(`the parameter ${JSON.stringify(parameter)} is not a string`);
    parameters.set(parameter, value);
  }
  const content = readBlob(files, layer, largestBundle);
  return { name, version: text(annotations.version), digest, parameters, ending, content };
}

/** The descriptor of the only manifest, or of the only one that is said to be of a policy. */
function onlyPolicy(files: Folder): Members {
  const index = parse(files.read("index.json", largestDescription), "index.json");
  demand(index["schemaVersion"] === 2, "index.json: its schemaVersion is not 2");
  const manifests = list(index["manifests"], "index.json's manifests");
  demand(manifests.length <= mostManifests, `index.json has more than ${mostManifests} manifests`);
  const all = manifests.map((one) => members(one, "a manifest of index.json"));
  // skopeo copies one artifact, without its type.
  const found = all.length === 1 ? all : all.filter((one) => one["artifactType"] === artifactTypes.policy);
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new LayoutError(`index.json has ${found.length} policies, and must have one`);
  demand(only["mediaType"] === mediaTypes.manifest, "index.json: the mediaType is of no manifest");
  return only;
}

/** The content that a descriptor names. */
function readBlob(files: Folder, { digest, size, urls }: Members, largest: number): Buffer {
  if (typeof digest !== "string" || !digestPattern.test(digest))
    throw new LayoutError("a descriptor: its digest is not sha256: and 64 digits");
  demand(urls === undefined, `${digest}: its content is elsewhere (urls)`);
  if (typeof size !== "number" || !Number.isInteger(size) || size < 0 || size > largest)
    throw new LayoutError(`${digest}: its size is not a number of bytes up to ${largest}`);
  const hash = digest.slice("sha256:".length);
  const content = files.read(`blobs/sha256/${hash}`, size);
  demand(content.length === size, `${digest} has ${content.length} bytes, and its descriptor says ${size}`);
  demand(sha256(content).toString("hex") === hash, `${digest}: the content has another digest`);
  return content;
}

/** Opens files below a folder by fixed names, and no symbolic link. */
class Folder {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = open(path, path, constants.O_DIRECTORY);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  read(path: string, largest: number): Buffer {
    const [first, ...rest] = path.split("/");
    const below = (folder: number, name: string, flags: number) => open(`/proc/self/fd/${folder}/${name}`, path, flags);
    let descriptor = below(this.#descriptor, first!, rest.length === 0 ? 0 : constants.O_DIRECTORY);
    for (const [index, name] of rest.entries()) {
      const outer = descriptor;
      try {
        descriptor = below(outer, name, index < rest.length - 1 ? constants.O_DIRECTORY : 0);
      } finally {
        closeSync(outer);
      }
    }
    try {
      return readRegular(descriptor, path, largest);
    } finally {
      closeSync(descriptor);
    }
  }
}

function open(file: string, shown: string, flags: number): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | flags);
  } catch (error) {
    throw new LayoutError(`${shown} cannot be opened (${(error as NodeJS.ErrnoException).code ?? error})`);
  }
}

function readRegular(descriptor: number, shown: string, largest: number): Buffer {
  const stat = fstatSync(descriptor);
  demand(stat.isFile(), `${shown} is not a regular file`);
  demand(stat.size <= largest, `${shown} has ${stat.size} bytes, and may have ${largest}`);
  const content = Buffer.alloc(stat.size);
  let length = 0;
  while (length < content.length) {
    const read = readSync(descriptor, content, length, content.length - length, null);
    if (read === 0) break;
    length += read;
  }
  return content.subarray(0, length);
}

function parse(bytes: Uint8Array, shown: string): Members {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new LayoutError(`${shown} is not JSON`);
  }
  return members(value, shown);
}

function members(value: unknown, shown: string): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new LayoutError(`${shown}: not an object`);
  return value as Members;
}

function list(value: unknown, shown: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new LayoutError(`${shown}: not a list`);
  return value;
}

function demand(condition: boolean, message: string): void {
  if (!condition) throw new LayoutError(message);
}
