import { expect, it } from "vitest";
import type { Answer } from "./answer.ts";
import { decideByNames } from "./lexical.ts";
import type { OpenOperation, Operation } from "./operation.ts";
import { filesLayer, layerWith } from "./testing/layers.ts";

const objects = [
  filesLayer({
    read: ["/usr", "/home/me", "/dev/null"],
    write: ["/home/me/src", "/dev/null"],
    except: ["/home/me/.ssh"],
  }),
];
const brief = (answer: Answer): string =>
  answer.is === "permitted" ? "ok" : `${answer.errno} ${answer.setting} ${answer.exception?.position ?? ""}`.trim();
const open = (path: string, letters: string): OpenOperation => ({
  does: "open",
  path,
  read: letters.includes("r"),
  write: letters.includes("w"),
  create: letters.includes("c"),
  exclusive: letters.includes("x"),
  directory: letters.includes("d"),
});

it.each<readonly [Operation, string]>([
  [open("/usr/bin/cc", "r"), "ok"],
  [open("/usr/bin/cc", "w"), "EACCES files.write"],
  [open("/etc/passwd", "r"), "EACCES files.read"],
  [open("/usr", "rd"), "ok"],
  // Names of lists can be files.
  [open("/dev/null", "rw"), "ok"],
  [open("/dev/null/", "w"), "ok"],
  // The path is taken for an existing one, so a file with O_CREAT needs no right to make it.
  [open("/usr/n", "rc"), "ok"],
  [open("/usr/n", "rcx"), "EACCES files.write"],
  [open("/home/me/src/n", "rcx"), "ok"],
  [open("/home/me/.ssh/id", "r"), "EACCES files.read below"],
  [open("/home/me", "rd"), "EACCES files.read above"],
  [open("/home/me/notes", "r"), "ok"],
  [open("/", "rd"), "EACCES files.read"],
  [{ does: "execute", path: "/bin/sh" }, "EACCES files.read"],
  [{ does: "make", path: "/home/me/src/d", kind: "directory" }, "ok"],
  [{ does: "make", path: "/home/me/.ssh", kind: "directory" }, "EACCES files.write"],
  [{ does: "make", path: "/home/me/src", kind: "directory" }, "ok"],
  [{ does: "remove", path: "/home/me/src/d", directory: true }, "ok"],
  [{ does: "remove", path: "/home/me/src", directory: true }, "EACCES files.write"],
  [{ does: "truncate", path: "/usr/f" }, "EACCES files.write"],
  [{ does: "rename", from: "/home/me/src/a", to: "/home/me/src/b/c" }, "ok"],
  [{ does: "rename", from: "/home/me/src/a", to: "/home/me/b" }, "EACCES files.write"],
  [{ does: "rename", from: "/home/me/src/a", to: "/home/me/src/b", flag: "exchange" }, "ok"],
  [{ does: "link", from: "/usr/a", to: "/home/me/src/a" }, "EXDEV files.write"],
  [{ does: "truncate opened", open: open("/home/me/src/a", "w") }, "ok"],
  [{ does: "connect", protocol: "tcp", port: 80 }, "ok"],
])("%j: %s", (operation, expected) => {
  expect(brief(decideByNames(objects, operation))).toBe(expected);
});

it("an ioctl is of a device", () => {
  const ioctl = (path: string): Operation => ({ does: "ioctl", open: open(path, "r"), request: 0x5401 });
  expect(brief(decideByNames([filesLayer({ ioctl: ["/dev/tty"] })], ioctl("/dev/tty")))).toBe("ok");
  expect(brief(decideByNames([filesLayer({ ioctl: ["/dev/tty"] })], ioctl("/dev/sda")))).toBe("EACCES files.ioctl");
});

it("layers without files permit all files", () => {
  expect(brief(decideByNames([layerWith({ scopes: ["signal"] })], open("/etc/shadow", "rw")))).toBe("ok");
});
