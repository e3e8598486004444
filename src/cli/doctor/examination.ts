/** The findings of `doctor`: the machine, then each working engine's examination of itself, then the recorders. */
import { existsSync } from "node:fs";
import { release } from "node:os";
import { hostArchitecture } from "../../abi/architecture.ts";
import { fileRights, kernelOfAbi, portRights, scopeRights } from "../../abi/landlock.ts";
import { examineDenials } from "../../engines/command/denials.ts";
import { descriptions } from "../../engines/descriptions.ts";
import type { Finding } from "../../engines/engine/finding.ts";
import { networkObstacle } from "../../engines/hosts/proxy.ts";
import { mountTrial } from "../../engines/launcher/mount-trial.ts";
import { engines } from "../../engines/registry.ts";
import { landlockAbi } from "../../machine/landlock-abi.ts";
import { NativeUnavailableError, native, nativeFile } from "../../machine/native.ts";
import { packageFile } from "../../machine/package.ts";
import type { Context } from "../context.ts";
import { agentFindings } from "./agent-findings.ts";
import { bpfFindings } from "./bpf-findings.ts";
import { recorderFindings } from "./recorder-findings.ts";
import { trialsOf } from "./trial.ts";

export function* examine(context: Context): Generator<Finding> {
  const architecture = hostArchitecture();
  if (process.platform !== "linux" || architecture === undefined) {
    yield {
      state: "broken",
      what: `policies cannot be enforced on ${process.platform} ${process.arch}`,
      help: "simulate, test, check and explain work here",
    };
    return;
  }
  yield { state: "fine", what: `Linux ${release()}, ${architecture}` };
  const fault = faultOfInstallation();
  if (fault !== undefined) yield fault;
  else {
    yield* bpfFindings();
    yield* landlockFindings();
    yield* namespaceFindings();
    yield* engineFindings(context);
    yield* agentFindings(context);
    yield* recorderFindings();
  }
  yield { state: "fine", what: "simulate and test work everywhere" };
}

/** Why no engine can work: portcullis is not built, or its native part is missing or cannot be loaded. */
function faultOfInstallation(): Finding | undefined {
  if (!existsSync(packageFile("dist/cli.cjs"))) {
    return { state: "broken", what: "portcullis is not built", help: "make build" };
  }
  try {
    nativeFile("launcher");
    native();
    return undefined;
  } catch (error) {
    if (!(error instanceof NativeUnavailableError)) throw error;
    return { state: "broken", what: error.message, help: error.help };
  }
}

/**
 * Whether files of proc file systems can be made read-only (native/launcher/grants.c), and whether a tied tree (--timeout,
 * …) can be prevented from signalling portcullis (native/launcher/shield.c).
 */
function* landlockFindings(): Generator<Finding> {
  const [withMoves, withScopes] = [fileRights.refer.abi, scopeRights.signal.abi];
  const version = landlockAbi();
  yield* objectFindings(version);
  if (version >= withMoves) {
    yield { state: "fine", what: "read-only-proc: no process writes to the memory of another (Landlock)" };
  } else {
    yield {
      state: "missing",
      what: "policies with read-only-proc (exec-once, nginx, server, build-step and others) start no command",
      help: "Landlock, since Linux 5.19, is missing or off; `--set read-only-proc=false` or --best-effort does without it",
    };
  }
  if (version >= withScopes) {
    yield {
      state: "fine",
      what: "--separate, --timeout, --kill-tree, --die-with-parent: no signal leaves the tree (Landlock)",
    };
  } else {
    yield {
      state: "note",
      what: "--timeout, --kill-tree, --die-with-parent: a command of the same user can evade them; --separate fails",
      help: "Landlock, which keeps signals in the tree since Linux 6.12, is missing or off (docs/security.md)",
    };
  }
}

/** Whether this user's trees can have namespaces. */
function* namespaceFindings(): Generator<Finding> {
  const network = networkObstacle();
  const mounts = mountTrial();
  const lacksMounts = "obstacle" in mounts;
  const fine = [
    ...(network === undefined ? ["hosts, --hosts"] : []),
    ...(lacksMounts ? [] : ["files.protect, files.private"]),
  ];
  if (fine.length > 0) yield { state: "fine", what: `${fine.join(", ")}: the tree gets namespaces of its own` };
  if (!lacksMounts)
    yield mounts.kernelCounts
      ? { state: "fine", what: "limits.processes of a tree with mounts: the kernel counts" }
      : {
          state: "note",
          what: "limits.processes: the policy's step counts, and each fork is supervised",
          help: "the kernel counts for ordinary users, since Linux 5.14 (docs/language.md)",
        };
  const lacks = [
    ...(network === undefined
      ? []
      : [
          `hosts, --hosts: the tree gets no network of its own (${network}), so programs must heed HTTPS_PROXY or ALL_PROXY`,
        ]),
    ...(lacksMounts
      ? [
          `files.protect holds by names, with a supervised call for each open by a path, and files.private by Landlock (${mounts.obstacle}; docs/agents.md)`,
        ]
      : []),
  ];
  if (lacks.length === 0) return;
  yield {
    state: "note",
    what: lacks.join("; "),
    help: "user namespaces may be off: kernel.unprivileged_userns_clone, user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns, or a container's seccomp profile",
  };
}

/** Which declarations about objects this kernel can enforce. */
function* objectFindings(abi: number): Generator<Finding> {
  const kinds = [
    { what: "files", abi: fileRights.refer.abi },
    { what: "files.truncate", abi: fileRights.truncate.abi },
    { what: "tcp", abi: portRights["bind-tcp"].abi },
    { what: "files.ioctl", abi: fileRights["ioctl-dev"].abi },
    { what: "scope", abi: scopeRights.signal.abi },
    { what: "udp", abi: portRights["bind-udp"].abi },
  ];
  // Without it an engine decides.
  const unix = { what: "unix", abi: fileRights["resolve-unix"].abi };
  const has = [...kinds, unix].filter((kind) => kind.abi <= abi);
  const lacks = kinds.filter((kind) => kind.abi > abi);
  if (has.length > 0) {
    yield { state: "fine", what: `${has.map(({ what }) => what).join(", ")} of policies (Landlock, ABI ${abi})` };
  }
  if (lacks.length > 0) {
    yield {
      state: has.length > 0 ? "note" : "missing",
      what: `policies with ${lacks.map(({ what }) => what).join(", ")} start no command`,
      help: `Landlock has ${lacks.map((kind) => `${kind.what} since Linux ${kernelOfAbi[kind.abi]}`).join(", ")}; --best-effort does without`,
    };
  }
  if (has.length > 0) yield examineDenials(abi);
}

function* engineFindings(context: Context): Generator<Finding> {
  let someWorks = false;
  for (const engine of engines) {
    const found = engine.probe();
    if (!found.works) {
      const { what, help } = found.missing;
      yield { state: found.expected ? "note" : "missing", what: `engine ${engine.name}: ${what}`, help };
      continue;
    }
    const findings = descriptions[engine.name].examine(trialsOf(engine.name, context), found.variant);
    let next = findings.next();
    for (; next.done !== true; next = findings.next()) {
      yield { ...next.value, what: `engine ${engine.name}: ${next.value.what}` };
    }
    someWorks ||= next.value;
  }
  if (!someWorks) {
    yield { state: "broken", what: "no engine works here", help: "the lines above name the missing requirements" };
  }
}
