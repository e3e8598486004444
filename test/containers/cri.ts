/**
 * containerd's CRI by its gRPC interface, as the kubelet uses it: pods, containers with a Localhost profile, ExecSync. The
 * definition of the interface is Debian's.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { patience, until } from "../support/patience.ts";
import { daemon, profileOf } from "./container-engines.ts";
import {
  type Container,
  environment,
  inNamespace,
  type Outcome,
  Place,
  type Run,
  type Runtime,
  whyNone,
} from "./runtime.ts";

const definition =
  "build/packages/golang-github-kubernetes-cri-api-dev/usr/share/gocode/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto";
const imageName = "localhost/root:1";
const namespace = "shop";

type Message = Readonly<Record<string, unknown>>;

type Answer = (error: ServiceError | null, answer: Message) => void;
type RuntimeService = Client & Record<string, (request: Message, answer: Answer) => void>;

/** The kubelet's side of the interface. */
class Cri {
  readonly #client: RuntimeService;

  constructor(folder: string) {
    // Its options are for Go, and the file that declares them is in another package.
    const text = readFileSync(definition, "utf8").replace(/^import .*gogo.*$/m, "");
    const file = join(folder, "api.proto");
    writeFileSync(file, text);
    const types = loadPackageDefinition(loadSync(file, { keepCase: true, enums: String, defaults: true }));
    const { runtime } = types as unknown as {
      runtime: { v1: { RuntimeService: new (address: string, credentials: unknown) => RuntimeService } };
    };
    this.#client = new runtime.v1.RuntimeService(`unix:${folder}/socket`, credentials.createInsecure());
  }

  /** @throws ServiceError */
  call(method: string, request: Message): Promise<Message> {
    return new Promise((resolve, reject) => {
      this.#client[method]!(request, (error, answer) => (error === null ? resolve(answer) : reject(error)));
    });
  }

  close(): void {
    this.#client.close();
  }
}

const inPod = { network: "NODE", pid: "CONTAINER", ipc: "POD" } as const;

class CriContainer implements Run {
  readonly #cri: Cri;
  readonly #log: string;
  readonly #ended: Promise<Outcome>;
  readonly created: Promise<string>;
  #outcome: Outcome | undefined;

