/** Layouts are read as they were written; what is malformed, changed or elsewhere is refused. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { property } from "../../ir/testing/property.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { sha256 } from "../../machine/sha256.ts";
import { artifactTypes, encodeLayout, LayoutError, type PolicyArtifact, readLayout } from "./oci-layout.ts";

const top = mkdtempSync(join(tmpdir(), "portcullis-layout-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let made = 0;

const policy: PolicyArtifact = {
  name: "children",
  version: "0.1.0",
  digest: `sha256:${"ab".repeat(32)}`,
  parameters: new Map([
    ["most", "8"],
    ["least", "1"],
  ]),
  ending: "ts",
  content: Buffer.from('export default policy(() => "…");\n'),
};

function written(artifact: PolicyArtifact = policy, profile?: Uint8Array): string {
  const folder = join(top, `${made++}`);
  for (const { path, content } of encodeLayout(artifact, profile)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  artifactType?: string;
  urls?: string[];
}

const blobOf = (folder: string, { digest }: Descriptor): string => join(folder, "blobs/sha256", digest.slice(7));

function addBlob(folder: string, bytes: Uint8Array): Pick<Descriptor, "digest" | "size"> {
  const hash = sha256(bytes).toString("hex");
  writeFileSync(join(folder, "blobs/sha256", hash), bytes);
  return { digest: `sha256:${hash}`, size: bytes.length };
}

interface Index {
  schemaVersion: number;
  manifests: Descriptor[];
}

interface Manifest {
  schemaVersion: number;
  mediaType: string;
  artifactType: string;
  config: Descriptor;
  layers: Descriptor[];
  annotations: Record<string, string>;
}

function changeIndex(folder: string, change: (index: Index) => void): void {
  const file = join(folder, "index.json");
  const index = JSON.parse(readFileSync(file, "utf8")) as Index;
  change(index);
  writeFileSync(file, JSON.stringify(index));
}

/** Changes the manifest and seals it with its digest, as a malicious writer does. */
function changeManifest(folder: string, change: (manifest: Manifest) => void): void {
  changeIndex(folder, ({ manifests }) => {
    const manifest = JSON.parse(readFileSync(blobOf(folder, manifests[0]!), "utf8")) as Manifest;
    change(manifest);
    Object.assign(manifests[0]!, addBlob(folder, Buffer.from(JSON.stringify(manifest))));
  });
}

function theOnlyLayer(folder: string): string {
  const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as Index;
  const { layers } = JSON.parse(readFileSync(blobOf(folder, index.manifests[0]!), "utf8")) as Manifest;
  return blobOf(folder, layers[0]!);
}

describe("a layout", () => {
  it.each(["ts", "json", "pcl"] as const)("of a policy with the ending %s is read as it was written", (ending) => {
    expect(readLayout(written({ ...policy, ending }))).toEqual({ ...policy, ending });
  });

  it("is read beside the policy's profile for container runtimes", () => {
    const folder = written(policy, Buffer.from('{"defaultAction":"SCMP_ACT_ALLOW"}'));
    expect(readLayout(folder)).toEqual(policy);
    const { manifests } = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as Index;
    const profile = JSON.parse(readFileSync(blobOf(folder, manifests[1]!), "utf8")) as Manifest;
    expect(profile).toMatchObject({
      artifactType: artifactTypes.profile,
      config: { mediaType: artifactTypes.profile, size: 2 },
      layers: [{ mediaType: "application/json" }],
    });
    expect(readFileSync(blobOf(folder, profile.layers[0]!), "utf8")).toBe('{"defaultAction":"SCMP_ACT_ALLOW"}');
  });

  it("has the same bytes for parameters in another order", () => {
    const other = { ...policy, parameters: new Map([...policy.parameters].reverse()) };
    expect(encodeLayout(other)).toEqual(encodeLayout(policy));
  });

  it.each(["", ".hidden", "a/b", "..", "a b", "a".repeat(129)])("of the name %j is not written", (name) => {
    expect(() => encodeLayout({ ...policy, name })).toThrow(LayoutError);
  });

  const text = fc.string({ unit: "binary", maxLength: 40 });
  property([fc.dictionary(text, text), fc.uint8Array({ maxLength: 4096 })])(
    "of any parameters and content is read as it was written",
    (parameters, content) => {
      const artifact = { ...policy, parameters: new Map(Object.entries(parameters)), content: Buffer.from(content) };
      expect(readLayout(written(artifact))).toEqual(artifact);
    },
  );
});

