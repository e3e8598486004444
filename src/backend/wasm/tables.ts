/**
 * Tables in linear memory: open addressing with linear probing, at most two thirds full, deletion by shifting back (so
 * there are no tombstones to fill up). A bucket is a key, and a value where the table holds values. A zero key marks an
 * empty bucket; the key 0 itself is in the table's head. Zeroed memory is an empty table.
 *
 * The confined program chooses the keys, so it must not be able to make them collide. The bucket of a key is a mixture
 * with three secret words, made anew at each launch: ((key ^ a) * b), folded, times c, of which the high bits count.
 * With a random odd c, any two keys meet with a probability of about 2 in the number of buckets (multiply-shift is
 * universal: Dietzfelbinger et al. 1997), and the secret multiplication before it leaves no way to prepare a set of keys
 * with the structure for which linear probing degrades under multiply-shift alone. What leaks is time: a longer probe
 * costs nanoseconds within a call of microseconds. And where all fails the result stays right: a probe ends at an empty
 * bucket, of which there is always one, and the worst walk is the table once, 65,536 keys in some 50 µs, paid by the
 * caller's own tree.
 */
import type { EncodedFunction } from "./encoding.ts";
import { FunctionBuilder } from "./function-builder.ts";
import { bucketSize, tableHeaderSize } from "./layout.ts";

export type TableOperation = "has" | "get" | "set" | "delete";

/** Function indexes of the operations on one kind of table. */
export interface TableFunctions {
  /** Functions in the order of their indexes, from `first` on. */
  readonly functions: readonly EncodedFunction[];
  readonly index: { readonly [O in TableOperation]: number };
}

/** Parameters common to all: the table's address, its number of buckets, the key. */
const table = 0;
const buckets = 1;
const key = 2;

/** `secret` is the address of the secret words, `first` the index of the first function. */
export function tableFunctions(secret: number, holdsValues: boolean, first: number): TableFunctions {
  const shape: Shape = {
    secret,
    holdsValues,
    header: tableHeaderSize(holdsValues),
    bucket: bucketSize(holdsValues),
    home: first,
    find: first + 1,
  };
  return {
    functions: [home(shape), find(shape), has(shape), get(shape), set(shape), remove(shape)],
    index: { has: first + 2, get: first + 3, set: first + 4, delete: first + 5 },
  };
}

interface Shape {
  readonly secret: number;
  readonly holdsValues: boolean;
  readonly header: number;
  readonly bucket: number;
  /** Function indexes. */
  readonly home: number;
  readonly find: number;
}

const countOffset = 0;
const zeroPresentOffset = 4;
const zeroValueOffset = 8;

/** home(table, buckets, key): the address of the key's home bucket. */
function home(shape: Shape): EncodedFunction {
  const code = new FunctionBuilder(["i32", "i32", "i64"], ["i32"]);
  const mixed = code.local("i64");
  const secretWord = (index: number) => {
    code.i32(0);
    code.memory("i64.load", shape.secret + index * 8);
  };
  code.get(key);
  secretWord(0);
  code.emit("i64.xor");
  secretWord(1);
  code.emit("i64.mul");
  code.tee(mixed);
  code.get(mixed);
  code.i64(32n);
  code.emit("i64.shr_u", "i64.xor");
  secretWord(2);
  code.emit("i64.mul");
  // The high half as a fraction of the number of buckets.
  code.i64(32n);
  code.emit("i64.shr_u");
  code.get(buckets);
  code.emit("i64.extend_i32_u", "i64.mul");
  code.i64(32n);
  code.emit("i64.shr_u", "i32.wrap_i64");
  code.i32(shape.bucket);
  code.emit("i32.mul");
  code.get(table);
  code.emit("i32.add");
  code.i32(shape.header);
  code.emit("i32.add");
  return code.finish();
}

/** find(table, buckets, key ≠ 0): the address of the key's bucket, or of the empty bucket that ends its probe. */
function find(shape: Shape): EncodedFunction {
  const code = new FunctionBuilder(["i32", "i32", "i64"], ["i32"]);
  const at = code.local("i32");
  const found = code.local("i64");
  code.get(table);
  code.get(buckets);
  code.get(key);
  code.call(shape.home);
  code.set(at);
  const probe = code.loop();
  code.get(at);
  code.memory("i64.load", 0);
  code.tee(found);
  code.get(key);
  code.emit("i64.eq");
  code.get(found);
  code.emit("i64.eqz", "i32.or");
  code.if();
  code.get(at);
  code.emit("return");
  code.end();
  next(code, shape, at);
  code.branch(probe);
  code.end();
  code.emit("unreachable");
  return code.finish();
}

/** The bucket after `at`, with wrap-around. */
function next(code: FunctionBuilder, shape: Shape, at: number): void {
  const first = () => {
    code.get(table);
    code.i32(shape.header);
    code.emit("i32.add");
  };
  first();
  code.get(at);
  code.i32(shape.bucket);
  code.emit("i32.add");
  code.tee(at);
  code.get(at);
  first();
  span(code, shape);
  code.emit("i32.add", "i32.eq", "select");
  code.set(at);
}

/** The bytes of all buckets. */
function span(code: FunctionBuilder, shape: Shape): void {
  code.get(buckets);
  code.i32(shape.bucket);
  code.emit("i32.mul");
}

function loadWord(code: FunctionBuilder, address: number, offset: number): void {
  code.get(address);
  code.memory("i32.load", offset);
}

/** Adds `change` to the number of keys. */
function recount(code: FunctionBuilder, change: 1 | -1): void {
  code.get(table);
  loadWord(code, table, countOffset);
  code.i32(change);
  code.emit("i32.add");
  code.memory("i32.store", countOffset);
}

