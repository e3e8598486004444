/**
 * The functions that a program calls in the interpreter for tests: helpers of bpf(2), and kernel functions of seccomp
 * programs (kernel/patches).
 */

import { maximumHalf } from "../../../abi/word.ts";
import { withEntered } from "../../../ir/evaluation.ts";
import type { Register } from "../instructions/instruction.ts";
import type { EbpfMachine, MachineMemory, SeccompKernel } from "./machine.ts";
import { Budget, matchTexts } from "./match-texts.ts";

/** `enum bpf_func_id` (include/uapi/linux/bpf.h). */
const helpers = { lookup: 1, update: 2, remove: 3, now: 5, lock: 93, unlock: 94, reserve: 131, submit: 132 } as const;

const [eperm, enoent, e2big] = [-1n, -2n, -7n].map((errno) => BigInt.asUintN(64, errno)) as [bigint, bigint, bigint];

/** A function's result is undefined if it returns nothing. */
export class CalledFunctions {
  readonly #machine: EbpfMachine;
  readonly #memory: MachineMemory;
  /** The value of a register, which must be set. */
  readonly #read: (register: Register) => bigint;
  #held: bigint | undefined;
  #matched: Budget | undefined;

  constructor(machine: EbpfMachine, memory: MachineMemory, read: (register: Register) => bigint) {
    this.#machine = machine;
    this.#memory = memory;
    this.#read = read;
  }

  get holdsLock(): boolean {
    return this.#held !== undefined;
  }

  helper(helper: number): bigint | undefined {
    const { kernel } = this.#machine;
    if (this.#held !== undefined && helper !== helpers.unlock)
      throw new Error(`helper ${helper} is called under the lock`);
    if (helper === helpers.lookup) return this.#lookup();
    if (helper === helpers.update) return this.#update();
    if (helper === helpers.remove) return this.#remove();
    if (kernel === undefined && helper === helpers.lock) return this.#lock();
    if (kernel === undefined && helper === helpers.unlock) return this.#unlock();
    if (kernel !== undefined && helper === helpers.now) return kernel.now;
    if (kernel !== undefined && helper === helpers.reserve) return this.#reserve(kernel);
    if (kernel !== undefined && helper === helpers.submit) return this.#submit(kernel);
    throw new Error(`helper ${helper} is not known here`);
  }

  kernelFunction(name: string): bigint {
    const { kernel } = this.#machine;
    const model = kernel === undefined ? undefined : this.#kernelFunctions[name];
    if (model === undefined) throw new Error(`kernel function ${name} is not known here`);
    return model(kernel!);
  }

  // ── Maps, the ring buffer, and the lock ───────────────────────────────────────────────────────────────────────────

  #lookup(): bigint {
    const { index: position, map } = this.#memory.mapOf(this.#read(1));
    const { bytes, valueSize, keys } = map;
    const key = this.#read(2);
    const index = keys === undefined ? Number(this.#memory.load(key, 4)) : keys.get(this.#memory.load(key, 8));
    if (index === undefined || (index + 1) * valueSize > bytes.length) return 0n;
    return this.#memory.mapAddress(position, index * valueSize);
  }

  /** Updates an entry of a hash map with values of 8 bytes. */
  #update(): bigint {
    const { bytes, keys } = this.#memory.mapOf(this.#read(1)).map;
    const key = this.#memory.load(this.#read(2), 8);
    const taken = new Set(keys!.values());
    let index = keys!.get(key) ?? 0;
    while (!keys!.has(key) && taken.has(index)) index += 1;
    if (8 * index >= bytes.length) return e2big;
    keys!.set(key, index);
    new BigUint64Array(bytes.buffer)[index] = this.#memory.load(this.#read(3), 8);
    return 0n;
  }

  /** Removes an entry of a hash map. */
  #remove(): bigint {
    const { keys } = this.#memory.mapOf(this.#read(1)).map;
    return keys!.delete(this.#memory.load(this.#read(2), 8)) ? 0n : enoent;
  }

  #reserve(kernel: SeccompKernel): bigint {
    if (kernel.records.length + this.#memory.openRecords >= kernel.mostRecords) return 0n;
    return this.#memory.reserveRecord(Number(this.#read(2)));
  }