type Change = (folder: string) => void;

const malformed: readonly (readonly [string, Change, string])[] = [
  ["is no folder", (folder) => rmSync(folder, { recursive: true }), "cannot be opened (ENOENT)"],
  ["has no oci-layout", (folder) => rmSync(join(folder, "oci-layout")), "oci-layout cannot be opened (ENOENT)"],
  [
    "has another version",
    (folder) => writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}'),
    "imageLayoutVersion is not 1.0.0",
  ],
  ["is not JSON", (folder) => writeFileSync(join(folder, "index.json"), "{"), "index.json is not JSON"],
  [
    "is not UTF-8",
    (folder) => writeFileSync(join(folder, "index.json"), Buffer.of(0x22, 0xff, 0x22)),
    "index.json is not JSON",
  ],
  ["is a list", (folder) => writeFileSync(join(folder, "index.json"), "[]"), "index.json: not an object"],
  [
    "has a huge index",
    (folder) => truncateSync(join(folder, "index.json"), 2 ** 40),
    "index.json has 1099511627776 bytes, and may have 1048576",
  ],
  [
    "has no manifest",
    (folder) =>
      changeIndex(folder, (index) => {
        index.manifests = [];
      }),
    "index.json has 0 policies",
  ],
  [
    "has two policies",
    (folder) => changeIndex(folder, ({ manifests }) => manifests.push(manifests[0]!)),
    "index.json has 2 policies",
  ],
  [
    "has many manifests",
    (folder) => changeIndex(folder, ({ manifests }) => manifests.push(...Array(64).fill({ mediaType: "x" }))),
    "more than 64 manifests",
  ],
  [
    "has an index in its index",
    (folder) =>
      changeIndex(folder, ({ manifests }) => {
        manifests[0]!.mediaType = "application/vnd.oci.image.index.v1+json";
      }),
    "the mediaType is of no manifest",
  ],
  [
    "leads outside of its folder by a digest",
    (folder) =>
      changeIndex(folder, ({ manifests }) => {
        manifests[0]!.digest = "sha256:../../../etc/passwd";
      }),
    "its digest is not sha256: and 64 digits",
  ],
  [
    "has a digest of another algorithm",
    (folder) =>
      changeIndex(folder, ({ manifests }) => {
        manifests[0]!.digest = `sha512:${"0".repeat(128)}`;
      }),
    "its digest is not sha256: and 64 digits",
  ],
  ...[-1, 0.5, 2 ** 40, null].map((size): (typeof malformed)[number] => [
    `has a blob of ${size} bytes`,
    (folder) => changeManifest(folder, ({ layers }) => Object.assign(layers[0]!, { size })),
    "its size is not a number of bytes up to 16777216",
  ]),
  [
    "has a longer blob than it says",
    (folder) => writeFileSync(theOnlyLayer(folder), "more", { flag: "a" }),
    "may have 36",
  ],
  [
    "has a shorter blob than it says",
    (folder) => truncateSync(theOnlyLayer(folder), 3),
    "has 3 bytes, and its descriptor says 36",
  ],
  [
    "has another content than its digest",
    (folder) => writeFileSync(theOnlyLayer(folder), Buffer.alloc(36)),
    "the content has another digest",
  ],
  ["lacks a blob", (folder) => rmSync(theOnlyLayer(folder)), "cannot be opened (ENOENT)"],
  [
    "has a symbolic link as a blob",
    (folder) => {
      const file = theOnlyLayer(folder);
      renameSync(file, join(folder, "elsewhere"));
      symlinkSync("../../elsewhere", file);
    },
    "cannot be opened (ELOOP)",
  ],
  [
    "has a symbolic link as its folder of blobs",
    (folder) => {
      renameSync(join(folder, "blobs"), join(folder, "elsewhere"));
      symlinkSync("elsewhere", join(folder, "blobs"));
    },
    "cannot be opened (ENOTDIR)",
  ],
  [
    "is a symbolic link",
    (folder) => {
      renameSync(folder, `${folder}-elsewhere`);
      symlinkSync(`${folder}-elsewhere`, folder);
    },
    "cannot be opened (ENOTDIR)",
  ],
  [
    "has a folder as its index",
    (folder) => {
      rmSync(join(folder, "index.json"));
      mkdirSync(join(folder, "index.json"));
    },
    "index.json is not a regular file",
  ],
  [
    "has no layer",
    (folder) =>
      changeManifest(folder, (manifest) => {
        manifest.layers = [];
      }),
    "the manifest has 0 layers",
  ],
  [
    "has two layers",
    (folder) => changeManifest(folder, ({ layers }) => layers.push(layers[0]!)),
    "the manifest has 2 layers",
  ],
  [
    "has a layer of an image",
    (folder) =>
      changeManifest(folder, ({ layers }) => {
        layers[0]!.mediaType = "application/vnd.oci.image.layer.v1.tar";
      }),
    "the layer: its mediaType is of no policy",
  ],
  [
    "has a layer elsewhere",
    (folder) =>
      changeManifest(folder, ({ layers }) => {
        layers[0]!.urls = ["https://example.org/"];
      }),
    "its content is elsewhere",
  ],
  [
    "is of another artifact",
    (folder) =>
      changeManifest(folder, (manifest) => {
        manifest.artifactType = artifactTypes.profile;
      }),
    "its artifactType is not application/vnd.portcullis.policy.v1",
  ],
  [
    "has a configuration",
    (folder) => changeManifest(folder, ({ config }) => Object.assign(config, addBlob(folder, Buffer.from("[]")))),
    "the config is not {}",
  ],
  [
    "has the configuration of an image",
    (folder) =>
      changeManifest(folder, ({ config }) => {
        config.mediaType = "application/vnd.oci.image.config.v1+json";
      }),
    "the config: its mediaType is not",
  ],
  ...["name", "version", "digest", "parameters"].map((name): (typeof malformed)[number] => [
    `has no ${name}`,
    (folder) =>
      changeManifest(folder, ({ annotations }) => {
        delete annotations[`vnd.portcullis.policy.${name}`];
      }),
    `the manifest has no annotation vnd.portcullis.policy.${name}`,
  ]),
  [
    "has a name that is a path",
    (folder) =>
      changeManifest(folder, ({ annotations }) => {
        annotations["vnd.portcullis.policy.name"] = "../nginx";
      }),
    "is no name of a policy",
  ],
  [
    "has no digest of a policy",
    (folder) =>
      changeManifest(folder, ({ annotations }) => {
        annotations["vnd.portcullis.policy.digest"] = "sha256:0";
      }),
    "is not sha256: and 64 digits",
  ],
  [
    "has a number as a parameter",
    (folder) =>
      changeManifest(folder, ({ annotations }) => {
        annotations["vnd.portcullis.policy.parameters"] = '{"most":8}';
      }),
    'the parameter "most" is not a string',
  ],
];

