/** Tests how records of a ring buffer become calls: with their memory, with gaps, and where they are damaged. */
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../linux/architecture.ts";
import { errno } from "../../linux/errno-numbers.ts";
import { CallRecords, type CopiedMemory, keyOf, type RecordedCall, readOf } from "./call-records.ts";
import { declaredReads } from "./declarations.ts";
import { callSize, layout, memorySize } from "./layout.ts";

const reads = declaredReads("x86_64");
const nativeAbi = auditArchitecture.x86_64;
const base = 5_000_000_000n;
const [getppid, openat, rename, execve] = [110, 257, 82, 59];

interface Given {
  readonly serial: number;
  readonly number?: number;
  readonly abi?: number;
  /** The lengths of memories, and whether bytes follow. */
  readonly memories?: readonly (readonly [length: number, copied: boolean])[];
}

function callBytes({ serial, number = getppid, abi = nativeAbi, memories = [] }: Given): Uint8Array {
  const bytes = new Uint8Array(callSize);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(layout.time, base + BigInt(1000 * serial), true);
  view.setBigUint64(layout.serial, BigInt(serial), true);
  view.setUint32(layout.task, 7, true);
  view.setUint32(layout.task + 4, 6, true);
  view.setUint32(layout.former, 7, true);
  view.setUint32(layout.call, number, true);
  view.setUint32(layout.call + 4, abi, true);
  view.setUint32(layout.call + 16, 0xaa, true);
  memories.forEach(([length, copied], index) => {
    view.setInt32(layout.memory + memorySize * index, length, true);
    view.setUint32(layout.memory + memorySize * index + 4, copied ? 1 : 0, true);
  });
  return bytes;
}

/** The calls of the records: their serials with the bytes of their memories, and "lost N". */
function replayed(records: readonly Uint8Array[], dropped = 0): string[] {
  const seen: string[] = [];
  const reader = new CallRecords(
    { base, nativeAbi, reads },
    {
      call: ({ serial, memories }) => seen.push([serial, ...memories.map(({ bytes }) => bytes ?? "?")].join(" ")),
      lost: (count) => seen.push(`lost ${count}`),
    },
  );
  for (const bytes of records) reader.take(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length);
  reader.end(dropped, 0);
  return seen;
}
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, "latin1"));

describe("records of a ring buffer", () => {
  it("are calls with their tasks, times and registers", () => {
    let seen: RecordedCall | undefined;
    const reader = new CallRecords(
      { base, nativeAbi, reads },
      {
        call: (call) => {
          seen = { ...call };
        },
        lost: () => {},
      },
    );
    const bytes = callBytes({ serial: 1 });
    reader.take(new DataView(bytes.buffer), 0, bytes.length);
    expect(seen).toMatchObject({ tid: 7, process: 6, time: 1000, number: getppid, former: 7, maker: 0, creation: 0 });
    expect(seen!.registers[0]).toBe(0xaa);
  });

  it("have the memory of the call before the next one", () => {
    const records = [
      callBytes({ serial: 1, number: openat, memories: [[3, true]] }),
      text("/a\xff"),
      callBytes({
        serial: 2,
        number: rename,
        memories: [
          [2, true],
          [-errno.EPERM, false],
        ],
      }),
      text("/b"),
      callBytes({ serial: 3 }),
    ];
    expect(replayed(records)).toEqual(["1 /a\xff", "2 /b ?", "3"]);
  });

  it("of another ABI have none", () => {
    expect(replayed([callBytes({ serial: 1, number: openat, abi: 0x4000_0003, memories: [[3, true]] })])).toEqual([
      "1",
    ]);
  });

  it("show by their gaps how many found no room, at the end as well", () => {
    expect(replayed([callBytes({ serial: 1 }), callBytes({ serial: 5 })], 3)).toEqual(["1", "lost 3", "5"]);
    expect(replayed([callBytes({ serial: 1 }), callBytes({ serial: 3 })], 9)).toEqual(["1", "lost 1", "3", "lost 8"]);
    expect(replayed([], 4)).toEqual(["lost 4"]);
  });

  it("that another reader has overwritten are dropped, and their calls counted", () => {
    const opened = callBytes({ serial: 2, number: openat, memories: [[3, true]] });
    // Its bytes are gone; an older call; nonsense; a call with a serial that cannot be.
    expect(replayed([callBytes({ serial: 1 }), opened, callBytes({ serial: 3 })])).toEqual(["1", "2 ?", "3"]);
    expect(replayed([callBytes({ serial: 8 }), callBytes({ serial: 2 }), text("?"), callBytes({ serial: 9 })])).toEqual(
      ["lost 7", "8", "9"],
    );
    expect(replayed([new Uint8Array(callSize).fill(255), callBytes({ serial: 1 })])).toEqual(["1"]);
    expect(replayed([new Uint8Array(0), new Uint8Array(callSize), text("abc")])).toEqual([]);
    expect(replayed([opened])).toEqual(["lost 1", "2 ?"]);
  });

  it("that are any bytes never end the reader", () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 48_271) + 11) >>> 0;
      return state >>> 8;
    };
    for (let round = 0; round < 2000; round++) {
      const records = Array.from({ length: 1 + (random() % 6) }, () => {
        const bytes =
          random() % 2 === 0
            ? callBytes({
                serial: random() % 9,
                number: [openat, rename, execve][random() % 3]!,
                memories: [[5, true]],
              })
            : new Uint8Array(random() % 200);
        for (let faults = random() % 4; faults > 0 && bytes.length > 0; faults--)
          bytes[random() % bytes.length] = random();
        return bytes;
      });
      expect(replayed(records).length).toBeLessThanOrEqual(3 * records.length + 1);
    }
  });
});

