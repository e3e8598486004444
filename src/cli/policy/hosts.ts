/** Holds the tree of a `run` to the hosts that `--hosts` and its policy list. */

import { portRights } from "../../abi/landlock.ts";
import type { Ruleset } from "../../backend/landlock/rulesets.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { type OpenHosts, openHosts } from "../../engines/hosts/proxy.ts";
import type { CompiledPolicy } from "../../engines/registry.ts";
import { leftToOption, printLocation } from "../../events/describe.ts";
import type { HostList } from "../../hosts/rules.ts";
import { landlockAbi } from "../../machine/landlock-abi.ts";
import type { Context } from "../context.ts";
import { Failure } from "../verb.ts";
import { isBundle, policyFile } from "./arguments.ts";
import { preparePolicy } from "./prepare.ts";
import type { RunRequest } from "./run-request.ts";

export interface Held {
  /** Compiled again if it must hold the tree to the proxy's port. */
  readonly policy: CompiledPolicy;
  /** Undefined if nothing restricts hosts. */
  readonly hosts: OpenHosts | undefined;
}

/** @throws Failure, StartError, also with the way "own-network" where the tree can have none */
export async function holdToHosts(
  request: RunRequest,
  policy: CompiledPolicy,
  context: Context,
  ways: "any" | "own-network" = "any",
): Promise<Held> {
  const { hosts: given, mode, command } = request;
  const { files, hosts: declared = [] } = policy.policy.description;
  if (mode === "audit") {
    if (declared.length > 0 && !request.quiet)
      context.err(
        "portcullis: AUDIT: the hosts of the policy are not restricted, and connections to others are no events\n",
      );
    return { policy, hosts: undefined };
  }
  const lists: readonly HostList[] = [
    ...(given === undefined ? [] : [given]),
    // An empty list of a policy leaves the hosts to --hosts.
    ...declared
      .filter(({ patterns }) => patterns.length > 0 || given === undefined)
      .map(({ patterns, at }) => ({
        patterns,
        rule: `${printLocation(files, at)}${patterns.length === 0 ? leftToOption : ""}`,
      })),
  ];
  if (lists.length === 0 && request.asksHosts) {
    const help = "--hosts HOST,… lists the hosts that need no question";
    throw new Failure([diagnostic("P0909", "--ask-hosts has no effect: nothing restricts hosts", { help })]);
  }
  if (lists.length === 0) return { policy, hosts: undefined };
  const obstacle = policy.policy.opensForCaller ? opening : undefined;
  const hosts = await openHosts(command, lists, obstacle, request.asksHosts, ways);
  if (hosts.port === undefined) return { policy, hosts };
  const file = policyFile(request.policy, context.workingDirectory);
  if (isBundle(file) || file.name.endsWith(".json")) {
    hosts.close();
    throw new Failure([
      diagnostic("P0909", `--hosts needs a policy's source here, and ${file.name} has none: ${hosts.way}`, {
        help: "-p with a TypeScript policy; for an OCI profile, one whose step is `oci(profile)`",
      }),
    ]);
  }
  const held = await preparePolicy({ ...request, proxyPort: hosts.port }, context);
  return { policy: withPort(held, hosts.port), hosts };
}

/** The kernel also permits that port only, where it can: a second layer, which judges no call and so no address. */
function withPort(compiled: CompiledPolicy, port: number): CompiledPolicy {
  if (landlockAbi() < portRights["connect-tcp"].abi) return compiled;
  const { objects, readOnlyProc } = compiled.policy;
  // Beside rules about files, a domain denies moves unless it permits them.
  const moves = readOnlyProc || objects.some(({ files }) => files.length > 0);
  const layer: Ruleset = {
    files: moves ? ["refer"] : [],
    ports: ["connect-tcp"],
    scopes: [],
    rules: [
      ...(moves ? [{ is: "beneath", path: "/", access: ["refer"], optional: false, whole: true } as const] : []),
      { is: "port", port, access: ["connect-tcp"] },
    ],
  };
  return { ...compiled, policy: { ...compiled.policy, objects: [...objects, layer] } } as CompiledPolicy;
}

const opening =
  "the policy judges by `.resolved`, and portcullis opens such objects for callers in its own namespaces only";
