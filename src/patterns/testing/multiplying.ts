/** Patterns that have several automata, because many of them find a name anywhere; and texts for them. */
import type { Pattern } from "../pattern.ts";

const names = ["aws", "azure", "gnupg", "kube", "docker", "ssh", "npm", "cargo", "mozilla", "git", "svn", "cache", "é"];

export const multiplying: readonly Pattern[] = [
  ...names.map((name) => ({ kind: "matches", text: `**/.${name}/**` }) as const),
  { kind: "matches", text: "**/../**" },
  { kind: "under", text: "/srv" },
  { kind: "is", text: "/srv/.git/config" },
  { kind: "endsWith", text: ".key" },
  { kind: "startsWith", text: "/srv/.é" },
];

export const multiplied: readonly string[] = [
  "",
  "/",
  "/srv",
  "/srv/.git/config",
  "/srv/.é/.git/x.key",
  "/srv/.é",
  `/${names.map((name) => `.${name}/`).join("")}`,
  `/${names.map((name) => `.${name}x/`).join("")}../a.key`,
  "/home/u/.aws/../.ssh/id.key",
  ".aws/a",
  "a/.cache/\u00e8/.é/b",
];
