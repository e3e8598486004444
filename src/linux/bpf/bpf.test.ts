/** bpf(2) on the running kernel. Nothing is attached: programs are run by BPF_PROG_TEST_RUN alone. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterEach, describe, expect, it, type TestContext } from "vitest";
import { type EbpfInstruction, encode } from "../../compile/ebpf/instructions/instruction.ts";
import {
  BpfMap,
  findFunctions,
  kernelFunctions,
  loadProgram,
  loadWithLog,
  logLevels,
  mapFlags,
  mapInfo,
  mapTypes,
  probeFeatures,
  programFlags,
  programInfo,
  programTypes,
  RingBufferReader,
  TestRun,
  VerifierError,
} from "../bpf.ts";
import { close, pollBits, pollFor } from "../descriptors.ts";
import { againWhileInterrupted, InterruptedError } from "./programs.ts";

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
  it("keep values, tell what they are, and say what is absent", (context) => {
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

  it("with keys of any kind can be walked and lose keys", (context) => {
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

  it("that are frozen take nothing from outside", (context) => {
    needsRoot(context);
    const map = array(8, mapFlags.readOnlyForPrograms);
    map.freeze();
    expect(() => map.set(new Uint8Array(4), new Uint8Array(8))).toThrow("writing a map: EPERM");
    expect(map.get(new Uint8Array(4))).toEqual(new Uint8Array(8));
  });
});

describe("programs", () => {
  it("run on their context, and are told of", (context) => {
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

  it("that the verifier refuses say why, and at which instruction", (context) => {
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
    expect(refusal).toMatchObject({ telling: "R2 !read_ok", instruction: 1 });
    expect(refusal.log).toContain("processed 2 insns");
  });

  it("are tried again where a signal interrupts the verifier, and not for ever", () => {
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
    // Long enough to verify that the signals meet the verifier at work: each turn of the loop is walked.
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

  /** A program that writes its context's first 24 bytes as a record; it returns what the helper does. */
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

  it("gives what programs write, in order, round its end many times, and nothing twice", (context) => {
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

  it("that is full refuses, and takes again what fits once it is read", (context) => {
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

  it("is read as far as somebody asks", (context) => {
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

  it("of another kind of map is none", (context) => {
    needsRoot(context);
    expect(() => new RingBufferReader(array(8))).toThrow("no ring buffer");
  });
});

describe("the kernel's functions", () => {
  it("have the numbers that bpftool gives them", (context) => {
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

  it("are not looked for in what is cut or is something else", (context) => {
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
  it("finds what this kernel shows in other ways", (context) => {
    needsRoot(context);
    const features = probeFeatures();
    expect(features.trialPrograms).toBe("present");
    expect(features.ringBuffer).toBe("present");
    // Both come from one set of patches.
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
    // Programs, maps and BTF: of other files whoever runs the tests opens and closes some meanwhile.
    const open = () =>
      readdirSync("/proc/self/fd").flatMap((descriptor) => {
        try {
          const name = readlinkSync(`/proc/self/fd/${descriptor}`);
          return /^anon_inode:\[?(bpf|btf)/.test(name) ? [name] : [];
        } catch {
          return []; // Closed since the list was made.
        }
      });
    probeFeatures();
    const before = open();
    probeFeatures();
    expect(open()).toEqual(before);
  });
});
