/** wrk, a load generator for web servers. */
import { execFileSync } from "node:child_process";

export interface Load {
  readonly requests: number;
  readonly requestsPerSecond: number;
}

/** Seconds. */
const longest = 64;

/**
 * Loads a page by 16 clients for a second, or for longer until there is a response: beside busy processes a second can end
 * before the first. `prefix` places wrk on a processor.
 */
export function wrk(prefix: readonly string[], page: string): Load {
  for (let seconds = 1; ; seconds *= 2) {
    const options = ["-t1", "-c16", `-d${seconds}s`, "--timeout", `${longest}s`];
    const [file, ...words] = [...prefix, "wrk", ...options, page];
    const text = execFileSync(file!, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const [, requests] = /(\d+) requests in/.exec(text) ?? [];
    const [, rate] = /Requests\/sec:\s+([\d.]+)/.exec(text) ?? [];
    if (requests === undefined || rate === undefined) throw new Error(`wrk prints no rate:\n${text}`);
    if (/Non-2xx|Socket errors/.test(text)) throw new Error(`requests failed:\n${text}`);
    if (Number(rate) > 0) return { requests: Number(requests), requestsPerSecond: Number(rate) };
    if (seconds >= longest) throw new Error(`no response in ${seconds} s: ${page}`);
  }
}
