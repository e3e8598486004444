/** Starts agents for tests, and clients that speak to them directly. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createConnection } from "node:net";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { callNumber } from "../../src/abi/call-numbers.ts";
import { message, messageKind, request } from "../../src/agent/local/protocol.ts";
import { close } from "../../src/machine/descriptors.ts";
import { native, required } from "../../src/machine/native.ts";
import { bundleOptions } from "../support/bundle.ts";
import { until } from "../support/patience.ts";

const agentProgram = resolve("build/agent-process.mjs");

export async function buildAgent(): Promise<void> {
  await build({
    ...bundleOptions,
    packages: "external",
    entryPoints: ["test/agent/agent-process.ts"],
    outfile: agentProgram,
    format: "esm",
  });
}

export interface Agent {
  readonly pid: number;
  readonly socket: string;
  /** What it has printed. */
  readonly lines: () => readonly string[];
  readonly served: () => number;
  /** The environment of its user, which names it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly end: () => Promise<void>;
}

/** `folder` becomes $XDG_RUNTIME_DIR. */
export async function startAgent(folder: string, words: readonly string[] = []): Promise<Agent> {
  mkdirSync(join(folder, "portcullis"), { recursive: true, mode: 0o700 });
  const socket = join(folder, "portcullis/run.sock");
  const [program, ...rest] = [...words, process.execPath, agentProgram, socket];
  const child: ChildProcess = spawn(program!, rest, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout!.on("data", (bytes) => {
    text += bytes;
  });
  const ended = new Promise<void>((done) => child.on("exit", () => done()));
  const lines = () => text.split("\n").slice(0, -1);
  await until("the agent is ready", () => lines().includes("ready"));
  return {
    pid: child.pid!,
    socket,
    lines,
    served: () => lines().filter((line) => line === "served").length,
    environment: { ...process.env, XDG_RUNTIME_DIR: folder },
    end: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** A request's header for strings of this size. */
export function headerOf(words: number, variables: number, size: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(request.size));
  bytes.setUint32(0, request.magic, true);
  bytes.setUint32(request.words, words, true);
  bytes.setUint32(request.variables, variables, true);
  bytes.setUint32(request.stringsSize, size, true);
  return new Uint8Array(bytes.buffer);
}

/** Connects, sends, and resolves with the kind of the first answer; undefined if the agent closes without one. */
export function answerTo(socket: string, ...sent: readonly Uint8Array[]): Promise<number | undefined> {
  return new Promise((resolved, failed) => {
    const connection = createConnection(socket);
    let answer: number | undefined;
    connection.on("connect", () => {
      for (const bytes of sent) connection.write(bytes);
    });
    connection.on("data", (bytes) => {
      if (bytes.length >= message.size) answer ??= bytes.readUInt32LE(0);
      connection.end();
    });
    connection.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE" || error.code === "ECONNRESET") resolved(answer);
      else failed(error);
    });
    connection.on("close", () => resolved(answer));
  });
}

export const { fallBack } = messageKind;

const sendmsg = process.arch === "x64" ? 46 : 211;

/** Sends bytes with descriptors. */
export function sendDescriptors(socket: number, bytes: Uint8Array, descriptors: readonly number[]): void {
  const { addressOf, syscall } = native();
  const control = new DataView(new ArrayBuffer(16 + 8 * Math.ceil(descriptors.length / 2)));
  control.setBigUint64(0, BigInt(16 + 4 * descriptors.length), true);
  control.setUint32(8, 1, true); // SOL_SOCKET
  control.setUint32(12, 1, true); // SCM_RIGHTS
  for (const [index, descriptor] of descriptors.entries()) control.setInt32(16 + 4 * index, descriptor, true);
  const vector = new BigUint64Array([addressOf(bytes), BigInt(bytes.length)]);
  const length = BigInt(control.byteLength);
  const header = new BigUint64Array([0n, 0n, addressOf(vector), 1n, addressOf(control), length, 0n]);
  required("sendmsg", syscall(sendmsg, socket, header, 0));
}

/** A connected Unix stream socket. Close it. */
export function connectTo(path: string): number {
  const { syscall } = native();
  const socket = required("socket", syscall(callNumber("socket"), 1, 1, 0));
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(`${path}\0`)]);
  const result = syscall(callNumber("connect"), socket, address, address.length);
  if (result < 0) close(socket);
  return required("connect", result < 0 ? result : socket);
}
