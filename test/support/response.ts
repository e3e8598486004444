/** One exchange with a server in a text protocol. */
import { connect } from "node:net";
import type { Address } from "./address.ts";

/** Sends the text and returns the server's whole response; undefined if the connection fails. */
export function responseOf({ host, port }: Address, text: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let response = "";
    const socket = connect(port, host, () => socket.write(text));
    socket.on("data", (bytes) => {
      response += bytes.toString();
    });
    socket.on("close", () => resolve(response === "" ? undefined : response));
    socket.on("error", () => resolve(undefined));
  });
}
