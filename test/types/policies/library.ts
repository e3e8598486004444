// The complete standard library of the language.
import { allow, deny, policy } from "portcullis";

const ports = [80n, 443n] as const;

// @ts-expect-error not in the language
Date.now();
// @ts-expect-error not in the language
console.log("");
// @ts-expect-error not in the language
process.exit();
// @ts-expect-error not in the language
ports.filter((port) => port === 1n);
// @ts-expect-error not in the language
"text".length;
// @ts-expect-error not in the language
Math.max(1, 2);
// @ts-expect-error a modulus has at most 64 bits
BigInt.asUintN(128, 1n);
// @ts-expect-error bigint and number do not mix
export const sum = 1n + 1;

export default policy((call) => {
  if (call.name !== "connect") return allow;
  const length = BigInt.asUintN(8, BigInt.asIntN(32, call.raw.arg2));
  for (const port of ports) if (length === port) return deny("EACCES");
  return ports.includes(443n) && ports.some((port) => port > 100n) && ports.every((port) => port > 1n)
    ? allow
    : deny("EPERM");
});
