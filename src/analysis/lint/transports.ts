/**
 * P0508: a rule on the types of internet sockets that does not test the protocol. SOCK_STREAM is TCP, but also MPTCP,
 * SCTP and SMC; SOCK_DGRAM is UDP, but also UDP-Lite, DCCP variants and ping sockets (include/uapi/linux/in.h).
 */
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { View } from "./view.ts";

/** The same on all architectures: include/linux/socket.h, include/linux/net.h, include/uapi/linux/in.h. */
const internetFamilies = [2n, 10n];
const stream = 1n;
const raw = 3n;
const others = { SCTP: 132n, MPTCP: 262n };

export function findTransports(view: View): Diagnostic[] {
  for (const family of internetFamilies) {
    const judged = (type: bigint, protocol: bigint) => view.possibleFor("socket", [family, type, protocol]);
    const refused = judged(raw, 0n).find((verdict) => view.isDenial(verdict));
    const isAllowed = (protocol: bigint) => judged(stream, protocol).some((verdict) => !view.isDenial(verdict));
    if (refused === undefined || !judged(raw, 0n).every((verdict) => view.isDenial(verdict))) continue;
    if (!isAllowed(0n) || !Object.values(others).every(isAllowed)) continue;
    return [
      diagnostic(
        "P0508",
        "this refuses some types of internet sockets but allows every protocol: MPTCP, SCTP and SMC have the type of TCP",
        {
          span: view.span(refused),
          help: "for only TCP and UDP, add `[0n, 6n, 17n].includes(call.args.protocol)` (0 is the default, TCP or UDP)",
        },
      ),
    ];
  }
  return [];
}
