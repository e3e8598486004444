/** deploy/kubernetes: manifests against Kubernetes' schemas, names that must agree, rules of admission, and the image. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { Environment } from "@marcbachmann/cel-js";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { parseAllDocuments } from "yaml";
import { pack } from "../package/installed.ts";
import { imagesIn, skipWithoutImages } from "../support/image.ts";
import { until } from "../support/patience.ts";
import { haveSchemas, type Manifest, Schemas } from "./schemas.ts";

const folder = "deploy/kubernetes";

function documents(text: string): readonly Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() as Manifest;
  });
}

const read = (file: string): string => readFileSync(join(folder, file), "utf8");

const written = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".yaml") && file !== "kustomization.yaml")
  .flatMap((file) => documents(read(file)).map((manifest) => ({ file, manifest })));

function the<T>(kind: string, among: readonly Manifest[] = written.map(({ manifest }) => manifest)): T {
  const found = among.filter((one) => one.kind === kind);
  if (found.length !== 1) throw new Error(`there are ${found.length} manifests of a ${kind}`);
  return found[0] as T;
}

function temporaryFolder(): string {
  const made = mkdtempSync(join(tmpdir(), "portcullis-deploy-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function kustomized({ skip }: TestContext): readonly Manifest[] {
  const { status, stdout, stderr, error } = spawnSync("kustomize", ["build", folder], { encoding: "utf8" });
  if (error !== undefined) skip("kustomize is not installed");
  if (status !== 0) throw new Error(stderr);
  return documents(stdout);
}

function schemas({ skip }: TestContext): Schemas {
  if (!haveSchemas()) skip("golang-k8s-client-go-dev is not unpacked to build/packages");
  return new Schemas();
}

describe("the manifests", () => {
  it("are of Kubernetes' schemas, as they are written", (context) => {
    const known = schemas(context);
    const faults = written.flatMap(({ file, manifest }) => known.faults(manifest).map((fault) => `${file}: ${fault}`));
    expect(written.length).toBeGreaterThan(5);
    expect(faults).toEqual([]);
  });

  it("are of Kubernetes' schemas, as kustomize builds them", (context) => {
    const known = schemas(context);
    const built = kustomized(context);
    expect(built.map(({ kind }) => kind).sort()).toEqual([
      ...["ConfigMap", "DaemonSet", "Namespace", "Service"],
      ...["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
    ]);
    expect(built.flatMap((one) => known.faults(one))).toEqual([]);
  });

  it("with a fault are refused", (context) => {
    const known = schemas(context);
    for (const [fault, message] of [
      [{ metadata: { nam: "x" } }, "Pod.metadata.nam is unknown"],
      [{ spec: { containers: [{ image: "x" }] } }, "Pod.spec.containers[0].name is missing"],
      [{ spec: { hostPID: "true", containers: [] } }, 'Pod.spec.hostPID is "true"'],
      [{ spec: { containers: {} } }, "Pod.spec.containers has members"],
      [{ spec: { containers: [], volumes: [[]] } }, "Pod.spec.volumes[0] is a list"],
      [{ apiVersion: "v2" }, "io.k8s.api.core.v2.Pod: there is no such kind"],
    ] as const) {
      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "x" }, ...fault };
      expect(known.faults(pod as Manifest)).toContain(message);
    }
  });
});

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface DaemonSet extends Manifest {
  readonly spec: {
    readonly selector: { readonly matchLabels: object };
    readonly template: {
      readonly metadata: { readonly labels: object };
      readonly spec: {
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
        readonly volumes: readonly {
          readonly name: string;
          readonly hostPath?: { readonly path: string };
          readonly configMap?: { readonly name: string };
        }[];
      };
    };
  };
}

describe("the agent's pods", () => {
  const { spec } = the<DaemonSet>("DaemonSet");
  const { initContainers, containers, volumes } = spec.template.spec;
  const [profiles] = initContainers;
  const [agent] = containers;

  it("mount what they name, by volumes that exist", () => {
    for (const { volumeMounts } of [...initContainers, ...containers])
      for (const { name } of volumeMounts) expect(volumes.map((volume) => volume.name)).toContain(name);
    const at = ({ volumeMounts }: Container, volume: string) =>
      volumeMounts.find(({ name }) => name === volume)?.mountPath;
    expect(profiles!.command).toEqual(["export-profiles", at(profiles!, "policies"), at(profiles!, "profiles")]);
    expect(agent!.args).toEqual([
      ...["agent", "--policies", at(agent!, "policies")],
      ...["--metrics", `0.0.0.0:${agent!.ports![0]!.containerPort}`, "--metrics-from-others"],
    ]);
    const hostPath = (volume: string) => volumes.find(({ name }) => name === volume)?.hostPath?.path;
    expect(hostPath("sockets")).toBe(at(agent!, "sockets"));
    const { spec: pod } = the<Manifest & { readonly spec: PodSpec }>("Pod");
    const profile = join("/var/lib/kubelet/seccomp", pod.securityContext!.seccompProfile!.localhostProfile!);
    expect(profile).toBe(join(hostPath("profiles")!, "serving.json"));
  });

  it("have the labels by which the DaemonSet and the Service select them", () => {
    const { labels } = spec.template.metadata;
    expect(spec.selector.matchLabels).toEqual(labels);
    const service = the<{ readonly spec: { readonly selector: object; readonly ports: readonly object[] } }>("Service");
    expect(service.spec.selector).toEqual(labels);
    expect(service.spec.ports).toMatchObject([{ name: "metrics", port: 9464, targetPort: agent!.ports![0]!.name }]);
  });

  it("have all policies of the folder in their ConfigMap, and one image", (context) => {
    const built = kustomized(context);
    const { data, metadata } = the<Manifest & { readonly data: object }>("ConfigMap", built);
    const policies = readdirSync(join(folder, "policies")).filter((file) => file.endsWith(".ts"));
    expect(data).toEqual(Object.fromEntries(policies.map((file) => [file, read(join("policies", file))])));
    const { spec: pods } = the<DaemonSet>("DaemonSet", built).spec.template;
    expect(pods.volumes.find(({ name }) => name === "policies")?.configMap?.name).toBe(metadata.name);
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { readonly version: string };
    for (const { image } of [...pods.initContainers, ...pods.containers])
      expect(image).toBe(`registry.example/portcullis:${version}`);
  });
});

// ── Admission ───────────────────────────────────────────────────────────────────────────────────────────────────────

interface Confined {
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly seccompProfile?: { readonly type: string; readonly localhostProfile?: string };
  };
}

interface PodSpec extends Confined {
  readonly containers: readonly Confined[];
  readonly initContainers?: readonly Confined[];
  readonly ephemeralContainers?: readonly Confined[];
}

/** The messages of the expressions that are false for a pod. */
function refusals(spec: PodSpec): readonly string[] {
  const policy = the<{
    readonly spec: {
      readonly variables: readonly { readonly name: string; readonly expression: string }[];
      readonly validations: readonly { readonly expression: string; readonly message: string }[];
    };
  }>("ValidatingAdmissionPolicy");
  const cel = new Environment({ enableOptionalTypes: true, unlistedVariablesAreDyn: true });
  const object = { spec };
  const variables: Record<string, unknown> = {};
  for (const { name, expression } of policy.spec.variables)
    variables[name] = cel.evaluate(expression, { object, variables });
  return policy.spec.validations
    .filter(({ expression }) => cel.evaluate(expression, { object, variables }) !== true)
    .map(({ message }) => message.split(":")[0]!);
}

