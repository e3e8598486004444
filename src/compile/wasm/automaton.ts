/**
 * An automaton of string patterns as a WebAssembly function: a loop over bytes in linear memory that reads the automaton's
 * tables, which lie there as constants.
 */
import { type Automaton, dead } from "../../patterns/automaton.ts";
import { automatonTables } from "../../patterns/tables.ts";
import type { EncodedFunction } from "./encoding.ts";
import { FunctionBuilder } from "./function-builder.ts";

/**
 * (address: i32, length: i32) → the index of the accept set, as `run` gives it. Both bytes and tables must be inside of
 * memory, else it traps. `constant` puts bytes into memory and gives their address.
 */
export function automatonFunction(automaton: Automaton, constant: (bytes: Uint8Array) => number): EncodedFunction {
  const { classCount, settled, start } = automaton;
  const { bytes, classes, transitions, accepts } = automatonTables(automaton);
  const tables = constant(bytes);
  const code = new FunctionBuilder(["i32", "i32"], ["i32"]);
  const [at, end] = [0, 1];
  const state = code.local("i32");
  const double = () => {
    code.i32(1);
    code.emit("i32.shl");
  };

  code.get(at);
  code.get(end);
  code.emit("i32.add");
  code.set(end);
  code.i32(start);
  code.set(state);
  const over = code.block();
  const next = code.loop();
  code.get(at);
  code.get(end);
  code.emit("i32.eq");
  code.branchIf(over);
  code.get(state);
  code.i32(classCount);
  code.emit("i32.mul");
  code.get(at);
  code.memory("i32.load8_u", 0);
  code.memory("i32.load8_u", tables + classes);
  code.emit("i32.add");
  double();
  code.memory("i32.load16_u", tables + transitions);
  code.set(state);
  code.get(at);
  code.i32(1);
  code.emit("i32.add");
  code.set(at);
  // Most texts end here: in the dead state, or where the rest does not matter.
  code.get(state);
  if (settled === dead + 1) code.branchIf(next);
  else {
    code.i32(settled);
    code.emit("i32.ge_u");
    code.branchIf(next);
  }
  code.end();
  code.end();
  code.get(state);
  double();
  code.memory("i32.load16_u", tables + accepts);
  return code.finish();
}
