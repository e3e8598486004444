/**
 * The answer of a policy's declarations about an operation, as the kernel gives it: which rights an operation needs on
 * which objects (landlock(7), the hooks of security/landlock of Linux 6.12 to 7.3), and which errors come before.
 */

import type { FileRight, PortRight, ScopeRight } from "../abi/landlock.ts";
import type { PortRules } from "../ir/objects.ts";
import { check, checkMove, makeRight } from "./access.ts";
import { type Answer, type PortSetting, permitted } from "./answer.ts";
import type { Domain } from "./domain.ts";
import type { OpenOperation, Operation } from "./operation.ts";
import { protectionOf } from "./protection.ts";
import { FileObject, type FileTree, type Place } from "./tree.ts";

/** The tree is that of the moment of the operation; the domain's rules are of the start. */
export function decide(domain: Domain, tree: FileTree, operation: Operation): Answer {
  const layers = domain.layers.map(({ declared }) => declared);
  const protection = protectionOf(layers, tree, operation);
  if (protection !== undefined && protection.errno !== "EBUSY") return protection;
  // The kernel asks Landlock after it looks at the mounts, and before it looks for a mount point (fs/namei.c).
  const answer = landlockDecides(domain, tree, operation);
  return answer.is === "denied" ? answer : (protection ?? permitted);
}

function landlockDecides(domain: Domain, tree: FileTree, operation: Operation): Answer {
  switch (operation.does) {
    case "open":
      return open(domain, tree, operation).answer;
    case "execute":
      return execute(domain, tree, operation.path, !operation.noFollow);
    case "make": {
      const entry = tree.lookupEntry(operation.path);
      if (entry === undefined || entry.object !== undefined) return permitted;
      return check(domain, entry.directory, [makeRight[operation.kind]]);
    }
    case "remove": {
      const entry = tree.lookupEntry(operation.path);
      if (entry?.object === undefined) return permitted;
      return check(domain, entry.directory, [operation.directory ? "remove-dir" : "remove-file"]);
    }
    case "truncate": {
      const place = tree.find(operation.path);
      return place?.object.kind === "file" ? check(domain, place, ["truncate"]) : permitted;
    }
    case "truncate opened":
      return onOpened(domain, tree, operation.open, "truncate");
    case "ioctl":
      return onOpened(domain, tree, operation.open, "ioctl-dev", operation.request);
    case "link":
      return link(domain, tree, operation);
    case "rename":
      return rename(domain, tree, operation);
    case "bind":
    case "connect":
      return onPort(domain, operation);
    case "signal":
      return scope(domain, "signal", operation.outside);
    case "connect abstract":
      return scope(domain, "abstract-socket", operation.outside);
    case "connect unix": {
      const place = operation.outside ? tree.find(operation.path) : undefined;
      return place?.object.kind === "socket" ? check(domain, place, ["resolve-unix"]) : permitted;
    }
  }
}

interface Opened {
  readonly answer: Answer;
  /** The file; undefined: it was not opened, or opened as a path. */
  readonly place?: Place;
}

const failed: Opened = { answer: permitted };

function open(domain: Domain, tree: FileTree, operation: OpenOperation): Opened {
  const { path, read, write, create = false, exclusive = false, directory = false, noFollow = false } = operation;
  if (operation.pathOnly) return failed;
  const rights: FileRight[] = [...(read ? ["read-file" as const] : []), ...(write ? ["write-file" as const] : [])];
  const unnamed = (parent: Place): Opened => {
    const place = { object: new FileObject("file"), parent, mount: parent.mount };
    return { answer: check(domain, place, rights), place };
  };

  const found = tree.lookup(path, !noFollow && !(create && exclusive));
  if (operation.unnamed)
    return found.is === "found" && found.place.object.kind === "directory" ? unnamed(found.place) : failed;
  if (found.is === "absent" && create) {
    const made = check(domain, found.directory, ["make-reg"]);
    return made.is === "denied" ? { answer: made } : unnamed(found.directory);
  }
  if (found.is !== "found") return failed;

  const { place } = found;
  const { kind } = place.object;
  if (create && exclusive) return failed;
  if (kind === "link" || (directory && kind !== "directory")) return failed;
  if (kind === "directory") {
    if (create || write || !read || operation.truncate) return failed;
    return { answer: check(domain, place, ["read-dir"]), place };
  }
  const opened = check(domain, place, rights);
  if (opened.is === "denied") return { answer: opened };
  // O_TRUNC has no effect on other kinds.
  return { answer: operation.truncate && kind === "file" ? check(domain, place, ["truncate"]) : permitted, place };
}

function execute(domain: Domain, tree: FileTree, path: string, follow: boolean, depth = 0): Answer {
  const place = tree.find(path, follow);
  if (place?.object.kind !== "file") return permitted;
  // The kernel opens the program to read it.
  const answer = check(domain, place, ["execute", "read-file"]);
  const { interpreter } = place.object;
  // A script can have the interpreter of a script, five times (exec_binprm, fs/exec.c).
  if (answer.is === "denied" || interpreter === undefined || depth > 5) return answer;
  return execute(domain, tree, interpreter, true, depth + 1);
}