describe("a layout that", () => {
  it.each(malformed)("%s is refused", (_, change, message) => {
    const folder = written();
    change(folder);
    expect(() => readLayout(folder)).toThrow(LayoutError);
    expect(() => readLayout(folder)).toThrow(message);
  });
});

/** The files below a folder, whose names have its length. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

describe("a layout in which bytes were changed", () => {
  const original = written();

  property(
    [
      fc.nat(),
      fc.nat(),
      fc.oneof(
        fc.record({ kind: fc.constant("change" as const), by: fc.integer({ min: 1, max: 255 }) }),
        fc.record({ kind: fc.constantFrom("cut" as const, "remove" as const) }),
        fc.record({ kind: fc.constant("add" as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }) }),
      ),
    ],
    { numRuns: casesOf(200) },
  )("is read as the policy that was written, or refused", (choice, place, change) => {
    const folder = join(top, "changed");
    rmSync(folder, { recursive: true, force: true });
    cpSync(original, folder, { recursive: true });
    const files = filesOf(folder);
    const file = files[choice % files.length]!;
    const bytes = readFileSync(file);
    const at = place % bytes.length;
    if (change.kind === "change") bytes[at]! ^= change.by;
    if (change.kind === "remove") rmSync(file);
    else if (change.kind === "cut") truncateSync(file, at);
    else writeFileSync(file, change.kind === "add" ? Buffer.concat([bytes, change.bytes]) : bytes);
    let read: PolicyArtifact;
    try {
      read = readLayout(folder);
    } catch (error) {
      expect(error).toBeInstanceOf(LayoutError);
      return;
    }
    // A changed tag or space of index.json changes nothing.
    expect(read).toEqual(policy);
    expect(file).toMatch(/\/(?:index\.json|oci-layout)$/);
  });
});
