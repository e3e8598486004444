/** Packs the rooms that a call enters into one number, which a prepared call carries (native/addon/pin/pin.h, `image.rooms`). */
import type { EnteredRoom } from "../../../ir/evaluation.ts";

/** Bits of one room: its index + 1 above its side, which is less than 32. A call enters at most four rooms. */
const [roomBits, sideBits] = [16n, 5n];

/** 0 without rooms. */
export function packEntered(entered: readonly EnteredRoom[]): bigint {
  let packed = 0n;
  for (const { room, side } of entered) packed = (packed << roomBits) | (BigInt(room + 1) << sideBits) | BigInt(side);
  return packed;
}

export function unpackEntered(packed: bigint): readonly EnteredRoom[] {
  const entered: EnteredRoom[] = [];
  for (let rest = packed; rest !== 0n; rest >>= roomBits) {
    const one = Number(BigInt.asUintN(Number(roomBits), rest));
    entered.unshift({ room: (one >> Number(sideBits)) - 1, side: one & ((1 << Number(sideBits)) - 1) });
  }
  return entered;
}