function onOpened(
  domain: Domain,
  tree: FileTree,
  operation: OpenOperation,
  right: "truncate" | "ioctl-dev",
  request = 0,
): Answer {
  const { answer, place } = open(domain, tree, operation);
  if (answer.is === "denied" || place === undefined) return answer;
  const { kind } = place.object;
  if (right === "truncate") return kind === "file" && operation.write ? check(domain, place, [right]) : permitted;
  const isDevice = kind === "character" || kind === "block";
  return isDevice && !exemptRequests.has(request) ? check(domain, place, [right]) : permitted;
}

/** Requests that change nothing of a device (is_masked_device_ioctl, security/landlock/fs.c). */
const exemptRequests: ReadonlySet<number> = new Set([
  0x5451, // FIOCLEX
  0x5450, // FIONCLEX
  0x5421, // FIONBIO
  0x5452, // FIOASYNC
  0x5460, // FIOQSIZE
  0xc0045877, // FIFREEZE
  0xc0045878, // FITHAW
  0xc020660b, // FS_IOC_FIEMAP
  2, // FIGETBSZ
  0x40049409, // FICLONE
  0x4020940d, // FICLONERANGE
  0xc0189436, // FIDEDUPERANGE
  0x80111500, // FS_IOC_GETFSUUID
  0x80811501, // FS_IOC_GETFSSYSFSPATH
]);

function link(domain: Domain, tree: FileTree, operation: Operation & { does: "link" }): Answer {
  const source = tree.find(operation.from, operation.follow ?? false);
  const target = tree.lookupEntry(operation.to);
  if (source?.parent === undefined || target === undefined || target.object !== undefined) return permitted;
  // EXDEV of the file system itself.
  if (source.mount !== target.directory.mount) return permitted;
  const { object, parent: from } = source;
  return checkMove(domain, { from, object, to: target.directory, replaced: undefined, kind: "link" });
}

function rename(domain: Domain, tree: FileTree, operation: Operation & { does: "rename" }): Answer {
  const { flag } = operation;
  const source = tree.lookupEntry(operation.from);
  const target = tree.lookupEntry(operation.to);
  if (source?.object === undefined || target === undefined) return permitted;
  if (source.directory.mount !== target.directory.mount) return permitted;
  if (flag === "exchange" && target.object === undefined) return permitted;
  if (flag === "noreplace" && target.object !== undefined) return permitted;
  // EINVAL, and ENOTEMPTY: one is in the other.
  if (isWithin(target.directory, source.object)) return permitted;
  if (target.object !== undefined && isWithin(source.directory, target.object)) return permitted;
  return checkMove(domain, {
    from: source.directory,
    object: source.object,
    to: target.directory,
    replaced: target.object,
    kind: flag === "exchange" || flag === "whiteout" ? flag : "rename",
  });
}

/** Within its file system: a mount is in no directory. */
function isWithin(place: Place, directory: FileObject): boolean {
  for (let at: Place | undefined = place; at?.mount === place.mount; at = at.parent)
    if (at.object === directory) return true;
  return false;
}

const portRight = {
  tcp: { bind: "bind-tcp", connect: "connect-tcp" },
  udp: { bind: "bind-udp", connect: "connect-send-udp" },
} as const satisfies Record<string, Record<keyof PortRules, PortRight>>;

function onPort(domain: Domain, { does, protocol, port, bound }: Operation & { does: "bind" | "connect" }): Answer {
  if (port === undefined) return permitted;
  const layer = domain.layers.findIndex(({ declared }) => {
    const ports = declared[protocol]?.[does];
    return ports !== undefined && !ports.includes(port);
  });
  const binds = protocol === "udp" && does === "connect" && !bound;
  // current_check_autobind_udp_socket (security/landlock/net.c of Linux 7.3).
  if (layer < 0 && binds) return onPort(domain, { does: "bind", protocol, port: 0 });
  return denied(domain, layer, "EACCES", portRight[protocol][does], `${protocol}.${does}`);
}

/** The tree is in all its domains from the start, so each process of the tree may send to each other. */
function scope(domain: Domain, right: ScopeRight, outside: boolean): Answer {
  const layer = outside ? domain.layers.findIndex(({ declared }) => declared.scopes.includes(right)) : -1;
  return denied(domain, layer, "EPERM", right, "scope");
}

function denied(
  { layers }: Domain,
  layer: number,
  errno: "EACCES" | "EPERM",
  right: PortRight | ScopeRight,
  setting: PortSetting | "scope",
): Answer {
  if (layer < 0) return permitted;
  const { declared } = layers[layer]!;
  return { is: "denied", errno, layer, declared, right, setting, gains: false, exception: undefined };
}