  #submit(kernel: SeccompKernel): undefined {
    const record = this.#memory.takeRecord(this.#read(1));
    if (record === undefined) throw new Error("no record is submitted");
    kernel.records.push(record);
  }

  #lock(): undefined {
    if (this.#held !== undefined) throw new Error("a lock inside a lock");
    this.#held = this.#read(1);
  }

  #unlock(): undefined {
    if (this.#read(1) !== this.#held) throw new Error("this lock is not held");
    this.#held = undefined;
  }

  // ── Functions of the kernel ───────────────────────────────────────────────────────────────────────────────────────

  readonly #kernelFunctions: Readonly<Record<string, (kernel: SeccompKernel) => bigint>> = {
    bpf_seccomp_state: ({ states }) => {
      const [index, size] = [Number(this.#read(1)), Number(this.#read(2))];
      const state = states?.[index];
      return state === undefined || size > state.length ? 0n : this.#memory.stateAddress(index);
    },
    bpf_seccomp_pid_tgid: ({ who }) => who,
    bpf_seccomp_uid_gid: ({ owner }) => owner,
    bpf_seccomp_alive: (kernel) => (this.#hasState(kernel) ? BigInt(kernel.alive) : 0n),
    bpf_seccomp_expect_child: (kernel) => {
      if (!this.#hasState(kernel)) return 0n;
      kernel.expectsChild = true;
      return BigInt(kernel.alive);
    },
    bpf_seccomp_enter: (kernel) => {
      const next = { room: Number(this.#read(1)), side: Number(this.#read(2)) };
      const entered = withEntered(kernel.entered ?? [], next);
      if (entered !== undefined) kernel.entered = entered;
      // An int: the upper half of the register has no meaning.
      return entered === undefined ? 0x1234_5678_ffff_ffean : 0x1234_5678_0000_0000n;
    },
    bpf_seccomp_arg: (kernel) => this.#part(kernel),
    bpf_seccomp_arg_match: (kernel) => this.#match(kernel),
    bpf_seccomp_arg_len: (kernel) => this.#count(kernel, true),
    bpf_seccomp_arg_parts: (kernel) => this.#count(kernel, false),
  };

  /** Whether the program has the state object of this index. */
  #hasState({ states }: SeccompKernel): boolean {
    return states?.[Number(this.#read(1))] !== undefined;
  }

  #part({ copies }: SeccompKernel): bigint {
    const [copy, index, size] = [copies?.get(Number(this.#read(1))), Number(this.#read(2)), Number(this.#read(3))];
    const text = copy?.parts[index];
    if (copy === undefined || text === undefined || copy.hidden === true || size === 0 || size > copy.size) return 0n;
    return this.#memory.addCopy(laidOut(copy.parts, index, size));
  }

  #match({ copies, locked }: SeccompKernel): bigint {
    const [argument, index, offset, map, at] = ([1, 2, 3, 4, 5] as const).map((register) => this.#read(register));
    const copy = copies?.get(Number(argument));
    if (copy === undefined) return enoent;
    if (copy.hidden === true) return eperm;
    const table = this.#memory.mapOf(map!).map.bytes.subarray(Number(at));
    const isAll = BigInt.asUintN(32, index!) === maximumHalf;
    const texts = (isAll ? copy.parts : copy.parts.slice(Number(index), Number(index) + 1))
      .filter(({ length }) => length >= Number(offset))
      .map((one) => one.subarray(Number(offset)));
    this.#matched ??= new Budget(locked);
    return BigInt.asUintN(64, matchTexts(table, texts, this.#matched));
  }

  /** The length of a part, or the number of parts. */
  #count({ copies }: SeccompKernel, ofPart: boolean): bigint {
    const copy = copies?.get(Number(this.#read(1)));
    if (copy?.hidden === true) return eperm;
    const length = ofPart ? copy?.parts[Number(this.#read(2))]?.length : copy?.parts.length;
    return length === undefined ? enoent : BigInt(length);
  }
}

/** Behind the end of a part, up to a multiple of 8, are zeros; then the next one. */
function laidOut(parts: readonly Uint8Array[], first: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const text of parts.slice(first)) {
    if (at >= size) break;
    bytes.set(text.subarray(0, size - at), at);
    at += (text.length + 8) & ~7;
  }
  return bytes;
}
