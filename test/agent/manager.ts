/** Plays systemd for an agent: the socket of sd_notify(3), and a store of descriptors. */
import { chmodSync } from "node:fs";
import { callNumber } from "../../src/abi/call-numbers.ts";
import { close, receiveWithDescriptors } from "../../src/machine/descriptors.ts";
import { native, required } from "../../src/machine/native.ts";

export class Manager {
  /** All messages that are not about descriptors. */
  readonly said: string[] = [];
  readonly store = new Map<string, number>();
  readonly #socket: number;
  readonly #timer: NodeJS.Timeout;
  readonly #sockets: { readonly name: string; readonly descriptor: number }[] = [];

  readonly #name: string;

  /** A path, or @ and an abstract name. */
  constructor(name: string) {
    this.#name = name;
    this.#socket = bound(name, 2 | 0o4000);
    // An agent of another user may write to it.
    if (!name.startsWith("@")) chmodSync(name, 0o666);
    this.#timer = setInterval(() => this.#read(), 2);
  }

  /** The socket of another unit, which it hands over like the stored descriptors. */
  listen(path: string): void {
    const descriptor = bound(path, 1);
    const listen = process.arch === "arm64" ? 201 : 50;
    required("listen", native().syscall(listen, descriptor, 128));
    this.#sockets.push({ name: "portcullis-agent.socket", descriptor });
  }

  environment(room = 64): NodeJS.ProcessEnv {
    return { NOTIFY_SOCKET: this.#name, FDSTORE: String(room) };
  }

  /** For the next start. They stay in the store until they are removed. */
  get given(): readonly { readonly name: string; readonly descriptor: number }[] {
    return [...this.#sockets, ...[...this.store].map(([name, descriptor]) => ({ name, descriptor }))];
  }

  /** What it has read so far is all that was sent before. */
  settle(): void {
    this.#read();
  }

  lose(name: string): void {
    close(this.store.get(name) ?? -1);
    this.store.delete(name);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { descriptor } of this.given) close(descriptor);
    close(this.#socket);
  }

  #read(): void {
    const bytes = new Uint8Array(4096);
    for (;;) {
      const { count, descriptors } = receiveWithDescriptors(this.#socket, bytes, false);
      if (count < 0) return;
      const text = Buffer.from(bytes.subarray(0, count)).toString();
      const [, name = ""] = /^FDNAME=(.*)$/m.exec(text) ?? [];
      if (text.includes("FDSTORE=1")) this.store.set(name, descriptors[0]!);
      else if (text.includes("FDSTOREREMOVE=1")) {
        this.lose(name);
      } else if (text === "BARRIER=1") for (const descriptor of descriptors) close(descriptor);
      else this.said.push(text);
    }
  }
}

function bound(name: string, type: number): number {
  const { syscall } = native();
  const socket = required("socket", syscall(callNumber("socket"), 1, type | 0o2000000, 0));
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(name.replace(/^@/, "\0")), Buffer.alloc(1)]);
  const length = name.startsWith("@") ? address.length - 1 : address.length;
  required(`bind ${name}`, syscall(callNumber("bind"), socket, address, length));
  return socket;
}
