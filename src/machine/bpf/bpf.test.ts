/** Tests bpf(2) on the running kernel. No program is attached: BPF_PROG_TEST_RUN runs them. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterEach, describe, expect, it, type TestContext } from "vitest";
import { mapFlags, mapTypes, programFlags, programTypes } from "../../abi/bpf-numbers.ts";
import { type EbpfInstruction, encode } from "../../backend/ebpf/instructions/instruction.ts";
import { close, pollBits, pollFor } from "../descriptors.ts";
import { native } from "../native.ts";
import { probeFeatures } from "./features.ts";
import { BpfMap, mapInfo } from "./maps.ts";
import { againWhileInterrupted, InterruptedError, loadProgram, loadWithLog, programInfo, TestRun } from "./programs.ts";
import { RingBufferReader } from "./ring-buffer.ts";
import { findFunctions, kernelFunctions } from "./type-information.ts";
import { logLevels, VerifierError } from "./verifier-log.ts";

const open: number[] = [];
afterEach(() => {
  for (const descriptor of open.splice(0)) close(descriptor);
});

function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip("bpf(2) needs root here");
}

function array(valueSize: number, flags = 0, name?: string): BpfMap {
  const description = { type: mapTypes.array, keySize: 4, valueSize, capacity: 2, flags, ...(name && { name }) };
  const map = new BpfMap(description);
  open.push(map.descriptor);
  return map;
}

function program(instructions: readonly EbpfInstruction[], maps: readonly BpfMap[] = []) {
  return {
    type: programTypes.systemCall,
    flags: programFlags.sleepable,
    licence: "GPL",
    name: "trial",
    instructions: encode(instructions, {
      mapDescriptors: maps.map(({ descriptor }) => descriptor),
      kernelFunction: () => 0,
    }),
  };
}

const move = (destination: 0 | 1 | 2 | 3 | 4, immediate: number): EbpfInstruction => ({
  kind: "arithmetic",
  operator: "move",
  width: 64,
  destination,
  source: { immediate },
});
const copy = (destination: 1 | 2 | 6, source: 1 | 6 | 10): EbpfInstruction => ({
  kind: "arithmetic",
  operator: "move",
  width: 64,
  destination,
  source: { register: source },
});

describe("maps", () => {
  it("store values, report their types, and report absent keys", (context) => {
    needsRoot(context);
    const map = array(8, 0, "some-name");
    const key = new Uint8Array([1, 0, 0, 0]);
    map.set(key, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    expect(map.get(key)).toEqual(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    expect(map.get(new Uint8Array([2, 0, 0, 0]))).toBeUndefined();
    expect(() => map.get(new Uint8Array(8))).toThrow(RangeError);
    expect(mapInfo(map.descriptor)).toMatchObject({
      type: 2,
      keySize: 4,
      valueSize: 8,
      capacity: 2,
      name: "some_name",
    });
    expect(() => map.delete(key)).toThrow("deleting from a map: EINVAL");
  });

  it("with any kind of key can be walked, and keys deleted", (context) => {
    needsRoot(context);
    const map = new BpfMap({ type: mapTypes.hash, keySize: 8, valueSize: 8, capacity: 8 });
    open.push(map.descriptor);
    const key = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);
    for (const value of [1n, 2n, 3n]) map.set(key(value), key(value * 10n));
    expect(map.delete(key(2n))).toBe(true);
    expect(map.delete(key(2n))).toBe(false);
    const keys = [...map.keys()].map((bytes) => new BigUint64Array(bytes.buffer)[0]);
    expect(keys.sort()).toEqual([1n, 3n]);
  });

  it("that are frozen refuse writes by bpf(2)", (context) => {
    needsRoot(context);
    const map = array(8, mapFlags.readOnlyForPrograms);
    map.freeze();
    expect(() => map.set(new Uint8Array(4), new Uint8Array(8))).toThrow("writing a map: EPERM");
    expect(map.get(new Uint8Array(4))).toEqual(new Uint8Array(8));
  });
});

describe("programs", () => {
  it("run on a context, and have a description", (context) => {
    needsRoot(context);
    const descriptor = loadProgram(
      program([{ kind: "load", size: 4, destination: 0, base: 1, offset: 4 }, { kind: "exit" }]),
    );
    open.push(descriptor);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(4, 4711, true);
    expect(new TestRun(descriptor, bytes).run()).toBe(4711);
    const info = programInfo(descriptor);
    expect(info).toMatchObject({ type: 31, name: "trial", maps: 0, btf: 0, verifiedInstructions: 2 });
    expect(info.translatedSize).toBeGreaterThanOrEqual(16);
    expect(info.tag).toMatch(/^[0-9a-f]{16}$/);
  });

  it("that the verifier refuses report the reason and the instruction", (context) => {
    needsRoot(context);
    const bad = program([move(0, 0), { kind: "load", size: 8, destination: 0, base: 2, offset: 0 }, { kind: "exit" }]);
    let refusal: unknown;
    try {
      loadProgram(bad);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(VerifierError);
    if (!(refusal instanceof VerifierError)) return;
    expect(refusal.message).toBe("loading the program: EACCES: R2 !read_ok");
    expect(refusal).toMatchObject({ reason: "R2 !read_ok", instruction: 1 });
    expect(refusal.log).toContain("processed 2 insns");
  });

  it("are loaded again when a signal interrupts the verifier, a bounded number of times", () => {
    const results = [-11, -11, 7];
    expect(againWhileInterrupted(() => results.shift()!)).toBe(7);
    expect(againWhileInterrupted(() => -13)).toBe(-13);
    let attempts = 0;
    const interrupted = () => {
      attempts++;
      return -11;
    };
    expect(() => againWhileInterrupted(interrupted)).toThrow(InterruptedError);
    expect(() => againWhileInterrupted(interrupted)).toThrow(
      "loading the program: EAGAIN: interrupted by signals 5 times; nothing was refused",
    );
    expect(attempts).toBe(10);
  });

  it("load while signals come", async (context) => {
    needsRoot(context);
    // Long enough that signals arrive during verification: the verifier walks each round of the loop.
    const instructions: EbpfInstruction[] = [
      move(3, 0),
      { kind: "arithmetic", operator: "add", width: 64, destination: 3, source: { immediate: 1 } },
      { kind: "jump", condition: "less", width: 64, left: 3, right: { immediate: 150_000 }, target: 1 },
      move(0, 0),
      { kind: "exit" },
    ];
    const ignore = () => undefined;
    process.on("SIGUSR2", ignore);
    const script = `for i in 1 2 3; do sleep 0.02; kill -USR2 ${process.pid}; done`;
    const sender = spawn("/bin/sh", ["-c", script]);
    const ended = once(sender, "exit");
    try {
      open.push(loadProgram(program(instructions)));
    } finally {
      await ended;
      process.off("SIGUSR2", ignore);
    }
  });

  it("show the verifier's walk on request", (context) => {
    needsRoot(context);
    const { descriptor, log } = loadWithLog(program([move(0, 0), { kind: "exit" }]), logLevels.all);
    open.push(descriptor);
    expect(log).toContain("1: (95) exit");
  });
});

describe("a ring buffer", () => {
  const outputHelper = 130;
  const capacity = 4096;

  /** A program that writes the first 24 bytes of its context as a record and returns the helper's result. */
  function writer(): { readonly map: BpfMap; readonly write: (value: bigint) => number } {
    const map = new BpfMap({ type: mapTypes.ringBuffer, keySize: 0, valueSize: 0, capacity });
    const store = (offset: number): EbpfInstruction[] => [
      { kind: "load", size: 8, destination: 2, base: 1, offset: offset + 24 },
      { kind: "store", size: 8, base: 10, offset, source: { register: 2 } },
    ];
    const descriptor = loadProgram(
      program(
        [
          ...[-24, -16, -8].flatMap(store),
          { kind: "wide", destination: 1, value: { is: "map", map: 0 } },
          copy(2, 10),
          { kind: "arithmetic", operator: "add", width: 64, destination: 2, source: { immediate: -24 } },
          move(3, 24),
          move(4, 0),
          { kind: "call-helper", helper: outputHelper },
          { kind: "exit" },
        ],
        [map],
      ),
    );
    open.push(map.descriptor, descriptor);
    const words = new BigUint64Array(3);
    const run = new TestRun(descriptor, new Uint8Array(words.buffer));
    return {
      map,
      write(value) {
        words.set([value, value + 1n, value + 2n]);
        return run.run() | 0;
      },
    };
  }

  it("returns each record once and in order, also after wrapping around many times", (context) => {
    needsRoot(context);
    const { map, write } = writer();
    const reader = new RingBufferReader(map);
    expect([...reader.read()]).toEqual([]);
    expect(pollFor([reader.descriptor], 0)).toEqual([0]);
    let next = 0n;
    for (let round = 0; round < 300; round += 1) {
      const count = 1 + (round % 100);
      const first = next;
      for (let index = 0; index < count; index += 1) expect(write(next++)).toBe(0);
      expect(pollFor([reader.descriptor], 0)).toEqual([pollBits.in]);
      const records = [...reader.read()].map((bytes) => [...new BigUint64Array(bytes.buffer)]);
      const wanted = Array.from({ length: count }, (_, index) => {
        const value = first + BigInt(index);
        return [value, value + 1n, value + 2n];
      });
      expect(records).toEqual(wanted);
    }
  });

  it("refuses records when full, and accepts them again after a read", (context) => {
    needsRoot(context);
    const { map, write } = writer();
    const reader = new RingBufferReader(map);
    let written = 0;
    while (write(BigInt(written)) === 0) written += 1;
    expect(written).toBe(capacity / 32 - 1);
    expect([...reader.read()]).toHaveLength(written);
    expect(write(0n)).toBe(0);
    expect([...reader.read()]).toHaveLength(1);
  });

  it("is consumed as far as it is read", (context) => {
    needsRoot(context);
    const { map, write } = writer();
    const reader = new RingBufferReader(map);
    for (let index = 0; index < 3; index += 1) write(BigInt(index));
    for (const record of reader.read()) {
      expect(new BigUint64Array(record.buffer)[0]).toBe(0n);
      break;
    }
    expect([...reader.read()].map((record) => new BigUint64Array(record.buffer)[0])).toEqual([1n, 2n]);
  });

  it("hands over records where they are, and frees them", (context) => {
    needsRoot(context);
    const { map, write } = writer();
    const reader = new RingBufferReader(map);
    let next = 0n;
    for (let round = 0; round < 300; round += 1) {
      const first = next;
      const count = 1 + (round % 100);
      for (let index = 0; index < count; index += 1) expect(write(next++)).toBe(0);
      const values: bigint[] = [];
      const isWhole = reader.drain((view, offset, length) => {
        expect(length).toBe(24);
        values.push(view.getBigUint64(offset, true));
      });
      expect(isWhole).toBe(true);
      expect(values).toEqual(Array.from({ length: count }, (_, index) => first + BigInt(index)));
    }
  });

  it("reports that another reader has left it in the middle of a record, and continues behind", (context) => {
    needsRoot(context);
    const { map, write } = writer();
    const reader = new RingBufferReader(map);
    // Read as the header of a record, it would go beyond what was written.
    write(0x0fff_ffffn);
    new BigInt64Array(native().mapMemory(map.descriptor, 0, 4096, true) as ArrayBuffer)[0] = 8n;
    const taken: number[] = [];
    expect(reader.drain((_, offset) => void taken.push(offset))).toBe(false);
    expect(taken).toEqual([]);
    write(7n);
    expect(reader.drain((view, offset) => void taken.push(Number(view.getBigUint64(offset, true))))).toBe(true);
    expect(taken).toEqual([7]);
  });

  it("cannot be read from another kind of map", (context) => {
    needsRoot(context);
    expect(() => new RingBufferReader(array(8))).toThrow("not a ring buffer");
  });
});

