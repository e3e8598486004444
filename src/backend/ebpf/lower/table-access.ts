/**
 * Table accesses of a body, in the target's form:
 *
 * - calls of the operations in `tables/operations.ts`, if the program may have functions and loops;
 * - the same inlined, entry by entry, for lists, if it may not;
 * - the kernel's own hash maps, if the state's lock is held from the outside, so that helpers may be called.
 */
import type { Program } from "../../../ir/program.ts";
import type { BodyBuilder } from "../graph/builder.ts";
import { Block, type CallArgument, type GraphOperand, type Value } from "../graph/graph.ts";
import { valueOffset } from "../tables/operations.ts";
import { headerSize } from "../tables/shape.ts";
import { type EbpfTarget, type MapTable, type MemoryTable, TargetError } from "./target.ts";

/** `bpf_map_lookup_elem`, `bpf_map_update_elem`, `bpf_map_delete_elem` (include/uapi/linux/bpf.h). */
const helpers = { lookup: 1, update: 2, delete: 3 } as const;

export class TableAccess {
  readonly #program: Program;
  readonly #target: EbpfTarget;
  readonly #builder: BodyBuilder;

  constructor(program: Program, target: EbpfTarget, builder: BodyBuilder) {
    this.#program = program;
    this.#target = target;
    this.#builder = builder;
  }

  /** Ends the current block. */
  has(table: number, key: GraphOperand, then: Block, otherwise: Block): void {
    const place = this.#place(table);
    if (place.in === "memory" && !this.#target.functions) {
      this.#search(place, key, otherwise, () => this.#builder.goto(then));
      return;
    }
    const found = place.in === "map" ? this.#lookUp(place, key) : this.#call("find", place, key);
    this.#builder.branch("not-equal", found, { immediate: 0 }, then, otherwise);
  }

