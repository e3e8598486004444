import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { processStart } from "../../../machine/proc.ts";
import { containerTarget } from "./containers.ts";

const id = "0123456789ab".repeat(5);
const began = Number(processStart(process.pid));
const own = { is: "process", pid: process.pid };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-containers-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: unknown): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
}

function find(wanted: string): unknown {
  const at = (name: string) => join(folder, name);
  try {
    return containerTarget(wanted, {
      states: [at("crun"), at("tasks/*")],
      storages: [at("storage")],
      docker: [at("docker")],
    });
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}

const crun = (more: object = {}) => ({ pid: process.pid, "process-start-time": began, ...more });
const podman = "storage/overlay-containers/containers.json";
const unknown = /^no container of root's docker, .* has the id or the name /;

describe("a running container", () => {
  it.each([
    ["crun", `crun/${id}/status`, crun()],
    [
      "runc, of each namespace",
      `tasks/web/${id}/state.json`,
      { init_process_pid: process.pid, init_process_start: began },
    ],
  ])("of %s is its first process", (_, file, content) => {
    write(file, content);
    for (const wanted of [id, id.slice(0, 12), id.slice(0, 4)]) expect(find(wanted)).toEqual(own);
    expect(find(id.slice(0, 3))).toMatch(/; the beginning of an id has 4 characters or more$/);
  });

  it("of podman has the names of the storage and the process of the runtime", () => {
    write(`crun/${id}/status`, crun());
    write(podman, [{ id, names: ["web", "k8s_web"] }, { id: "other" }]);
    for (const wanted of ["web", "k8s_web", id]) expect(find(wanted)).toEqual(own);
    expect(find("we")).toMatch(unknown);
  });

  it("of docker has its own file", () => {
    write(`docker/${id}/config.v2.json`, { ID: id, Name: "/db", State: { Pid: process.pid } });
    // Nothing shows when this process has begun, nor that it is the container's.
    expect(find("db")).toBe(`the container db, ${id.slice(0, 12)} does not run`);
    write(`tasks/moby/${id}/state.json`, { init_process_pid: process.pid, init_process_start: began });
    expect(find("db")).toEqual(own);
  });

  it("is meant by an id and a name before the beginning of another id", () => {
    write(`crun/${id}/status`, crun());
    write(`crun/${id.slice(0, 8)}/status`, crun({ pid: 4_194_304 }));
    expect(find(id.slice(0, 8))).toBe(`the container ${id.slice(0, 8)} does not run`);
    expect(find(id.slice(0, 6))).toBe(`${id.slice(0, 6)} is the beginning of several ids: ${id.slice(0, 8)}, ${id}`);
    write(podman, [{ id: "f".repeat(64), names: [id.slice(0, 6)] }]);
    expect(find(id.slice(0, 6))).toBe(`the container ${id.slice(0, 6)}, ${"f".repeat(12)} does not run`);
  });
});

it("a container that has ended, or whose process has another start, does not run", () => {
  write(podman, [{ id, names: ["web"] }]);
  const ended = `the container web, ${id.slice(0, 12)} does not run`;
  expect(find("web")).toBe(ended);
  write(`crun/${id}/status`, crun({ "process-start-time": began + 1 }));
  expect(find("web")).toBe(ended);
  write(`crun/${id}/status`, { pid: process.pid }); // its file could be older than the process
  expect(find("web")).toBe(ended);
});

it("a name of several is an error", () => {
  write(podman, [
    { id, names: ["web"] },
    { id: "f".repeat(64), names: ["web"] },
  ]);
  expect(find("web")).toBe(`several containers have the name web: ${id}, ${"f".repeat(64)}`);
});

it("a text that is no id and no name is an error", () => {
  for (const text of ["", "../x", "-a", "a b", "/web", "\u001b[2J"])
    expect(find(text)).toMatch(/is neither an id nor a name/);
  expect(find("web")).toMatch(unknown);
});

it.each(["", "{", "[1]", "null", '"x"', "{}", '{"pid":-1}', '{"pid":"1"}', '{"pid":1e99}', "[[]]", '[{"id":7}]'])(
  "a file with %j names no process",
  (content) => {
    for (const name of [`crun/${id}/status`, `crun/${id}/state.json`, `crun/${id}/init.pid`, podman])
      write(name, content);
    write(`docker/${id}/config.v2.json`, content);
    expect(find(id)).toMatch(/does not run$|^no container/);
  },
);