  constructor(cri: Cri, container: Container, sandbox: Promise<string>, pod: Message) {
    this.#cri = cri;
    this.#log = join(container.root, "../log");
    this.created = this.#create(container, sandbox, pod);
    this.#ended = this.#run().then(
      (status) => ({ status, out: this.#written }),
      (error: unknown) => ({ status: null, out: String(error) }),
    );
    void this.#ended.then((outcome) => {
      this.#outcome = outcome;
    });
  }

  async #create(container: Container, sandbox: Promise<string>, pod: Message): Promise<string> {
    const { container_id } = await this.#cri.call("CreateContainer", {
      pod_sandbox_id: await sandbox,
      sandbox_config: pod,
      config: {
        metadata: { name: container.id },
        image: { image: imageName },
        command: container.command,
        envs: environment.map((variable) => ({ key: variable.split("=")[0], value: variable.split("=")[1] })),
        mounts: [
          { host_path: "/usr", container_path: "/usr", readonly: true },
          { host_path: container.shared, container_path: "/shared" },
        ],
        // Relative to the pod's folder of logs.
        log_path: this.#log.slice(1),
        linux: {
          security_context: {
            namespace_options: inPod,
            capabilities: { drop_capabilities: ["ALL"] },
            no_new_privs: true,
            seccomp: { profile_type: "Localhost", localhost_ref: profileOf(container) },
          },
        },
      },
    });
    return container_id as string;
  }

  async #run(): Promise<number> {
    const container_id = await this.created;
    await this.#cri.call("StartContainer", { container_id });
    return until("the container has ended", async () => {
      const { status } = await this.#cri.call("ContainerStatus", { container_id });
      const { state, exit_code } = status as { state: string; exit_code: number };
      return state === "CONTAINER_EXITED" && exit_code;
    });
  }

  /** Each line of the log has a time, a stream, and F if it ends there or P. */
  get #written(): string {
    if (!existsSync(this.#log)) return "";
    const lines = readFileSync(this.#log, "utf8").matchAll(/^\S+ std(?:out|err) ([FP]) (.*)$/gm);
    return Array.from(lines, ([, end, text]) => (end === "F" ? `${text}\n` : text)).join("");
  }

  get out(): string {
    return this.#outcome?.out ?? this.#written;
  }

  get failure(): false {
    if (this.#outcome !== undefined) throw new Error(`it has ended: ${this.out}`);
    return false;
  }

  end(): Promise<Outcome> {
    return this.#ended;
  }
}

export function cri(handler: "crun" | "runc"): Runtime {
  let folder = "";
  let client: Cri;
  const pods = new Map<string, { readonly config: Message; readonly id: Promise<string> }>();
  const runs = new Map<Container, CriContainer>();
  const podOf = ({ pod, id }: Container): string => pod ?? id;
  const idOf = (container: Container): Promise<string> => runs.get(container)!.created;

  /** Starts the pod if this is its first container. */
  const sandbox = (container: Container) => {
    const name = podOf(container);
    const present = pods.get(name);
    if (present !== undefined) return present;
    const config = {
      metadata: { name, namespace, uid: name },
      log_directory: "/",
      linux: { security_context: { namespace_options: inPod } },
    };
    const run = client.call("RunPodSandbox", { config, runtime_handler: handler });
    const made = { config, id: run.then((answer) => answer["pod_sandbox_id"] as string) };
    pods.set(name, made);
    return made;
  };

  return {
    name: `CRI with ${handler}`,
    pods: true,
    missing: () =>
      whyNone("containerd", "ctr", handler) ?? (existsSync(definition) ? undefined : `${definition} is not unpacked`),
    run(container) {
      const { config, id } = sandbox(container);
      const run = new CriContainer(client, container, id, config);
      runs.set(container, run);
      return run;
    },
    async exec(container, cmd) {
      try {
        const answer = await client.call("ExecSync", { container_id: await idOf(container), cmd });
        return { status: answer["exit_code"] as number, out: `${answer["stdout"]}${answer["stderr"]}` };
      } catch (error) {
        return { status: null, out: String(error) };
      }
    },
    kill: async (container) => client.call("StopContainer", { container_id: await idOf(container) }),
    async remove(container) {
      const name = podOf(container);
      const pod_sandbox_id = await pods.get(name)?.id.catch(() => undefined);
      pods.delete(name);
      if (pod_sandbox_id === undefined) return;
      await client.call("StopPodSandbox", { pod_sandbox_id });
      await client.call("RemovePodSandbox", { pod_sandbox_id });
    },
    origin: async (container) => ({
      ...{ namespace, pod: podOf(container), container: container.id },
      containerId: await idOf(container),
    }),
    async start() {
      folder = mkdtempSync(join(tmpdir(), "portcullis-cri-"));
      const configuration = join(folder, "config.toml");
      writeFileSync(configuration, configurationIn(folder));
      const stop = await daemon(folder, ["containerd", "--config", configuration]);
      importImage(folder);
      client = new Cri(folder);
      await until("the image is there", () =>
        client.call("Version", {}).then(
          () => true,
          () => false,
        ),
      );
      return () => {
        client.close();
        return stop();
      };
    },
  };
}

/** A root without CAP_SYS_RESOURCE may not lower the score that the kubelet asks for. */
const configurationIn = (folder: string) => `version = 2
root = "${folder}/root"
state = "${folder}/state"
[grpc]
address = "${folder}/socket"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${imageName}"
restrict_oom_score_adj = true
${["crun", "runc"]
  .map(
    (handler) => `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${handler}]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${handler}.options]
BinaryName = "${handler}"
`,
  )
  .join("")}`;

/** An image for the pods and for their containers: a pod's own process sees no /usr. */
function importImage(folder: string): void {
  const place = new Place();
  const image = join(folder, "image");
  mkdirSync(image);
  const source = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n";
  execFileSync("cc", ["-static", "-Os", "-x", "c", "-", "-o", join(place.root, "pause")], { input: source });
  execFileSync("tar", ["-C", place.root, "-cf", join(image, "layer.tar"), "."]);
  place.remove();
  const layer = createHash("sha256")
    .update(readFileSync(join(image, "layer.tar")))
    .digest("hex");
  const write = (name: string, value: unknown) => writeFileSync(join(image, name), JSON.stringify(value));
  write("config.json", {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Entrypoint: ["/pause"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${layer}`] },
  });
  write("manifest.json", [{ Config: "config.json", RepoTags: [imageName], Layers: ["layer.tar"] }]);
  const archive = join(folder, "image.tar");
  execFileSync("tar", ["-C", image, "-cf", archive, "."]);
  const [program, ...words] = inNamespace([
    ...["ctr", "--address", join(folder, "socket"), "--namespace", "k8s.io", "images", "import", archive],
  ]);
  execFileSync(program!, words, { timeout: patience.command });
}
