/** The rooms that a call enters, as one number, which a prepared call carries (native/addon/pin.h, `image.rooms`). */
import type { EnteredRoom } from "../../../ir/evaluation.ts";

/** Of one room: its index + 1 above its side, which is less than 32. At most four rooms are entered. */
const [roomBits, sideBits] = [16n, 5n];

/** 0 for none. */
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
