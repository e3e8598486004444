/** wrk, a load generator for web servers. */
import { execFileSync } from "node:child_process";

interface Load {
  /** Requests with a whole response. */
  readonly requests: number;
  readonly requestsPerSecond: number;
  /**
   * Requests whose connection ended before the response was complete: wrk's read and write errors. wrk counts no response
   * for them and repeats them on a new connection.
   */
  readonly repeated: number;
}

/** What wrk prints. */
interface Report extends Load {
  /** Responses of another status than 2xx and 3xx. */
  readonly refused: number;
  /** Connections that were not made. */
  readonly unconnected: number;
  /** Responses that came later than `--timeout`. */
  readonly late: number;
}

/** @throws Error if the text has no rate */
export function readReport(text: string): Report {
  const [, requests] = /^\s*(\d+) requests in /m.exec(text) ?? [];
  const [, rate] = /^Requests\/sec:\s+([\d.]+)$/m.exec(text) ?? [];
  if (requests === undefined || rate === undefined) throw new Error(`wrk prints no rate:\n${text}`);
  // wrk prints each of these lines only if a number of it is not 0.
  const [, refused = "0"] = /^\s*Non-2xx or 3xx responses: (\d+)$/m.exec(text) ?? [];
  const errors = /^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$/m.exec(text) ?? [];
  const [, connect = "0", read = "0", write = "0", timeout = "0"] = errors;
  return {
    requests: Number(requests),
    requestsPerSecond: Number(rate),
    refused: Number(refused),
    unconnected: Number(connect),
    late: Number(timeout),
    repeated: Number(read) + Number(write),
  };
}

/** Seconds. */
const longest = 64;

/**
 * Loads a page by 16 clients for a second, or for longer until there is a response: beside busy processes a second can end
 * before the first. `prefix` places wrk on a processor.
 *
 * A server may close a connection that it keeps for further requests, and its client may notice only with the next one
 * (RFC 9112, section 9.5). Apache does it while all threads of a worker are busy. So repeated requests have not failed. A
 * server that responds to no request has no rate.
 *
 * @throws Error if requests failed, or if there is no response
 */
export function wrk(prefix: readonly string[], page: string): Load {
  for (let seconds = 1; ; seconds *= 2) {
    const options = ["-t1", "-c16", `-d${seconds}s`, "--timeout", `${longest}s`];
    const [file, ...words] = [...prefix, "wrk", ...options, page];
    const text = execFileSync(file!, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const { refused, unconnected, late, ...load } = readReport(text);
    if (refused + unconnected + late > 0) throw new Error(`requests failed:\n${text}`);
    if (load.requestsPerSecond > 0) return load;
    if (seconds >= longest) throw new Error(`no response in ${seconds} s: ${page}`);
  }
}