function findKey(code: FunctionBuilder, shape: Shape): void {
  code.get(table);
  code.get(buckets);
  code.get(key);
  code.call(shape.find);
}

/** has(table, buckets, key): 0 or 1. */
function has(shape: Shape): EncodedFunction {
  const code = new FunctionBuilder(["i32", "i32", "i64"], ["i32"]);
  code.get(key);
  code.emit("i64.eqz");
  code.if("i32");
  loadWord(code, table, zeroPresentOffset);
  code.else();
  findKey(code, shape);
  code.memory("i64.load", 0);
  code.emit("i64.eqz", "i32.eqz");
  code.end();
  return code.finish();
}

/** get(table, buckets, key, otherwise): the key's value, or `otherwise`. A set's keys have the value 0. */
function get(shape: Shape): EncodedFunction {
  const code = new FunctionBuilder(["i32", "i32", "i64", "i64"], ["i64"]);
  const otherwise = 3;
  const at = code.local("i32");
  const value = (address: number, offset: number) => {
    if (!shape.holdsValues) return code.i64(0n);
    code.get(address);
    code.memory("i64.load", offset);
  };
  code.get(key);
  code.emit("i64.eqz");
  code.if("i64");
  value(table, zeroValueOffset);
  code.get(otherwise);
  loadWord(code, table, zeroPresentOffset);
  code.emit("select");
  code.else();
  findKey(code, shape);
  code.set(at);
  value(at, 8);
  code.get(otherwise);
  code.get(at);
  code.memory("i64.load", 0);
  code.emit("i64.eqz", "i32.eqz", "select");
  code.end();
  return code.finish();
}

/** set(table, buckets, key, value, capacity): 1 if the table was full and nothing was changed, else 0. */
function set(shape: Shape): EncodedFunction {
  const code = new FunctionBuilder(["i32", "i32", "i64", "i64", "i32"], ["i32"]);
  const value = 3;
  const capacity = 4;
  const at = code.local("i32");
  const returnIfFull = () => {
    loadWord(code, table, countOffset);
    code.get(capacity);
    code.emit("i32.eq");
    code.if();
    code.i32(1);
    code.emit("return");
    code.end();
  };
  code.get(key);
  code.emit("i64.eqz");
  code.if();
  loadWord(code, table, zeroPresentOffset);
  code.emit("i32.eqz");
  code.if();
  returnIfFull();
  recount(code, 1);
  code.get(table);
  code.i32(1);
  code.memory("i32.store", zeroPresentOffset);
  code.end();
  if (shape.holdsValues) {
    code.get(table);
    code.get(value);
    code.memory("i64.store", zeroValueOffset);
  }
  code.i32(0);
  code.emit("return");
  code.end();

  findKey(code, shape);
  code.tee(at);
  code.memory("i64.load", 0);
  code.emit("i64.eqz");
  code.if();
  returnIfFull();
  recount(code, 1);
  code.get(at);
  code.get(key);
  code.memory("i64.store", 0);
  code.end();
  if (shape.holdsValues) {
    code.get(at);
    code.get(value);
    code.memory("i64.store", 8);
  }
  code.i32(0);
  return code.finish();
}

/** delete(table, buckets, key). */
function remove(shape: Shape): EncodedFunction {
  const code = new FunctionBuilder(["i32", "i32", "i64"], []);
  const hole = code.local("i32");
  const scan = code.local("i32");
  const moved = code.local("i64");
  code.get(key);
  code.emit("i64.eqz");
  code.if();
  loadWord(code, table, zeroPresentOffset);
  code.if();
  code.get(table);
  code.i32(0);
  code.memory("i32.store", zeroPresentOffset);
  recount(code, -1);
  code.end();
  code.emit("return");
  code.end();

  findKey(code, shape);
  code.tee(hole);
  code.memory("i64.load", 0);
  code.emit("i64.eqz");
  code.if();
  code.emit("return");
  code.end();
  recount(code, -1);

  // Walks to the next empty bucket. A key moves into the hole if the hole is on its probe, that is, if it is at least
  // as far from its home as from the hole; its bucket is then the hole.
  code.get(hole);
  code.set(scan);
  const done = code.block();
  const walk = code.loop();
  next(code, shape, scan);
  code.get(scan);
  code.memory("i64.load", 0);
  code.tee(moved);
  code.emit("i64.eqz");
  code.branchIf(done);
  distance(code, shape, scan, () => {
    code.get(table);
    code.get(buckets);
    code.get(moved);
    code.call(shape.home);
  });
  distance(code, shape, scan, () => code.get(hole));
  code.emit("i32.ge_u", "i32.eqz");
  code.branchIf(walk);
  code.get(hole);
  code.get(moved);
  code.memory("i64.store", 0);
  if (shape.holdsValues) {
    code.get(hole);
    code.get(scan);
    code.memory("i64.load", 8);
    code.memory("i64.store", 8);
  }
  code.get(scan);
  code.set(hole);
  code.branch(walk);
  code.end();
  code.end();
  code.get(hole);
  code.i64(0n);
  code.memory("i64.store", 0);
  return code.finish();
}

/** The distance in bytes from the bucket that `from` pushes forward to `to`, with wrap-around. */
function distance(code: FunctionBuilder, shape: Shape, to: number, from: () => void): void {
  const difference = code.borrow("i32");
  code.get(to);
  from();
  code.emit("i32.sub");
  code.tee(difference);
  code.get(difference);
  span(code, shape);
  code.emit("i32.add");
  code.get(difference);
  code.i32(0);
  code.emit("i32.lt_s", "i32.eqz", "select");
  code.giveBack("i32", difference);
}