describe("the kernel's functions", () => {
  it("have the ids that bpftool prints", (context) => {
    if (!existsSync("/sys/kernel/btf/vmlinux")) context.skip("this kernel has no type information of its own");
    const bpftool = ["/usr/sbin/bpftool", "/usr/bin/bpftool"].find(existsSync);
    if (bpftool === undefined) return context.skip("bpftool is not installed");
    const text = execFileSync(bpftool, ["btf", "dump", "file", "/sys/kernel/btf/vmlinux"], { maxBuffer: 1 << 30 });
    const names = ["bpf_task_from_pid", "bpf_rdonly_cast", "schedule", "bpf_no_such_function"];
    const wanted = names.flatMap((name): [string, number][] => {
      const found = new RegExp(`^\\[(\\d+)\\] FUNC '${name}'`, "m").exec(text.toString("latin1"));
      return found === null ? [] : [[name, Number(found[1])]];
    });
    expect(wanted).toHaveLength(3);
    expect([...kernelFunctions(names)].sort()).toEqual(wanted.sort());
  });

  it("are not looked up in truncated or invalid data", (context) => {
    if (!existsSync("/sys/kernel/btf/vmlinux")) context.skip("this kernel has no type information of its own");
    const whole = readFileSync("/sys/kernel/btf/vmlinux");
    expect(() => findFunctions(new Uint8Array(100), ["schedule"])).toThrow(RangeError);
    for (const length of [0, 23, 24, 1000, whole.length - 1])
      expect(() => findFunctions(whole.subarray(0, length), ["schedule"])).toThrow(RangeError);
    const head = whole.subarray(0, 4096);
    for (let at = 0; at < 64; at += 1) {
      const changed = new Uint8Array(head);
      changed[at]! ^= 0xff;
      try {
        findFunctions(changed, ["schedule"]);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });
});

describe("the probe", () => {
  it("agrees with other evidence of this kernel's features", (context) => {
    needsRoot(context);
    const features = probeFeatures();
    expect(features.trialPrograms).toBe("present");
    expect(features.ringBuffer).toBe("present");
    // One set of patches has both.
    expect(features.seccompAttach).toBe(features.seccompPrograms);
    const release = readFileSync("/proc/sys/kernel/osrelease", "utf8").split(".").map(Number);
    const since = (major: number, minor: number) =>
      release[0]! > major || (release[0] === major && release[1]! >= minor);
    if (since(6, 6)) expect(features.signedOperations).toBe("present");
    if (since(6, 9)) expect(features.mayGoto).toBe("present");
    if (since(5, 12)) expect(features.atomics).toBe("present");
  });

  it("leaves no descriptor open", (context) => {
    needsRoot(context);
    // Counts programs, maps and BTF only: the test runner opens and closes other files meanwhile.
    const open = () =>
      readdirSync("/proc/self/fd").flatMap((descriptor) => {
        try {
          const name = readlinkSync(`/proc/self/fd/${descriptor}`);
          return /^anon_inode:\[?(bpf|btf)/.test(name) ? [name] : [];
        } catch {
          return []; // Closed since the listing.
        }
      });
    probeFeatures();
    const before = open();
    probeFeatures();
    expect(open()).toEqual(before);
  });
});
