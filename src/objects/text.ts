/** A denial in words, and the place of the declaration. */

import type { Location } from "../ir/location.ts";
import { placeOfSetting } from "../ir/objects.ts";
import type { Denied } from "./answer.ts";
import type { Operation } from "./operation.ts";

export function denialText(denied: Denied, operation: Operation): string {
  const { setting, right, gains, exception } = denied;
  const object = objectOf(operation);
  if (setting === "scope") return `scope has ${right}`;
  if (gains) return `${object} would have ${setting} in its new directory, and has not in its old one`;
  if (setting === "udp.bind" && operation.does === "connect")
    return `${setting} does not have port 0, to which a socket without a port is bound`;
  if (setting === "files.protect")
    return `${setting} has ${object}, or a path below a directory that is moved or removed`;
  const lacks = `${setting} does not have ${object}`;
  if (exception === undefined) return lacks;
  const { position, rule } = exception;
  if (position === "below") return `${lacks}, because of the exception ${rule.path}`;
  return `${lacks}, because a directory above the exception ${rule.path} has only the entries of the start`;
}

function objectOf(operation: Operation): string {
  switch (operation.does) {
    case "truncate opened":
    case "ioctl":
      return operation.open.path;
    case "link":
    case "rename":
      return `${operation.from} or ${operation.to}`;
    case "bind":
    case "connect":
      return `port ${operation.port}`;
    case "signal":
    case "connect abstract":
      return "it";
    default:
      return operation.path;
  }
}

/** The place of the list or of the declaration. */
export function placeOf({ declared, setting }: Denied): Location {
  return placeOfSetting(declared, setting);
}