describe("copied memory", () => {
  const of = (number: number, index: number, memory: CopiedMemory) => readOf(reads.get(number)![index]!, memory);
  const strings = (...texts: readonly string[]) => texts.map((one) => one.padEnd((one.length + 8) & ~7, "\0")).join("");

  it("is a text, absent, or unknown", () => {
    const bytes = text("/etc");
    expect(of(openat, 0, { length: 4, bytes: "/etc" })).toEqual({
      is: "texts",
      entries: [{ bytes, isCut: false }],
      isCut: false,
    });
    expect(of(openat, 0, { length: 5000, bytes: "/etc" })).toMatchObject({ entries: [{ isCut: true }] });
    expect(of(openat, 0, { length: 0, bytes: undefined })).toMatchObject({ entries: [{ bytes: text("") }] });
    expect(of(openat, 0, { length: 4, bytes: undefined })).toBeUndefined();
    expect(of(openat, 0, { length: -errno.EPERM, bytes: undefined })).toBeUndefined();
    expect(of(execve, 1, { length: -errno.ENOENT, bytes: undefined })).toEqual({ is: "absent" });
  });

  it("is a list of texts that stand at multiples of eight bytes", () => {
    const list = ["git", "", "12345678", "log"];
    const copied = `${strings(...list)}${"\0".repeat(64)}`;
    const found = of(execve, 1, { length: 4, bytes: copied });
    expect(found).toEqual({
      is: "texts",
      entries: list.map((one) => ({ bytes: text(one), isCut: false })),
      isCut: false,
    });
    expect(of(execve, 1, { length: 0, bytes: undefined })).toMatchObject({ entries: [], isCut: false });
    expect(of(execve, 1, { length: 2, bytes: "12345678" })).toMatchObject({ entries: [{ isCut: true }], isCut: true });
    expect(of(execve, 1, { length: 3, bytes: strings("a", "b") })).toMatchObject({ isCut: true });
  });

  it("has a key that tells it from other memory", () => {
    const keys = [
      [{ length: 2, bytes: "ab" }],
      [{ length: 3, bytes: "ab" }],
      [{ length: 2, bytes: undefined }],
      [
        { length: 1, bytes: "a" },
        { length: 1, bytes: "b" },
      ],
    ].map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

it.each(["x86_64", "aarch64"] as const)("the program's reads on %s fit the records and the kernel's limits", (name) => {
  for (const ofCall of declaredReads(name).values()) {
    expect(ofCall.length).toBeLessThanOrEqual((callSize - layout.memory) / memorySize);
    for (const { declared } of ofCall) expect(declared.size % 8).toBe(0);
  }
});