const localhost = (localhostProfile: string): Confined => ({
  securityContext: { seccompProfile: { type: "Localhost", localhostProfile } },
});
const ours = localhost("portcullis/serving.json");
const runtimeDefault: Confined = { securityContext: { seccompProfile: { type: "RuntimeDefault" } } };
const lacking = {
  container: "a container has no profile of portcullis",
  init: "an init container has no profile of portcullis",
  ephemeral: "an ephemeral container has no profile of portcullis",
  privileged: "a privileged container has no seccomp profile",
};

describe("admission", () => {
  it.each<readonly [string, PodSpec, readonly string[]]>([
    ["the pod's profile", { ...ours, containers: [{}, {}], initContainers: [{}] }, []],
    ["each container's profile", { containers: [ours, ours], initContainers: [ours] }, []],
    ["a container's other profile of portcullis", { ...ours, containers: [localhost("portcullis/a.b-c.json")] }, []],
    ["no profile", { containers: [{}] }, [lacking.container]],
    ["another profile of the pod", { ...runtimeDefault, containers: [{}] }, [lacking.container]],
    ["a container that replaces the pod's", { ...ours, containers: [{}, runtimeDefault] }, [lacking.container]],
    ["an init container without", { containers: [ours], initContainers: [{}] }, [lacking.init]],
    ["a debugging container without", { containers: [ours], ephemeralContainers: [{}] }, [lacking.ephemeral]],
    ["a profile of others", { ...localhost("other/serving.json"), containers: [{}] }, [lacking.container]],
    ["a profile that leads elsewhere", { ...localhost("portcullis/../x.json"), containers: [{}] }, [lacking.container]],
    ["a longer path", { ...localhost("x/portcullis/serving.json"), containers: [{}] }, [lacking.container]],
    [
      "a privileged container",
      { ...ours, containers: [{ securityContext: { privileged: true } }] },
      [lacking.privileged],
    ],
    [
      "a privileged init container",
      { ...ours, containers: [{}], initContainers: [{ securityContext: { privileged: true } }] },
      [lacking.privileged],
    ],
  ])("of %s", (_, spec, expected) => {
    expect(refusals(spec)).toEqual(expected);
  });

  it("permits the example, in the namespace that demands it", () => {
    const { spec } = the<{ readonly spec: PodSpec }>("Pod");
    expect(refusals(spec)).toEqual([]);
    const binding = the<{
      readonly spec: {
        readonly policyName: string;
        readonly matchResources: { readonly namespaceSelector: { readonly matchLabels: object } };
      };
    }>("ValidatingAdmissionPolicyBinding");
    expect(binding.spec.policyName).toBe(the<Manifest>("ValidatingAdmissionPolicy").metadata.name);
    const example = written.filter(({ file }) => file.startsWith("example/")).map(({ manifest }) => manifest);
    const { metadata } = the<{ readonly metadata: { readonly labels: object } }>("Namespace", example);
    expect(metadata.labels).toMatchObject(binding.spec.matchResources.namespaceSelector.matchLabels);
  });
});