  /** Ends the current block: to `after` with the value in `into`, or to `absent`. */
  get(table: number, key: GraphOperand, into: Value, absent: Block, after: Block): void {
    const builder = this.#builder;
    const place = this.#place(table);
    if (place.in === "memory" && !this.#target.functions) {
      this.#search(place, key, absent, (entry) => {
        if (place.shape.holdsValues) builder.copy(this.#loadValue(place, entry), into);
        else builder.set(into, { immediate: 0 });
        builder.goto(after);
      });
      return;
    }
    const present = new Block();
    const found = place.in === "map" ? this.#lookUp(place, key) : this.#call("find", place, key);
    builder.branch("not-equal", found, { immediate: 0 }, present, absent);
    builder.current = present;
    const { holdsValues } = this.#program.tables[table]!;
    const offset = place.in === "map" ? 0 : valueOffset(place.shape);
    if (holdsValues) builder.copy(builder.load(8, found, offset), into);
    else builder.set(into, { immediate: 0 });
    builder.goto(after);
  }

  /** Ends the current block: to `after`, or to `full` where the key is absent and the table is full. */
  set(table: number, key: GraphOperand, value: GraphOperand, full: Block, after: Block): void {
    const place = this.#place(table);
    // A set's values are not read.
    if (place.in === "map" && !this.#program.tables[table]!.holdsValues)
      this.#setInMap(place, key, { immediate: 0 }, full, after);
    else if (place.in === "map") this.#setInMap(place, key, value, full, after);
    else if (this.#target.functions)
      this.#builder.branch(
        "equal",
        this.#call("set", place, key, ...(place.shape.holdsValues ? [value] : [])),
        { immediate: 0 },
        full,
        after,
      );
    else this.#setWrittenOut(place, key, value, full, after);
  }

  delete(table: number, key: GraphOperand): void {
    const place = this.#place(table);
    if (place.in === "map") {
      const { map, key: address } = this.#mapArguments(place, key);
      this.#builder.callHelper(helpers.delete, map, address);
    } else if (this.#target.functions) this.#call("delete", place, key);
    else this.#deleteWrittenOut(place, key);
  }

  #place(table: number): MemoryTable | MapTable {
    const place = this.#target.table(this.#program, table);
    if ("in" in place) return place;
    const { name, at } = this.#program.tables[table]!;
    throw new TargetError(this.#target, `the table \`${name}\``, place.impossible, { at });
  }

  // ── Functions ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #call(does: "find" | "set" | "delete", { region, offset, shape }: MemoryTable, ...words: GraphOperand[]): Value {
    const builder = this.#builder;
    const state = builder.state.get(region)!;
    const address = { addressOf: builder.baseValue(state.base), offset: state.offset + offset };
    const secret = this.#target.tableSecret;
    if (secret === undefined) throw new TypeError("a target with functions must have a secret for hashed tables");
    return builder.callOperation({ does, shape, secret }, address, ...words);
  }

  // ── The kernel's maps ─────────────────────────────────────────────────────────────────────────────────────────────

  #mapArguments({ map }: MapTable, key: GraphOperand): { readonly map: CallArgument; readonly key: CallArgument } {
    const room = this.#builder.stackRoom(8);
    this.#builder.store(8, "stack", room, key);
    return { map: { wide: { is: "map", map } }, key: { stackAddress: room } };
  }

  #lookUp(place: MapTable, key: GraphOperand): Value {
    const { map, key: address } = this.#mapArguments(place, key);
    return this.#builder.callHelper(helpers.lookup, map, address);
  }

  #setInMap(place: MapTable, key: GraphOperand, value: GraphOperand, full: Block, after: Block): void {
    const builder = this.#builder;
    const { map, key: address } = this.#mapArguments(place, key);
    const found = builder.callHelper(helpers.lookup, map, address);
    const [present, absent] = [new Block(), new Block()];
    builder.branch("not-equal", found, { immediate: 0 }, present, absent);
    builder.current = present;
    builder.store(8, found, 0, value);
    builder.goto(after);
    builder.current = absent;
    const room = builder.stackRoom(8);
    builder.store(8, "stack", room, value);
    // If the kernel refuses the insertion (E2BIG for a full map), the key is absent and the policy gets `full`.
    const result = builder.callHelper(helpers.update, map, address, { stackAddress: room }, { immediate: 0 });
    builder.branch("not-equal", result, { immediate: 0 }, full, after);
  }

  // ── Written out ───────────────────────────────────────────────────────────────────────────────────────────────────

  #state({ region, offset }: MemoryTable): { readonly base: Value; readonly offset: number } {
    const state = this.#builder.state.get(region)!;
    return { base: this.#builder.baseValue(state.base), offset: state.offset + offset };
  }

  #loadKey(place: MemoryTable, entry: number): Value {
    const { base, offset } = this.#state(place);
    return this.#builder.load(8, base, offset + headerSize + 8 * entry);
  }

  #storeKey(place: MemoryTable, entry: number, key: GraphOperand): void {
    const { base, offset } = this.#state(place);
    this.#builder.store(8, base, offset + headerSize + 8 * entry, key);
  }

  #valueOffset({ shape }: MemoryTable, entry: number): number {
    return headerSize + 8 * (shape.capacity + entry);
  }

  #loadValue(place: MemoryTable, entry: number): Value {
    const { base, offset } = this.#state(place);
    return this.#builder.load(8, base, offset + this.#valueOffset(place, entry));
  }

  #storeValue(place: MemoryTable, entry: number, value: GraphOperand): void {
    if (!place.shape.holdsValues) return;
    const { base, offset } = this.#state(place);
    this.#builder.store(8, base, offset + this.#valueOffset(place, entry), value);
  }

  #loadCount(place: MemoryTable): Value {
    const { base, offset } = this.#state(place);
    return this.#builder.load(8, base, offset);
  }

  #storeCount(place: MemoryTable, count: GraphOperand): void {
    const { base, offset } = this.#state(place);
    this.#builder.store(8, base, offset, count);
  }

  /** Tests one entry after the other; `found` fills the block for the entry with the key. */
  #search(place: MemoryTable, key: GraphOperand, absent: Block, found: (entry: number) => void): void {
    const builder = this.#builder;
    const count = this.#loadCount(place);
    for (let entry = 0; entry < place.shape.capacity; entry += 1) {
      const [taken, same, next] = [new Block(), new Block(), new Block()];
      builder.branch("at-most", count, { immediate: entry }, absent, taken);
      builder.current = taken;
      builder.branch("equal", this.#loadKey(place, entry), key, same, next);
      builder.current = same;
      found(entry);
      builder.current = next;
    }
    builder.goto(absent);
  }

  #setWrittenOut(place: MemoryTable, key: GraphOperand, value: GraphOperand, full: Block, after: Block): void {
    const builder = this.#builder;
    const count = this.#loadCount(place);
    for (let entry = 0; entry < place.shape.capacity; entry += 1) {
      const [taken, free, same, next] = [new Block(), new Block(), new Block(), new Block()];
      builder.branch("equal", count, { immediate: entry }, free, taken);
      builder.current = free;
      this.#storeKey(place, entry, key);
      this.#storeValue(place, entry, value);
      this.#storeCount(place, { immediate: entry + 1 });
      builder.goto(after);
      builder.current = taken;
      builder.branch("equal", this.#loadKey(place, entry), key, same, next);
      builder.current = same;
      this.#storeValue(place, entry, value);
      builder.goto(after);
      builder.current = next;
    }
    builder.goto(full);
  }

  /** Moves all entries after this one down. Unused entries may move too; they are never read. */
  #deleteWrittenOut(place: MemoryTable, key: GraphOperand): void {
    const builder = this.#builder;
    const { capacity, holdsValues } = place.shape;
    const after = new Block();
    const moves = Array.from({ length: capacity }, () => new Block());
    this.#search(place, key, after, (entry) => builder.goto(moves[entry]!));
    moves.forEach((move, entry) => {
      builder.current = move;
      if (entry < capacity - 1) {
        this.#storeKey(place, entry, { value: this.#loadKey(place, entry + 1) });
        if (holdsValues) this.#storeValue(place, entry, { value: this.#loadValue(place, entry + 1) });
        builder.goto(moves[entry + 1]!);
      } else {
        const less = builder.arithmetic("subtract", this.#loadCount(place), { immediate: 1 });
        this.#storeCount(place, { value: less });
        builder.goto(after);
      }
    });
    builder.current = after;
  }
}
