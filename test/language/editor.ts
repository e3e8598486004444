/** TypeScript's language server, as an editor uses it (Language Server Protocol on standard input and output). */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly items?: readonly unknown[] };
  readonly result?: unknown;
  readonly error?: unknown;
}

export class LanguageServer {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #received = Buffer.alloc(0);
  #last = 0;

  private constructor() {
    this.#process = spawn(resolve("node_modules/.bin/tsc"), ["--lsp", "--stdio"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#process.stdout!.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#process.on("exit", (status) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the language server ended with ${status}`));
    });
  }

  static async start(folder: string): Promise<LanguageServer> {
    const server = new LanguageServer();
    const root = pathToFileURL(folder).href;
    await server.#request("initialize", {
      processId: process.pid,
      rootUri: root,
      workspaceFolders: [{ uri: root, name: "policies" }],
      capabilities: { textDocument: { hover: { contentFormat: ["markdown"] } } },
    });
    server.#send({ method: "initialized", params: {} });
    return server;
  }

  open(file: string, text: string): void {
    const document = { uri: pathToFileURL(file).href, languageId: "typescript", version: 1, text };
    this.#send({ method: "textDocument/didOpen", params: { textDocument: document } });
  }

  /** What the editor shows for the character at this place, lines and characters from 0. */
  async hover(file: string, line: number, character: number): Promise<string> {
    const position = { textDocument: { uri: pathToFileURL(file).href }, position: { line, character } };
    const result = (await this.#request("textDocument/hover", position)) as { contents: { value: string } } | null;
    return result?.contents.value ?? "";
  }

  async stop(): Promise<void> {
    await this.#request("shutdown");
    this.#send({ method: "exit" });
  }

  #request(method: string, params?: unknown): Promise<unknown> {
    const id = ++this.#last;
    return new Promise((done, reject) => {
      this.#waiting.set(id, { resolve: done, reject });
      this.#send({ id, method, params });
    });
  }

  #send(message: object): void {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#process.stdin!.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  #take(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const end = this.#received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(this.#received.toString("latin1", 0, end))?.[1]);
      if (this.#received.length < end + 4 + length) return;
      const text = this.#received.toString("utf8", end + 4, end + 4 + length);
      this.#received = this.#received.subarray(end + 4 + length);
      this.#answer(JSON.parse(text) as Message);
    }
  }

  #answer({ id, method, params, result, error }: Message): void {
    if (id === undefined) return;
    if (method !== undefined) {
      // A request of the server: it has no settings here, and may watch what it likes.
      this.#send({ id, result: method === "workspace/configuration" ? params?.items?.map(() => null) : null });
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(JSON.stringify(error)));
  }
}