// ── The image ───────────────────────────────────────────────────────────────────────────────────────────────────────

it("each policy compiles and passes its cases", () => {
  const ran = spawnSync("bin/portcullis", ["test", join(folder, "policies")], { encoding: "utf8" });
  expect(ran.stdout).toMatch(/serving\.cases: \d+ cases pass/);
  expect(ran.status).toBe(0);
});

/** The kubelet's files of a ConfigMap: links to a folder that one link names, which it replaces. */
function writeConfigMap(mount: string, version: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(mount, version), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(mount, version, name), text);
    if (!existsSync(join(mount, name))) symlinkSync(join("..data", name), join(mount, name));
  }
  symlinkSync(version, join(mount, "..data_tmp"));
  renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
}

it("export-profiles writes the profiles, and writes them again when the ConfigMap changes", async () => {
  const made = temporaryFolder();
  const [mount, profiles, programs] = ["policies", "profiles", "bin"].map((name) => join(made, name));
  for (const each of [mount!, profiles!, programs!]) mkdirSync(each);
  // Copies the policy, and fails for one of these.
  const fake = `#!/bin/sh
[ "$1 $2 $3 $5" = "export oci -p -o" ] || exit 9
! grep -q broken "$4" && cp "$4" "$6"
`;
  writeFileSync(join(programs!, "portcullis"), fake);
  chmodSync(join(programs!, "portcullis"), 0o755);
  writeConfigMap(mount!, "..1", { "a.ts": "one", "b.json": "broken" });
  const env = { ...process.env, PATH: `${programs}:${process.env["PATH"]}` };
  const running = spawn(resolve(folder, "export-profiles.sh"), [mount!, profiles!], { env, stdio: "ignore" });
  onTestFinished(() => void running.kill("SIGKILL"));
  const profile = (name: string) => {
    const file = join(profiles!, name);
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  };
  await until("the profile is written", () => profile("a.json") === "one");
  writeConfigMap(mount!, "..2", { "a.ts": "two", "b.json": "whole" });
  await until("the profiles are written again", () => profile("a.json") === "two" && profile("b.json") === "whole");
});

it("the Dockerfile builds an image that has portcullis and its policies", (context) => {
  skipWithoutImages(context);
  const made = temporaryFolder();
  const input = join(made, "context");
  mkdirSync(input);
  const archive = pack();
  copyFileSync(archive, join(input, basename(archive)));
  for (const name of ["Dockerfile", "export-profiles.sh"]) copyFileSync(join(folder, name), join(input, name));
  const { buildah, done, build } = imagesIn(made);
  const container = build(input, "localhost/portcullis");
  const { OCIv1 } = JSON.parse(done("inspect", container)) as { readonly OCIv1: { readonly config: object } };
  expect(OCIv1.config).toMatchObject({ Entrypoint: ["portcullis"], Cmd: ["agent"] });
  const ran = buildah("run", container, "--", "sh", "-c", "portcullis check exec-once; command -v export-profiles");
  expect(ran.stdout, ran.stderr).toMatch(/^exec-once: compiles.*\n\/usr\/local\/bin\/export-profiles\n$/);
});

/** Blocks of `bash` need a cluster or a registry. */
const shown = [
  ...readFileSync("docs/containers.md", "utf8").matchAll(/^## Kubernetes\n([\s\S]*?)(?=^## |(?![\s\S]))/gm),
]
  .flatMap(([, section]) => [...section!.matchAll(/```console\n([\s\S]*?)```/g)])
  .flatMap(([, block]) => block!.split(/^\$ /m).slice(1));

describe("docs/containers.md", () => {
  it.for(shown)("shows $ %s", (part, context) => {
    const [command = "", ...output] = part.split("\n");
    if (command.startsWith("kustomize")) kustomized(context);
    const ran = spawnSync("sh", ["-c", command], { encoding: "utf8" });
    expect({ status: ran.status, output: ran.stdout }).toEqual({ status: 0, output: output.join("\n") });
  });

  it("shows commands, and the files of the example as they are", () => {
    expect(shown.length).toBeGreaterThan(1);
    const text = readFileSync("docs/containers.md", "utf8");
    const { spec } = the<{ readonly spec: PodSpec }>("Pod");
    const [block] = [...text.matchAll(/```yaml\n(securityContext:[\s\S]*?)```/g)].map(([, yaml]) => yaml!);
    expect(parseAllDocuments(block!)[0]!.toJS()).toEqual({ securityContext: spec.securityContext });
  });
});
