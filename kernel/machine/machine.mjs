// SPDX-License-Identifier: GPL-2.0-only
// One machine: QEMU, its console, and the port over which init.c takes a request and answers (the frames are described
// there).
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isTainted } from "./console.mjs";

const init = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "build/kernel/init");

function frame(type, payload) {
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeUInt32LE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Takes what arrives in pieces; calls `take` for each whole frame. */
function frames(take) {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32LE(1)) {
      const end = 5 + rest.readUInt32LE(1);
      take(String.fromCharCode(rest[0]), rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  };
}

/** A shell's number for how a process ended. */
function statusOf(wait) {
  const signal = wait & 0x7f;
  return signal === 0 ? (wait >> 8) & 0xff : 128 + signal;
}

function words({ image, smp, memory, icount, append }) {
  const commandLine = [
    // Warnings and worse, on a console that polls; what is wrong ends the machine, and QEMU with it.
    "console=ttyS0 loglevel=5 panic=-1 oops=panic",
    // A machine that shares its processors with others stands still at times without being stuck.
    "rcupdate.rcu_cpu_stall_timeout=120",
    // For the same reason: the kernel counts ticks against a busy loop, and panics where none came (io_apic.c, timer_irq_works).
    "no_timer_check",
    `root=host rootfstype=9p rootflags=trans=virtio,version=9p2000.L,cache=loose,msize=524288 ro init="${init}"`,
    ...(icount ? ["mitigations=off"] : []),
    ...append,
  ].join(" ");
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"],
    ...["-accel", icount ? "tcg,thread=single" : "tcg,thread=multi"],
    ...(icount ? ["-icount", "shift=0,sleep=off"] : []),
    ...["-cpu", "max", "-smp", `${smp}`, "-m", `${memory}`],
    ...["-kernel", image, "-append", commandLine],
    ...["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"],
    ...["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"],
    ...["-chardev", "socket,id=console,fd=3", "-serial", "chardev:console"],
    ...["-chardev", "socket,id=link,fd=4", "-device", "virtio-serial-pci"],
    ...["-device", "virtserialport,chardev=link,name=portcullis"],
  ];
}

/**
 * Starts a machine. `request` are the strings that init.c reads; `append` more words for the kernel. `memory` is in MiB.
 */
export function start(options) {
  // QEMU goes when this process does, however that ends.
  const emulator = spawn("setpriv", ["--pdeathsig", "KILL", "qemu-system-x86_64", ...words(options)], {
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const [, , complaints, serial, link] = emulator.stdio;
  const result = { status: undefined, tainted: false, refused: undefined, console: "", emulator: "" };
  let out = () => {};

  complaints.setEncoding("utf8").on("data", (text) => {
    result.emulator += text;
  });
  serial.setEncoding("latin1").on("data", (text) => {
    result.console += text;
  });
  const take = frames((type, payload) => {
    if (type === "o") out("out", payload);
    else if (type === "e") out("err", payload);
    else if (type === "f") result.refused = payload.toString("utf8");
    else if (type === "x") {
      result.status = statusOf(payload.readInt32LE(0));
      result.tainted = isTainted(payload.readBigUInt64LE(4));
    } else result.refused = `the machine sent an unknown frame (${type})`;
    if (type !== "o" && type !== "e") emulator.kill("SIGKILL");
  });
  link.on("data", take);
  // The end shows in `close`; a pipe that breaks with it says nothing more.
  for (const stream of [serial, link]) stream.on("error", () => {});
  const closed = new Promise((resolve) => {
    emulator.on("error", (error) => {
      result.emulator = `qemu-system-x86_64: ${error.message}`;
      resolve();
    });
    emulator.on("close", resolve);
  });
  link.write(frame("R", Buffer.from(options.request.map((text) => `${text}\0`).join(""))));

  return {
    /** False when the machine takes no more for now. */
    input: (bytes) => link.write(frame("I", bytes)),
    endOfInput: () => link.write(frame("E", Buffer.alloc(0))),
    onDrain: (then) => link.once("drain", then),
    end: () => emulator.kill("SIGKILL"),
    /** What came of it, once QEMU has ended; `write` gets the command's output as it comes. */
    async ended(write) {
      out = write;
      await closed;
      result.emulator = result.emulator.trim();
      return result;
    },
  };
}
