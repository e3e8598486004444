// SPDX-License-Identifier: GPL-2.0-only
// One virtual machine: QEMU, its console, and the port over which init.c receives a request and responds (init.c
// describes the frames).
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isTainted } from "./console.mjs";

const built = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "build/kernel");
const init = join(built, "init");

function frame(type, payload) {
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeUInt32LE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Reassembles frames from chunks; calls `onFrame` for each complete frame. */
function frames(onFrame) {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32LE(1)) {
      const end = 5 + rest.readUInt32LE(1);
      onFrame(String.fromCharCode(rest[0]), rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  };
}

/** The exit status of a wait status, as a shell computes it. */
function statusOf(wait) {
  const signal = wait & 0x7f;
  return signal === 0 ? (wait >> 8) & 0xff : 128 + signal;
}

const mountOptions = "trans=virtio,version=9p2000.L,cache=loose,msize=524288";

function words({ image, smp, memory, icount, append }) {
  // The kernel mounts the root, or first_stage.c does, from the initramfs beside the image. The kernel passes it what follows --.
  const initramfs = join(dirname(image), "initramfs");
  const isStaged = existsSync(initramfs);
  const commandLine = [
    // Print warnings and worse on a polling console; an oops ends the machine and QEMU.
    "console=ttyS0 loglevel=5 panic=-1 oops=panic",
    // A virtual machine on shared processors can pause without being stuck: the kernel counts ticks during a busy loop,
    // and panics without one (io_apic.c, timer_irq_works).
    "no_timer_check",
    ...(isStaged ? [] : [`root=host rootfstype=9p rootflags=${mountOptions} ro init="${init}"`]),
    // With --icount the time stamp counter counts instructions.
    icount ? "mitigations=off" : `tsc_early_khz=${execFileSync(join(built, "tsc_khz"), { encoding: "utf8" }).trim()}`,
    ...append,
    ...(isStaged ? [`-- ${mountOptions} "${init}"`] : []),
  ].join(" ");
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"],
    ...["-accel", icount ? "tcg,thread=single" : "tcg,thread=multi"],
    ...(icount ? ["-icount", "shift=0,sleep=off"] : []),
    ...["-cpu", "max", "-smp", `${smp}`, "-m", `${memory}`],
    ...["-kernel", image, ...(isStaged ? ["-initrd", initramfs] : []), "-append", commandLine],
    ...["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"],
    ...["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"],
    ...["-chardev", "socket,id=console,fd=3", "-serial", "chardev:console"],
    ...["-chardev", "socket,id=link,fd=4", "-device", "virtio-serial-pci"],
    ...["-device", "virtserialport,chardev=link,name=portcullis"],
  ];
}

/**
 * Starts a machine. `request` has the strings that init.c reads, `append` words for the kernel's command line; `memory`
 * is in MiB.
 */
export function start(options) {
  // QEMU is killed when this process ends for any reason.
  const emulator = spawn("setpriv", ["--pdeathsig", "KILL", "qemu-system-x86_64", ...words(options)], {
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const [, , errors, serial, link] = emulator.stdio;
  const result = { status: undefined, tainted: false, refused: undefined, console: "", emulator: "", tasks: "" };
  // One chunk can have the begin and output, which comes before the caller of `ended`.
  const early = [];
  let out = (...output) => early.push(output);
  let begin;
  const begun = new Promise((resolve) => {
    begin = () => resolve(true);
  });

  errors.setEncoding("utf8").on("data", (text) => {
    result.emulator += text;
  });
  serial.setEncoding("latin1").on("data", (text) => {
    result.console += text;
  });
  const take = frames((type, payload) => {
    if (type === "b") begin();
    else if (type === "o") out("out", payload);
    else if (type === "e") out("err", payload);
    else if (type === "t") result.tasks += payload.toString("latin1");
    else if (type === "f") result.refused = payload.toString("utf8");
    else if (type === "x") {
      result.status = statusOf(payload.readInt32LE(0));
      result.tainted = isTainted(payload.readBigUInt64LE(4));
    } else result.refused = `the machine sent an unknown frame (${type})`;
    // An empty frame ends the description of the tasks.
    const continues = type === "b" || type === "o" || type === "e" || (type === "t" && payload.length > 0);
    if (!continues) emulator.kill("SIGKILL");
  });
  link.on("data", take);
  // `close` reports the end; ignore the errors of pipes that break with it.
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
    /** Resolves to true when the machine has read the request, to false if it ends before. */
    begun: Promise.race([begun, closed.then(() => false)]),
    /** Returns false if the caller must wait for `onDrain`. */
    input: (bytes) => link.write(frame("I", bytes)),
    endOfInput: () => link.write(frame("E", Buffer.alloc(0))),
    onDrain: (then) => link.once("drain", then),
    end: () => emulator.kill("SIGKILL"),
    /** Ends the machine after it has described its tasks, at the latest after 30 seconds. */
    endWithTasks() {
      link.write(frame("T", Buffer.alloc(0)));
      const clock = setTimeout(() => emulator.kill("SIGKILL"), 30_000);
      closed.then(() => clearTimeout(clock));
    },
    /** Waits until QEMU has ended, passes the command's output to `write`, and returns the result. */
    async ended(write) {
      for (const output of early.splice(0)) write(...output);
      out = write;
      await closed;
      result.emulator = result.emulator.trim();
      return result;
    },
  };
}
