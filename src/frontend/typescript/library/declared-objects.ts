/** `files`, `tcp`, `udp`, `unix` and `scope` of a policy's settings: declarations about objects, which do not depend on state. */

import { fileRights, type ScopeRight, scopeRights } from "../../../abi/landlock.ts";
import {
  type FileRules,
  fileLists,
  type ObjectLayer,
  type PathRule,
  type PortRules,
  type ProtectedPath,
} from "../../../ir/objects.ts";
import { runtimeFiles } from "../../../ir/runtime-files.ts";
import { constantInteger, constantString, type PolicyValue, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { filesPolicy, tcpPolicy, unixPolicy } from "./declared-steps.ts";
import { Options } from "./options.ts";

export const objectSettings = ["files", "tcp", "udp", "unix", "scope"] as const;

export interface Objects {
  /** Undefined if the policy declares none, or none that Landlock enforces. */
  readonly layer: ObjectLayer | undefined;
  /** The parts that a step must decide. */
  readonly steps: readonly PolicyValue[];
}

/** The declarations of a policy. Sets `failed` after an error. */
export function objectsOf(c: Compilation, options: Options): Objects {
  const connect = unixRules(c, options);
  const byKernel = connect !== undefined && c.landlockAbi() >= fileRights["resolve-unix"].abi;
  const first = objectSettings.find((name) => options.has(name) && (name !== "unix" || byKernel));
  return {
    layer:
      first === undefined
        ? undefined
        : {
            files: fileRules(c, options),
            tcp: portRules(c, options, "tcp"),
            udp: portRules(c, options, "udp"),
            unix: byKernel ? { connect } : undefined,
            scopes: scopes(options),
            at: c.file.location(options.placeOf(first)),
            places: Object.fromEntries(
              objectSettings.flatMap((name) =>
                options.has(name) ? [[name, c.file.location(options.placeOf(name))]] : [],
              ),
            ),
          },
    steps: options.failed
      ? []
      : [
          ...(options.has("files") ? [filesPolicy(c, options.placeOf("files"))] : []),
          ...(options.has("tcp") ? [tcpPolicy(c, options.placeOf("tcp"))] : []),
          ...(byKernel || connect === undefined ? [] : [unixPolicy(c, options.placeOf("unix"), connect)]),
        ],
  };
}

function unixRules(c: Compilation, options: Options): readonly PathRule[] | undefined {
  const value = options.get("unix");
  if (value === undefined) return undefined;
  const unix = new Options(c, value, options.placeOfValue("unix"), "the settings of `unix`", ["connect"]);
  const connect = pathList(c, unix, "connect");
  if (!unix.failed && connect === undefined) {
    options.refuse("unix", "P0213", "`unix` has no list, so it restricts nothing", "unix: { connect: [socket] }");
  }
  if (unix.failed) options.failed = true;
  return connect;
}

/** The longest path that the kernel resolves (PATH_MAX, with the NUL). */
const longestPath = 4095;

function fileRules(c: Compilation, options: Options): FileRules | undefined {
  const value = options.get("files");
  if (value === undefined) return undefined;
  const known = [...fileLists, "except", "protect", "private", "names", "runtime", "optional"];
  const files = new Options(c, value, options.placeOfValue("files"), "the settings of `files`", known);
  const runtime = files.flag("runtime") ?? false;
  const optional = new Set((pathList(c, files, "optional") ?? []).map(({ path }) => path));
  const own = (rules: readonly PathRule[]) => rules.map((rule) => ({ ...rule, optional: optional.has(rule.path) }));
  const lists: { [List in (typeof fileLists)[number]]?: readonly PathRule[] } = {};
  const settings: { [List in (typeof fileLists)[number]]?: readonly string[] } = {};
  for (const list of fileLists) {
    const paths = pathList(c, files, list);
    if (paths === undefined) continue;
    const given = files.get(list);
    if (given?.is === "list" && given.settings !== undefined) settings[list] = given.settings;
    const preset = runtime ? (runtimeFiles[list] ?? []) : [];
    lists[list] = [...own(paths), ...preset.map((path) => ({ path, optional: true, at: undefined }))];
  }
  const except = pathList(c, files, "except") ?? [];
  const protect = protectedPaths(c, files);
  const isPrivate = own(pathList(c, files, "private") ?? []);
  if (!files.failed && Object.keys(lists).length + protect.length + isPrivate.length === 0) {
    options.refuse("files", "P0213", "`files` has no list, so it restricts nothing", "files: { write: [project] }");
  }
  if (files.failed) options.failed = true;
  const origins = Object.keys(settings).length === 0 ? {} : { settings };
  return {
    lists,
    ...origins,
    except,
    protect,
    private: isPrivate,
    names: files.flag("names") ?? false,
    streams: runtime,
  };
}

/** A slash at the end makes a path a directory. */
function protectedPaths(c: Compilation, files: Options): readonly ProtectedPath[] {
  const value = files.get("protect");
  const given = value?.is === "list" ? value.elements : [];
  return (pathList(c, files, "protect") ?? []).map((rule, index) => {
    const one = given[index];
    const from = one?.is === "string" ? one.item : undefined;
    return {
      ...rule,
      isDirectory: one !== undefined && constantString(one)?.endsWith("/") === true,
      ...(from === undefined ? {} : { from }),
    };
  });
}

function pathList(c: Compilation, files: Options, name: string): readonly PathRule[] | undefined {
  const value = files.get(name);
  if (value === undefined) return undefined;
  const paths = elementsOf(value, constantString);
  if (value.is === "list" && value.elements.some((one) => one.is === "unknown")) {
    // After the error that made it so.
    files.failed = true;
    return undefined;
  }
  if (paths === undefined) {
    files.fail(value, name, "a list of paths");
    return undefined;
  }
  const at = c.file.location(files.placeOf(name));
  return paths.flatMap((given) => {
    const path = normalPath(given);
    if (path !== undefined) return [{ path, optional: false, at }];
    files.refuse(
      name,
      "P0214",
      `${JSON.stringify(given)} is no absolute path without "." and ".." of at most ${longestPath} bytes`,
      'a list of files has directories and files: read: ["/usr", project]',
    );
    return [];
  });
}

/** Without empty components; undefined if the path is not absolute, or has "." or "..". */
function normalPath(given: string): string | undefined {
  const components = given.split("/").filter((component) => component !== "");
  if (!given.startsWith("/") || given.includes("\0")) return undefined;
  if (components.includes(".") || components.includes("..")) return undefined;
  const path = `/${components.join("/")}`;
  return Buffer.byteLength(path) <= longestPath ? path : undefined;
}

function portRules(c: Compilation, options: Options, protocol: "tcp" | "udp"): PortRules | undefined {
  const value = options.get(protocol);
  if (value === undefined) return undefined;
  const what = `the settings of \`${protocol}\``;
  const ports = new Options(c, value, options.placeOfValue(protocol), what, ["bind", "connect"]);
  const rules = { bind: portList(ports, "bind"), connect: portList(ports, "connect") };
  if (!ports.failed && rules.bind === undefined && rules.connect === undefined) {
    const help = `${protocol}: { connect: [443n] }`;
    options.refuse(protocol, "P0213", `\`${protocol}\` has no list, so it restricts nothing`, help);
  }
  if (ports.failed) options.failed = true;
  return rules;
}

function portList(options: Options, name: string): readonly number[] | undefined {
  const value = options.get(name);
  if (value === undefined) return undefined;
  const ports = elementsOf(value, constantInteger);
  if (ports === undefined) {
    options.fail(value, name, "a list of ports");
    return undefined;
  }
  const wrong = ports.find((port) => port < 0n || port > 65_535n);
  if (wrong !== undefined) options.refuse(name, "P0213", `a port is 0 to 65535, and this is ${wrong}`);
  return ports.map(Number);
}

function scopes(options: Options): readonly ScopeRight[] {
  const value = options.get("scope");
  if (value === undefined) return [];
  const names = Object.keys(scopeRights) as ScopeRight[];
  const given = elementsOf(value, constantString);
  if (given === undefined) {
    options.fail(value, "scope", "a list of names");
    return [];
  }
  const wrong = given.find((name) => !names.some((one) => one === name));
  if (wrong !== undefined || given.length === 0) {
    const message =
      wrong === undefined
        ? "`scope` has no name, so it restricts nothing"
        : `there is no scope ${JSON.stringify(wrong)}`;
    options.refuse("scope", "P0213", message, names.map((name) => JSON.stringify(name)).join(", "));
  }
  return names.filter((name) => given.includes(name));
}

/** Undefined if the value is no list of constants. */
function elementsOf<Element>(
  value: Value,
  read: (element: Value) => Element | undefined,
): readonly Element[] | undefined {
  if (value.is !== "list") return undefined;
  const elements = value.elements.map(read);
  return elements.includes(undefined) ? undefined : (elements as readonly Element[]);
}
